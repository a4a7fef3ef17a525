"""How far out sound may be, how sure an answer must be, and which answers are wanted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avsync.errors import UsageError
from avsync.timebase import FRAME_MS

if TYPE_CHECKING:
    from avsync.report import SyncReport

DEFAULT = "ebu-r37"  # of the standards below: what is inside is left alone

ACCEPT = 0.9  # confidence of an answer, unless asked otherwise; a wrong one is worse than none


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far out sound may be.

    Attributes
    ----------
    early_ms, late_ms : float
        How early and how late, both 0 or more.

    Examples
    --------
    >>> Tolerance.of("ebu-r37")
    Tolerance(early_ms=40, late_ms=60)
    >>> Tolerance.of("20/30").late_ms
    30.0

    References
    ----------
    EBU R37, 2007. ITU-R BT.1359-1, 1998. ATSC IS-191, 2003.
    """

    early_ms: float
    late_ms: float

    def __post_init__(self) -> None:
        if not (self.early_ms >= 0 and self.late_ms >= 0):  # as nothing is that is no number
            names = ", ".join(STANDARDS)
            why = f"choose {names}, or EARLY/LATE in ms, both 0 or more"
            raise UsageError(why, "tolerance", f"{self.early_ms:g}/{self.late_ms:g}")

    @classmethod
    def of(cls, text: str) -> "Tolerance":
        """A standard's name or EARLY/LATE in ms, such as 40/60. Raises UsageError otherwise."""
        if text in STANDARDS:
            return STANDARDS[text]
        try:
            early, late = (float(part) for part in text.split("/"))
        except ValueError:
            names = ", ".join(STANDARDS)
            raise UsageError(f"choose {names}, or EARLY/LATE in ms", "tolerance", text) from None
        return cls(early, late)

    def allows(self, report: "SyncReport") -> bool:
        """Whether an offset is inside, from the first picture to the last."""
        return all(-self.late_ms <= offset_ms <= self.early_ms for offset_ms in report.range_ms)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reports are wanted; one that asks for anything wants answers only.

    Attributes
    ----------
    min_confidence : float or None
        From 0 to 1.
    max_abs_offset_ms : float or None
        0 or more.
    """

    min_confidence: float | None = None
    max_abs_offset_ms: float | None = None

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise UsageError("between 0 and 1", "min_confidence", self.min_confidence)
        if self.max_abs_offset_ms is not None and not self.max_abs_offset_ms >= 0:
            raise UsageError("milliseconds, 0 or more", "max_abs_offset_ms", self.max_abs_offset_ms)

    @property
    def asks(self) -> bool:
        """Whether anything is left out at all."""
        return self.min_confidence is not None or self.max_abs_offset_ms is not None

    def wants(self, report: "SyncReport") -> bool:
        """Whether a report is to be written."""
        if not self.asks:
            return True
        if report.offset_ms is None or report.confidence is None:
            return False
        return report.confidence >= (self.min_confidence or 0.0) and (
            self.max_abs_offset_ms is None
            or max(map(abs, report.range_ms)) <= self.max_abs_offset_ms
        )


STANDARDS = {
    "ebu-r37": Tolerance(40, 60),  # EBU R37, end of the production chain
    "itu-bt1359": Tolerance(45, 125),  # ITU-R BT.1359-1, threshold of detectability
    "atsc-is191": Tolerance(15, 45),  # ATSC IS-191
    "netflix": Tolerance(FRAME_MS, FRAME_MS),  # one frame to either side
}
