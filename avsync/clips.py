"""Clips of talking faces, cut from one file: what was made, and its forms for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from avsync.errors import DataError
from avsync.findings import Source
from avsync.report import Status, check_version, flat, unflattened
from avsync.timebase import timecode

COLUMNS = (
    "path", "status", "file", "speaker", "start_seconds", "end_seconds", "offset_ms", "confidence",
    "score", "reasons",
)  # fmt: skip
MANIFEST_COLUMNS = (
    "file", "speaker", "kind", "language", "offset_ms", "duration_s", "source", "start_seconds",
    "end_seconds", "source_offset_ms", "confidence", "score",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TalkingClip:
    """A clip in which one face is seen and heard to speak.

    Attributes
    ----------
    file : str
        Of the clip, as seen from the folder of the data set.
    speaker : str
        Clips of one person of one file have the same.
    start_seconds, end_seconds : float
        Of its pictures, in the file that it was cut from.
    offset_ms : float
        Of the sound there, which is in step in the clip; positive: the sound was early.
    confidence : float
        Probability that this is within 40 ms of the truth.
    score : float
        Mean probability that what is heard is said by this face.
    boxes : tuple of tuple of float
        Left, top, width and height of the face in each 40 ms, in pixels of the file's picture.

    Examples
    --------
    >>> box = (10.0, 10.0, 80.0, 100.0)
    >>> TalkingClip("a/00000.mp4", "a-0", 1.0, 1.08, 40.0, 0.99, 0.98, (box, box)).file
    'a/00000.mp4'
    """

    file: str
    speaker: str
    start_seconds: float
    end_seconds: float
    offset_ms: float
    confidence: float
    score: float
    boxes: tuple[tuple[float, ...], ...]

    @property
    def duration_seconds(self) -> float:
        """Of the clip."""
        return self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class ClipsReport:
    """What clips were cut from one file.

    Attributes
    ----------
    path : str
        As it was given.
    status : str
        ok, undetermined (no face is seen) or error. Where nobody is sure to speak for long enough,
        that is an answer: no clips.
    duration_seconds : float or None
        Of the picture.
    clips : tuple of TalkingClip
        In time.
    reasons : tuple of str
        Why undetermined, why there are none, or the error.
    warnings : tuple of str
        What was noticed on the way.
    detector, weights : str or None
        Face detector and weights.
    runtime : str or None
        What the network ran on: torch or onnx.
    source : Source or None
        In batches.

    Examples
    --------
    >>> report = ClipsReport("talk.mp4", "ok", 8.0, reasons=("nobody speaks for 1 s",))
    >>> ClipsReport.from_dict(json.loads(report.to_json())) == report
    True
    """

    path: str
    status: Status
    duration_seconds: float | None = None
    clips: tuple[TalkingClip, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    detector: str | None = None
    weights: str | None = None
    runtime: str | None = None
    source: Source | None = None

    def to_dict(self, curve: bool = True) -> dict[str, Any]:
        """All fields, flat as those of `SyncReport`; `curve`: with the box of each frame."""
        clips = [
            {name: value for name, value in asdict(clip).items() if curve or name != "boxes"}
            for clip in self.clips
        ]
        return flat(self, clips=clips)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "ClipsReport":
        """The report that `to_dict`, or a line of JSON, was made of.

        Raises DataError for what is no report, or one of a newer version.
        """
        check_version(fields)
        try:
            return unflattened(cls, fields, clips=tuple(map(_clip_of, fields["clips"])))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(f"not a report of avsync clips: {error!r}") from error

    def to_json(self, indent: int | None = None, curve: bool = True) -> str:
        """One JSON object; ASCII, so that any file name survives; `curve`: with each frame."""
        return json.dumps(self.to_dict(curve), indent=indent)

    def to_rows(self) -> list[tuple[Any, ...]]:
        """The values of `COLUMNS`, of each clip; of a file without any, one row."""
        why = "; ".join(self.reasons)
        rows = [
            (self.path, self.status, *(getattr(clip, name) for name in COLUMNS[2:-1]), why)
            for clip in self.clips
        ]
        return rows or [(self.path, self.status, *[None] * (len(COLUMNS) - 3), why)]

    def to_manifest(self) -> list[tuple[str, ...]]:
        """The values of `MANIFEST_COLUMNS`, of each clip: what training reads."""
        return [
            (
                clip.file, clip.speaker, "real", "", "0", f"{clip.duration_seconds:.2f}", self.path,
                f"{clip.start_seconds:.2f}", f"{clip.end_seconds:.2f}", f"{clip.offset_ms:.1f}",
                f"{clip.confidence:.4f}", f"{clip.score:.4f}",
            )
            for clip in self.clips
        ]  # fmt: skip

    def to_text(self) -> str:
        """A table that a person understands."""
        lines = [f"{self.path}   {self._in_a_word()}"]
        lines += [
            f"    {timecode(clip.start_seconds)} - {timecode(clip.end_seconds)}   {clip.file}   "
            f"{clip.offset_ms:+.0f} ms put right"
            for clip in self.clips
        ]
        return "\n".join([*lines, *(f"    note: {warning}" for warning in self.warnings)])

    def _in_a_word(self) -> str:
        if self.status != "ok":
            return f"cannot tell: {'; '.join(self.reasons)}"
        if not self.clips:
            return f"no clips: {'; '.join(self.reasons)}"
        spoken = sum(clip.duration_seconds for clip in self.clips)
        total = f" of {self.duration_seconds:.1f} s" if self.duration_seconds else ""
        count = len(self.clips)
        return f"{count} {'clip' if count == 1 else 'clips'}, {spoken:.1f} s{total}"


def _clip_of(fields: Mapping[str, Any]) -> TalkingClip:
    return TalkingClip(**{**fields, "boxes": tuple(map(tuple, fields.get("boxes", ())))})
