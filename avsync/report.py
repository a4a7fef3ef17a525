"""Stage 6: the answer, and its forms: text for people, JSON and CSV for programs."""

import csv
import io
import json
import os
import shlex
from dataclasses import asdict, dataclass
from typing import Any, Literal

from avsync.errors import UsageError
from avsync.timebase import offset_frames, offset_in_words

Status = Literal["ok", "undetermined", "error"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one offset."""

    start_seconds: float
    end_seconds: float
    offset_ms: float


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
    duration_seconds: float | None = None  # of the picture that was looked at
    speech_seconds: float | None = None  # of sound while the chosen faces are seen
    detector: str | None = None
    weights: str | None = None
    warnings: tuple[str, ...] = ()
    source: Source | None = None  # in batches

    @property
    def offset_frames(self) -> float | None:
        """The offset in frames of 40 ms."""
        return None if self.offset_ms is None else offset_frames(self.offset_ms)

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
        if self.offset_ms is not None and abs(round(self.offset_ms)) > 0:
            lines.append(f"{margin}put it right: {self._cure()}")
        lines += [f"{margin}note: {warning}" for warning in self.warnings]
        return "\n".join(lines)

    def _cure(self) -> str:
        stem, suffix = os.path.splitext(self.path)
        return shlex.join(["avsync", "fix", self.path, "-o", f"{stem}.synced{suffix}"])

    def _headline(self) -> str:
        if self.offset_ms is None or self.confidence is None:
            return f"cannot tell: {'; '.join(self.reasons)}"
        frames = abs(offset_frames(self.offset_ms))
        return (
            f"{offset_in_words(self.offset_ms)}, {frames:.1f} frames   "
            f"confidence {confidence_in_words(self.confidence)}   +-{self.uncertainty_ms:.0f} ms"
        )

    def _basis(self) -> str:
        most = max((track.share for track in self.tracks), default=0.0)
        speakers = sum(track.share > 0.05 * most for track in self.tracks)
        faces = {0: "no face", 1: "one face"}.get(speakers, f"{speakers} face tracks")
        return (
            f"{self.speech_seconds or 0:.1f} s of speech on {faces}, "
            f"{self.duration_seconds or 0:.1f} s of picture; "
            f"{self.weights} weights, {self.detector} faces"
        )


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


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How early and how late sound may be, in ms, both positive."""

    early_ms: float
    late_ms: float

    @classmethod
    def of(cls, text: str) -> "Tolerance":
        """A standard's name or EARLY/LATE in ms, such as 40/60. Raises UsageError otherwise."""
        if text in STANDARDS:
            return STANDARDS[text]
        try:
            early, late = (float(part) for part in text.split("/"))
        except ValueError:
            early = late = -1.0
        if early < 0 or late < 0:
            names = ", ".join(STANDARDS)
            raise UsageError(f"--tolerance {text}: choose {names}, or EARLY/LATE in ms") from None
        return cls(early, late)

    def allows(self, offset_ms: float) -> bool:
        """Whether an offset is inside."""
        return -self.late_ms <= offset_ms <= self.early_ms


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reports are wanted; one that asks for anything wants answers only."""

    min_confidence: float | None = None  # 0..1
    max_abs_offset_ms: float | None = None

    def __post_init__(self) -> None:
        if self.min_confidence is not None and not 0 <= self.min_confidence <= 1:
            raise UsageError(f"--min-confidence {self.min_confidence:g}: between 0 and 1")
        if self.max_abs_offset_ms is not None and self.max_abs_offset_ms < 0:
            raise UsageError(
                f"--max-abs-offset {self.max_abs_offset_ms:g}: milliseconds, 0 or more"
            )

    @property
    def asks(self) -> bool:
        """Whether anything is left out at all."""
        return self.min_confidence is not None or self.max_abs_offset_ms is not None

    def wants(self, report: SyncReport) -> bool:
        """Whether a report is to be written."""
        if not self.asks:
            return True
        if report.offset_ms is None or report.confidence is None:
            return False
        return report.confidence >= (self.min_confidence or 0.0) and (
            self.max_abs_offset_ms is None or abs(report.offset_ms) <= self.max_abs_offset_ms
        )


STANDARDS = {
    "ebu-r37": Tolerance(40, 60),  # EBU R37, end of the production chain
    "itu-bt1359": Tolerance(45, 125),  # ITU-R BT.1359-1, threshold of detectability
    "atsc-is191": Tolerance(15, 45),  # ATSC IS-191
}
