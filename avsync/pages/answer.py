"""What a page says of an answer: headline, mood, facts, in words (no pictures)."""

from dataclasses import dataclass
from typing import Literal

from avsync.pages.rendering import printable
from avsync.prose import confidence_in_words, guess
from avsync.report import SyncReport
from avsync.timebase import offset_frames, offset_in_words
from avsync.tolerance import DEFAULT, STANDARDS, Tolerance

STANDARD_NAMES = {
    "ebu-r37": "EBU R37",
    "itu-bt1359": "ITU-R BT.1359",
    "atsc-is191": "ATSC IS-191",
    "netflix": "Netflix",
}
Mood = Literal["good", "out", "unsure", "failed"]


@dataclass(frozen=True, slots=True)
class Allowed:
    """The tolerance of a page, and what it is called."""

    tolerance: Tolerance
    name: str

    @classmethod
    def of(cls, text: str | None) -> "Allowed":
        """As `--tolerance` says it; None: EBU R37. Raises UsageError."""
        text = text or DEFAULT
        tolerance = Tolerance.of(text)
        name = STANDARD_NAMES.get(text) if text in STANDARDS else None
        return cls(tolerance, name or f"{tolerance.early_ms:g}/{tolerance.late_ms:g} ms")

    @property
    def in_words(self) -> str:
        """Name and limits."""
        limits = f"{self.tolerance.early_ms:g} ms early to {self.tolerance.late_ms:g} ms late"
        return f"{self.name} ({limits})"


def mood_of(report: SyncReport, allowed: Allowed) -> Mood:
    """What colour it has."""
    if report.status == "error":
        return "failed"
    if report.offset_ms is None:
        return "unsure"
    return "good" if allowed.tolerance.allows(report) else "out"


def headline(report: SyncReport) -> str:
    """The answer in a few words."""
    if report.status == "error":
        return "Cannot be read"
    if report.offset_ms is None:
        return "Cannot tell"
    first, last = report.range_ms
    if len(report.segments) > 1:
        return f"The offset steps, {len(report.segments) - 1} times"
    if report.drift_ms_per_minute:
        start, end = (_short(s) for s in (report.segments[0].offset_ms,
                                          report.segments[0].end_offset_ms))  # fmt: skip
        return f"Sound drifts from {start} to {end}"
    assert first == last or report.offset_ms is not None
    return offset_in_words(report.offset_ms).capitalize()


def is_constant(report: SyncReport) -> bool:
    """Whether one value says all of it, and cures it."""
    return len(report.segments) < 2 and not report.drift_ms_per_minute


def facts(report: SyncReport, allowed: Allowed) -> list[str]:
    """What stands below the headline, a phrase each."""
    if report.offset_ms is None or report.confidence is None:
        return [printable(words) for words in (*report.reasons, guess(report)) if words]
    inside = "inside" if allowed.tolerance.allows(report) else "outside"
    said = [f"confidence {confidence_in_words(report.confidence)}"]
    if report.uncertainty_ms is not None:
        said.append(f"\N{PLUS-MINUS SIGN}{report.uncertainty_ms:.0f} ms")
    if is_constant(report):
        said.append(f"{abs(offset_frames(report.offset_ms)):.1f} frames of 40 ms")
    return [*said, f"{inside} {allowed.in_words}"]


def steps(report: SyncReport) -> list[tuple[str, str, str]]:
    """(from, to, what) of each segment, where there is more to say than one offset."""
    if is_constant(report):
        return []
    rows = []
    for one in report.segments:
        what = offset_in_words(one.offset_ms)
        if one.drift_ms_per_minute:
            pace = one.drift_ms_per_minute
            why = f" ({one.explained_by})" if one.explained_by else ""
            which = "early" if pace > 0 else "late"
            what = f"{what}, then {abs(pace):.0f} ms a minute more {which}{why}"
        rows.append((f"{one.start_seconds:.1f} s", f"{one.end_seconds:.1f} s", what))
    return rows


def looked_at(report: SyncReport) -> list[tuple[str, str]]:
    """What was looked at, as pairs of a term and what there is to say."""
    speech, duration = report.speech_seconds, report.duration_seconds
    pairs = [
        ("Picture", _seconds(duration)),
        ("Looked at", _seconds(report.looked_seconds)),
        ("Speech while a face is seen", _seconds(speech)),
        ("Faces", str(len(report.tracks)) if report.status != "error" else ""),
        ("Detector", report.detector or ""),
        ("Weights", report.weights or ""),
        ("Nearest distance", "" if report.min_distance is None else f"{report.min_distance:.3f}"),
        ("Median, nearest", "" if report.median_minus_min is None
         else f"{report.median_minus_min:.3f} apart"),
    ]  # fmt: skip
    return [(term, printable(said)) for term, said in pairs if said]


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} s"


def _short(offset_ms: float) -> str:
    return offset_in_words(offset_ms).removeprefix("sound is ").removesuffix(" (0 ms)")
