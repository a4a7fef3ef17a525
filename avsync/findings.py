"""Stage 7a: what an answer is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time with one offset, or one that grows evenly.

    Attributes
    ----------
    start_seconds, end_seconds : float
        On the timeline of the file.
    offset_ms : float
        At its start; positive: the sound is early.
    drift_ms_per_minute : float
        Growth of the offset; positive: the sound gets earlier.
    explained_by : str or None
        Frame rates that make such a drift.
    confidence : float
        Probability that the offset is within 40 ms of the truth.
    uncertainty_ms : float
        Half-width of a 90 % interval, if it is right at all.

    Examples
    --------
    >>> Segment(0.0, 60.0, 10.0, drift_ms_per_minute=2.0).end_offset_ms
    12.0
    """

    start_seconds: float
    end_seconds: float
    offset_ms: float
    drift_ms_per_minute: float = 0.0
    explained_by: str | None = None
    confidence: float = 1.0
    uncertainty_ms: float = 0.0

    @property
    def end_offset_ms(self) -> float:
        """The offset at its end."""
        minutes = (self.end_seconds - self.start_seconds) / 60
        return self.offset_ms + minutes * self.drift_ms_per_minute


def offset_at(segments: Sequence[Segment], seconds: float) -> float:
    """The offset in ms that an answer tells for a moment; before its first segment, that one's."""
    last = segments[0]
    for segment in segments:
        if segment.start_seconds <= seconds:
            last = segment
    return last.offset_ms + last.drift_ms_per_minute * (seconds - last.start_seconds) / 60


@dataclass(frozen=True, slots=True)
class TrackSummary:
    """A face that was seen.

    Attributes
    ----------
    start_seconds, end_seconds : float
        When.
    box : tuple of float
        Median left, top, width and height, in pixels of the picture as it is shown.
    share : float
        Of the evidence, 0 to 1: who speaks has most.

    Examples
    --------
    >>> TrackSummary(0.0, 8.0, (120, 40, 96, 128), share=0.93).box[2]
    96
    """

    start_seconds: float
    end_seconds: float
    box: tuple[float, float, float, float]
    share: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An offset that may be the right one.

    Attributes
    ----------
    offset_ms : float
        Positive: the sound is early.
    confidence : float
        Probability that it is within 40 ms of the truth.
    uncertainty_ms : float
        Half-width of a 90 % interval, if it is right at all.

    Examples
    --------
    >>> Candidate(-120.4, confidence=0.78, uncertainty_ms=9.0).confidence
    0.78
    """

    offset_ms: float
    confidence: float
    uncertainty_ms: float


@dataclass(frozen=True, slots=True)
class Curve:
    """Mean distance between picture and sound, by offset: what an answer is read from.

    Attributes
    ----------
    offsets_ms : tuple of float
        Rising, 10 ms apart; where sound drifts, at the start of the film.
    distances : tuple of float or None
        None where too little of the film has a sound so far away.

    Examples
    --------
    >>> curve = Curve((-10.0, 0.0, 10.0), (1.2, 0.8, None))
    >>> min(zip(curve.distances[:2], curve.offsets_ms))
    (0.8, 0.0)
    """

    offsets_ms: tuple[float, ...]
    distances: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class UpstreamScores:
    """What joonson/syncnet_python prints for the same embeddings.

    Attributes
    ----------
    lse_d : float
        Minimum of the mean distances by offset.
    lse_c : float
        Their median less their minimum.
    offset_frames : int
        Of 40 ms; positive: the sound is early.

    Examples
    --------
    >>> UpstreamScores(lse_d=6.9, lse_c=7.4, offset_frames=-3).offset_frames
    -3
    """

    lse_d: float
    lse_c: float
    offset_frames: int


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer holds for; where any of it changes, a batch measures the file again.

    Attributes
    ----------
    size_bytes : int or None
        Of the file; None where there is none.
    mtime_ns : int or None
        When it was last written, in ns since 1970.
    weights_sha256 : str
        Of the weights file.
    options : dict
        Those of `DetectOptions` that have a say in the answer.

    Examples
    --------
    >>> Source(1024, 1_700_000_000_000_000_000, "70a1...", {"faces": "auto"}).size_bytes
    1024
    """

    size_bytes: int | None
    mtime_ns: int | None
    weights_sha256: str
    options: dict[str, Any]

    @classmethod
    def within(cls, fields: Mapping[str, Any]) -> "Source | None":
        """That of a report, whose fields hold it flat; None where they do not."""
        if "weights_sha256" not in fields:
            return None
        return cls(**{field.name: fields[field.name] for field in fields_of(cls)})
