"""Which parts of a long file are looked at, and when they suffice.

Short looks are spread over the file: its first and last part, the middle, the quarters, and so on.
They suffice when together they are sure of one offset and looks in its beginning, middle and end,
each by itself, agree on it. Where looks that are sure disagree, the file drifts or was cut, and all
of it must be seen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from avsync.media.decode import Span
from avsync.report import SyncReport
from avsync.sync.blocks import BLOCK_FRAMES
from avsync.sync.drift import FINE_SLOPE
from avsync.timebase import FRAME_MS, FRAMES_PER_SECOND
from avsync.tolerance import ACCEPT

WHOLE_SECONDS = 180.0  # shorter files are looked at from end to end
LOOK_FRAMES = 20 * FRAMES_PER_SECOND
FEWEST_LOOKS, MOST_LOOKS = 5, 17  # 100 s and nearly 6 minutes
THIRDS = 3  # of a file, in each of which the offset must be seen
VERY_SURE = 0.99  # of all looks together


@dataclass(frozen=True, slots=True)
class Look:
    """What a look by itself says.

    Attributes
    ----------
    span : Span
        Where it looked.
    report : SyncReport
        What it tells.
    """

    span: Span
    report: SyncReport

    @property
    def is_sure(self) -> bool:
        """Whether its offset can be relied on."""
        return self.report.status == "ok" and (self.report.confidence or 0.0) >= ACCEPT


def is_long(duration_seconds: float | None) -> bool:
    """Whether looking at parts of a file is worth it; of unknown length: no."""
    return duration_seconds is not None and duration_seconds > WHOLE_SECONDS


def spans(duration_seconds: float) -> list[Span]:
    """At most 17 parts of 20 s, the first ones spread as widely as the last."""
    last = int(duration_seconds * FRAMES_PER_SECOND) - LOOK_FRAMES
    # Looks begin where blocks do.
    places = [round(share * last / BLOCK_FRAMES) * BLOCK_FRAMES for share in _shares()]
    chosen: list[int] = []
    for place in places:
        if all(abs(place - other) >= LOOK_FRAMES for other in chosen):
            chosen.append(place)
    return [Span(place, LOOK_FRAMES) for place in chosen[:MOST_LOOKS]]


def reach_seconds(duration_seconds: float, max_offset_seconds: float) -> float:
    """How much sound around a look is needed: the search, and what it may run away by."""
    return max_offset_seconds + FINE_SLOPE * duration_seconds / 2 + 1.0


def disagree(looks: Sequence[Look]) -> bool:
    """Whether looks that are sure by themselves tell different offsets, or one that runs away."""
    sure = [look.report for look in looks if look.is_sure]
    offsets = [report.offset_ms or 0.0 for report in sure]
    apart = bool(offsets) and max(offsets) - min(offsets) > FRAME_MS
    return apart or any(map(detect_changes, sure))


def detect_changes(report: SyncReport) -> bool:
    """Whether a drift or steps are told: where and how fast, only the whole file can say."""
    return len(report.segments) > 1 or report.drift_ms_per_minute != 0.0


def suffice(looks: Sequence[Look], together: SyncReport, duration_seconds: float) -> bool:
    """Whether all looks together are sure, and those in each third of the file by themselves."""
    if together.status != "ok" or (together.confidence or 0.0) < VERY_SURE:
        return False
    sure = [look for look in looks if look.is_sure]
    thirds = {int(THIRDS * look.span.start_seconds / duration_seconds) for look in sure}
    return len(looks) >= FEWEST_LOOKS and len(thirds) == THIRDS


def spread_over(report: SyncReport, duration_seconds: float) -> SyncReport:
    """What parts of a file have told is said of all of it."""
    duration = round(duration_seconds, 2)
    segments = report.segments
    if segments:
        segments = (*segments[:-1], replace(segments[-1], end_seconds=duration))
    return replace(report, duration_seconds=duration, segments=segments)


def _shares() -> Iterator[float]:
    """0, 1, 1/2, 1/4, 3/4, 1/8, 3/8 ..."""
    yield from (0.0, 1.0)
    parts = 2
    while parts <= 64:
        yield from (odd / parts for odd in range(1, parts, 2))
        parts *= 2
