"""Stage 6: the answer, and its forms: text for people, JSON and CSV for programs."""

import csv
import io
import json
import os
import shlex
from dataclasses import asdict, dataclass
from typing import Any, Literal

from avsync.inputs import DESCRIPTOR, is_url
from avsync.timebase import offset_frames, offset_in_words

Status = Literal["ok", "undetermined", "error"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one offset, or one that grows evenly."""

    start_seconds: float
    end_seconds: float
    offset_ms: float  # at its start
    drift_ms_per_minute: float = 0.0  # growth of the offset; positive: sound gets earlier
    explained_by: str | None = None  # frame rates that make such a drift
    confidence: float = 1.0
    uncertainty_ms: float = 0.0

    @property
    def end_offset_ms(self) -> float:
        """The offset at its end."""
        minutes = (self.end_seconds - self.start_seconds) / 60
        return self.offset_ms + minutes * self.drift_ms_per_minute


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """A face that was seen."""

    start_seconds: float
    end_seconds: float
    box: tuple[float, float, float, float]  # median left, top, width, height; pixels as shown
    share: float  # of the evidence, 0..1


@dataclass(frozen=True, slots=True)
class UpstreamScores:
    """What joonson/syncnet_python prints for the same embeddings."""

    lse_d: float  # minimum mean distance
    lse_c: float  # median of the mean distances - minimum
    offset_frames: int


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer holds for; where any of it changes, a batch measures the file again."""

    size_bytes: int | None  # of the file; None where there is none
    mtime_ns: int | None  # when it was last written
    weights_sha256: str
    options: dict[str, Any]  # that have a say in the answer


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What is known of one file. `offset_ms` is positive when the sound is early."""

    path: str
    status: Status
    offset_ms: float | None = None
    confidence: float | None = None  # probability that the offset is within 40 ms of the truth
    uncertainty_ms: float | None = None  # half-width of a 90 % interval, if it is right at all
    reasons: tuple[str, ...] = ()  # why undetermined, or the error
    min_distance: float | None = None
    median_minus_min: float | None = None
    upstream: UpstreamScores | None = None  # where asked for
    segments: tuple[Segment, ...] = ()
    tracks: tuple[TrackSummary, ...] = ()
    duration_seconds: float | None = None  # of the picture
    looked_seconds: float | None = None  # of picture that was looked at: of long files, parts
    speech_seconds: float | None = None  # of sound while the chosen faces are seen
    detector: str | None = None
    weights: str | None = None
    warnings: tuple[str, ...] = ()
    source: Source | None = None  # in batches

    @property
    def offset_frames(self) -> float | None:
        """The offset in frames of 40 ms."""
        return None if self.offset_ms is None else offset_frames(self.offset_ms)

    @property
    def range_ms(self) -> tuple[float, float]:
        """The latest and the earliest that sound gets; of an answer only."""
        ends = [
            ms for segment in self.segments for ms in (segment.offset_ms, segment.end_offset_ms)
        ]
        ends = ends or [self.offset_ms or 0.0]
        return min(ends), max(ends)

    @property
    def drift_ms_per_minute(self) -> float:
        """Growth of the offset, where it grows evenly."""
        return self.segments[0].drift_ms_per_minute if self.segments else 0.0

    def to_dict(self) -> dict[str, Any]:
        """All fields, flat where programs expect them flat."""
        fields = asdict(self)
        scores = fields.pop("upstream")
        fields |= fields.pop("source") or {}
        if scores:
            fields |= {
                "lse_d": scores["lse_d"],
                "lse_c": scores["lse_c"],
                "upstream_offset_frames": scores["offset_frames"],
            }
        head = {name: fields.pop(name) for name in ("path", "status", "offset_ms")}
        frames = self.offset_frames
        return {**head, "offset_frames": frames if frames is None else round(frames, 2), **fields}

    def to_json(self, indent: int | None = None) -> str:
        """One JSON object; ASCII, so that any file name survives."""
        return json.dumps(self.to_dict(), indent=indent)

    def to_text(self) -> str:
        """A few lines that a person understands without knowing a sign convention."""
        margin = " " * 4
        if self.status == "error":
            return f"{self.path}\n{margin}{'; '.join(self.reasons)}"
        lines = [self.path, f"{margin}{self._headline()}", f"{margin}{self._basis()}"]
        if self.upstream:
            u = self.upstream
            lines.append(
                f"{margin}SyncNet's figures: LSE-D {u.lse_d:.3f}, LSE-C {u.lse_c:.3f}, "
                f"AV offset {u.offset_frames} frames"
            )
        if cure := self._cure():
            lines.append(f"{margin}{cure}")
        lines += [f"{margin}note: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _cure(self) -> str | None:
        if len(self.segments) > 1:
            return "put it right: cut it there, then avsync fix each part"
        if self.offset_ms is None or not any(map(round, self.range_ms)):
            return None
        if is_url(self.path) or DESCRIPTOR.fullmatch(self.path):
            return "put it right: save it as a file, then avsync fix"
        stem, suffix = os.path.splitext(self.path)
        command = ["avsync", "fix", self.path, "-o", f"{stem}.synced{suffix}"]
        return f"put it right: {shlex.join(command)}"

    def _headline(self) -> str:
        if self.offset_ms is None or self.confidence is None:
            return f"cannot tell: {'; '.join(self.reasons)}"
        return (
            f"{self._offset_in_words()}   "
            f"confidence {confidence_in_words(self.confidence)}   +-{self.uncertainty_ms:.0f} ms"
        )

    def _offset_in_words(self) -> str:
        assert self.offset_ms is not None
        first, *others = self.segments or (Segment(0.0, 0.0, self.offset_ms),)
        if others:
            steps = (f"from {s.start_seconds:.1f} s {_shortly(s.offset_ms)}" for s in others)
            return "; ".join((offset_in_words(first.offset_ms), *steps))
        if first.drift_ms_per_minute:
            pace, why = first.drift_ms_per_minute, first.explained_by
            return (
                f"{offset_in_words(first.offset_ms)} at the start, "
                f"{_shortly(first.end_offset_ms)} at the end: {abs(pace):.0f} ms a minute more "
                f"{'early' if pace > 0 else 'late'}{f' ({why})' if why else ''}"
            )
        frames = abs(offset_frames(self.offset_ms))
        return f"{offset_in_words(self.offset_ms)}, {frames:.1f} frames"

    def _basis(self) -> str:
        most = max((track.share for track in self.tracks), default=0.0)
        speakers = sum(track.share > 0.05 * most for track in self.tracks)
        faces = {0: "no face", 1: "one face"}.get(speakers, f"{speakers} face tracks")
        seconds = self.duration_seconds or 0.0
        whole = self.looked_seconds is None or self.looked_seconds >= 0.99 * seconds
        looked = "" if whole else f"{self.looked_seconds:.0f} s looked at of "
        return (
            f"{self.speech_seconds or 0:.1f} s of speech on {faces}, "
            f"{looked}{seconds:.1f} s of picture; "
            f"{self.weights} weights, {self.detector} faces"
        )


def _shortly(offset_ms: float) -> str:
    return offset_in_words(offset_ms).removeprefix("sound is ")


COLUMNS = (
    "path",
    "status",
    "offset_ms",
    "offset_frames",
    "confidence",
    "uncertainty_ms",
    "reasons",
    "min_distance",
    "median_minus_min",
    "lse_d",
    "lse_c",
    "upstream_offset_frames",
    "duration_seconds",
    "looked_seconds",
    "speech_seconds",
    "detector",
    "weights",
)


def confidence_in_words(confidence: float) -> str:
    """A percentage; nothing that is estimated is certain."""
    return "over 99 %" if confidence > 0.99 else f"{100 * confidence:.0f} %"


def csv_line(values: tuple[Any, ...]) -> str:
    """One line of CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)  # both of which it then quotes
    return text.getvalue()[:-2]


def to_row(report: SyncReport) -> tuple[Any, ...]:
    """Values of `COLUMNS`."""
    fields = report.to_dict() | {"reasons": "; ".join(report.reasons)}
    return tuple(fields.get(name) for name in COLUMNS)
