"""Which clips are cut, and how."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from avsync.errors import UsageError

CropName = Literal["face", "mouth", "none"]


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """Which clips are cut, and how.

    Attributes
    ----------
    min_seconds, max_seconds : float
        Shorter stretches are left out, longer ones divided where least is said.
    crop : str
        face: as SyncNet and LRS have it; mouth: what avsync's own network sees; none: all of the
        picture.
    size : int
        Side of a crop in pixels.

    Raises
    ------
    UsageError
        For what cannot be.

    Examples
    --------
    >>> ClipOptions(crop="mouth", size=96).max_seconds
    20.0
    """

    min_seconds: float = 1.0
    max_seconds: float = 20.0
    crop: CropName = "face"
    size: int = 224

    def __post_init__(self) -> None:
        if not self.min_seconds >= 0.2:
            raise UsageError("must be 0.2 at least", "min_seconds", self.min_seconds)
        if not 2 * self.min_seconds <= self.max_seconds < math.inf:
            raise UsageError(
                "must be twice --min-seconds at least", "max_seconds", self.max_seconds
            )
        if not 16 <= self.size <= 2048 or self.size % 2:
            raise UsageError("must be even, from 16 to 2048", "size", self.size)

    @property
    def facts(self) -> dict[str, Any]:
        """What clips hold for."""
        return asdict(self)
