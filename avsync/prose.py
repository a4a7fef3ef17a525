"""What people read: an answer in words, that need no sign convention."""

import math
from typing import TYPE_CHECKING

from avsync.cure_lines import Moved, fix_line
from avsync.media.files import DESCRIPTOR, is_url
from avsync.timebase import offset_frames, offset_in_words
from avsync.tolerance import DEFAULT, STANDARDS

if TYPE_CHECKING:
    from avsync.findings import Candidate
    from avsync.report import SyncReport

MARGIN = " " * 4
WORTH_SAYING = 0.5  # confidence of a guess
SPEAKING_SHARE = 0.05  # of the evidence that the foremost face gives
ACCEPT_STEP = 0.05


def report_in_words(report: "SyncReport") -> str:
    """A few lines."""
    if report.status == "error":
        return f"{report.path}\n{MARGIN}{'; '.join(report.reasons)}"
    lines = [_headline(report), guess(report), _basis(report), _upstream(report), _cure(report)]
    lines += [f"note: {warning}" for warning in report.warnings]
    return "\n".join([report.path, *(MARGIN + line for line in lines if line)])


def guess(report: "SyncReport") -> str | None:
    """What would be the answer if less were asked for, where that is likelier than not."""
    if report.status != "undetermined" or not report.candidates:
        return None
    first = report.candidates[0]
    if first.confidence < WORTH_SAYING:
        return None
    accept = ACCEPT_STEP * math.floor(first.confidence / ACCEPT_STEP)
    return f"probably {_candidate_in_words(first)}; --accept {accept:.2f} takes it for an answer"


def _candidate_in_words(candidate: "Candidate") -> str:
    sure = confidence_in_words(candidate.confidence)
    return f"{_shortly(candidate.offset_ms)} ({sure})"


def confidence_in_words(confidence: float) -> str:
    """A percentage; nothing that is estimated is certain."""
    return "over 99 %" if confidence > 0.99 else f"{100 * confidence:.0f} %"


def _headline(report: "SyncReport") -> str:
    if report.offset_ms is None or report.confidence is None:
        return f"cannot tell: {'; '.join(report.reasons)}"
    return (
        f"{_offset(report)}   "
        f"confidence {confidence_in_words(report.confidence)}   +-{report.uncertainty_ms:.0f} ms"
    )


def _offset(report: "SyncReport") -> str:
    assert report.offset_ms is not None
    if len(report.segments) > 1:
        first, *others = report.segments
        jumps = (f"from {s.start_seconds:.1f} s {_shortly(s.offset_ms)}" for s in others)
        return "; ".join((offset_in_words(first.offset_ms), *jumps))
    if pace := report.drift_ms_per_minute:
        (only,) = report.segments
        why = f" ({only.explained_by})" if only.explained_by else ""
        which = "early" if pace > 0 else "late"
        return (
            f"drift {which}: {offset_in_words(only.offset_ms)} at the start, "
            f"{_shortly(only.end_offset_ms)} at the end: {abs(pace):.0f} ms a minute more "
            f"{which}{why}"
        )
    frames = abs(offset_frames(report.offset_ms))
    return f"{offset_in_words(report.offset_ms)}, {frames:.1f} frames"


def _basis(report: "SyncReport") -> str:
    most = max((track.share for track in report.tracks), default=0.0)
    speakers = sum(track.share > SPEAKING_SHARE * most for track in report.tracks)
    faces = {0: "no face", 1: "one face"}.get(speakers, f"{speakers} face tracks")
    seconds = report.duration_seconds or 0.0
    whole = report.looked_seconds is None or report.looked_seconds >= 0.99 * seconds
    looked = "" if whole else f"{report.looked_seconds:.0f} s looked at of "
    return (
        f"{report.speech_seconds or 0:.1f} s of speech on {faces}, "
        f"{looked}{seconds:.1f} s of picture; "
        f"{report.weights} weights, {report.detector} faces"
    )


def _upstream(report: "SyncReport") -> str | None:
    scores = report.upstream
    if scores is None:
        return None
    return (
        f"SyncNet's figures: LSE-D {scores.lse_d:.3f}, LSE-C {scores.lse_c:.3f}, "
        f"AV offset {scores.offset_frames} frames"
    )


def _cure(report: "SyncReport") -> str | None:
    if len(report.segments) > 1:
        return "put it right: cut it there, then avsync fix each part"
    if report.offset_ms is None or STANDARDS[DEFAULT].allows(report):
        return None  # `fix` would leave it alone
    if is_url(report.path) or DESCRIPTOR.fullmatch(report.path):
        return "put it right: save it as a file, then avsync fix"
    return f"put it right: {fix_line(Moved(report.path, report.offset_ms, sound=report.audio))}"


def _shortly(offset_ms: float) -> str:
    return offset_in_words(offset_ms).removeprefix("sound is ")
