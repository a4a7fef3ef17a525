"""Who speaks when, in the forms that other programs read: RTTM and WebVTT."""

import re
from collections.abc import Iterable
from pathlib import PurePath

from avsync.speakers import SpeakerReport, SpeechSegment
from avsync.timebase import timecode


class RttmLines:
    """Lines `SPEAKER file channel start duration <NA> <NA> speaker confidence <NA>`.

    As in NIST's Rich Transcription evaluations; the file is its name without suffix.
    """

    def of(self, report: SpeakerReport) -> str | None:
        """A line for each segment; None: nobody speaks."""
        return "\n".join(_rttm(report.path, one) for one in report.segments) or None

    def end(self) -> Iterable[str]:
        """Nothing."""
        return ()


class VttCues:
    """A WebVTT file (w3.org/TR/webvtt1): cues named by person, with a NOTE on each face."""

    def of(self, report: SpeakerReport) -> str | None:
        """All of it; None: the file could not be read."""
        if report.status == "error":
            return None
        return "\n\n".join(["WEBVTT", *_notes(report), *map(_cue, report.segments)])

    def end(self) -> Iterable[str]:
        """Nothing."""
        return ()


def _rttm(path: str, one: SpeechSegment) -> str:
    name = re.sub(r"\s", "_", PurePath(path).stem)  # fields are parted by spaces
    return (
        f"SPEAKER {name} 1 {one.start_seconds:.3f} {one.end_seconds - one.start_seconds:.3f} "
        f"<NA> <NA> person{one.person + 1} {one.score:.4f} <NA>"
    )


def _notes(report: SpeakerReport) -> Iterable[str]:
    for face in report.faces:
        left, top, width, height = (round(side) for side in face.box)
        yield (
            f"NOTE face {face.number + 1}, person {face.person + 1}: {width}x{height} pixels at "
            f"{left},{top}; seen {timecode(face.start_seconds)} to {timecode(face.end_seconds)}"
        )


def _cue(one: SpeechSegment) -> str:
    times = f"{timecode(one.start_seconds)} --> {timecode(one.end_seconds)}"
    return f"NOTE face {one.face + 1}\n\n{times}\n<v Person {one.person + 1}>face {one.face + 1}"
