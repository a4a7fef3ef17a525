"""What a network is and how it wants its crops: all that a weights file says of both."""

from dataclasses import dataclass, replace
from typing import Literal

from avsync.faces.crops import SYNCNET_GEOMETRY, CropGeometry

Architecture = Literal["default", "perfect-match"]


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """All that is needed to build a network and to feed it.

    Attributes
    ----------
    architecture : str
        default or perfect-match.
    geometry : CropGeometry
        How it wants its crops.
    embedding_size : int
        D.
    width : int
        Of the default network: channels of its first layer; the others follow.
    """

    architecture: Architecture
    geometry: CropGeometry
    embedding_size: int = 256
    width: int = 32


DEFAULT_CONFIG = ModelConfig("default", CropGeometry(side=0.72, dy=0.27, pixels=88, colour=False))
# For experiments: learns as the default does, in a seventh of the time, and less well.
SMALL_CONFIG = replace(
    DEFAULT_CONFIG, geometry=replace(DEFAULT_CONFIG.geometry, pixels=44), width=16
)
PERFECT_MATCH_CONFIG = ModelConfig("perfect-match", SYNCNET_GEOMETRY, embedding_size=1024)
CONFIGS = {
    "default": DEFAULT_CONFIG,
    "small": SMALL_CONFIG,
    "perfect-match": PERFECT_MATCH_CONFIG,
}
