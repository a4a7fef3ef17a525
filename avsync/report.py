"""Stage 7b: the answer, and its forms: text for people, JSON and CSV for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from avsync import prose
from avsync.errors import DataError
from avsync.findings import Candidate, Curve, Segment, Source, TrackSummary, UpstreamScores
from avsync.timebase import offset_frames

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from avsync.pipeline.details import Details

Status = Literal["ok", "undetermined", "error"]
SCHEMA_VERSION = 1  # of `to_dict`; goes up when what is written before is read otherwise


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What is known of one file.

    Attributes
    ----------
    path : str
        As it was given.
    status : str
        ok, undetermined or error.
    offset_ms : float or None
        Positive: the sound is early; the cure is to delay it by so much. None where there is no
        answer. Where it changes, that of the longest segment, at its start.
    confidence : float or None
        Probability that the offset is within 40 ms of the truth; of no answer, that of the first
        candidate.
    uncertainty_ms : float or None
        Half-width of a 90 % interval, if it is right at all.
    reasons : tuple of str
        Why undetermined, or the error.
    candidates : tuple of Candidate
        The three offsets that fit best, the answer first; also where that is not sure enough to be
        one. Empty where nothing could be compared, or the best lies at the edge of the search.
    min_distance, median_minus_min : float or None
        Minimum of the curve, and how far it lies below the median.
    upstream : UpstreamScores or None
        Where asked for.
    segments : tuple of Segment
        In time: one where the offset stays the same or drifts, several where it jumps.
    tracks : tuple of TrackSummary
        The faces that were seen.
    duration_seconds : float or None
        Of the picture.
    looked_seconds : float or None
        Of picture that was looked at: of long files, parts.
    speech_seconds : float or None
        Of sound while a face is seen.
    detector, weights : str or None
        Face detector and weights.
    audio : str or None
        File that the sound came from; None: the same.
    runtime : str or None
        What the network ran on: torch or onnx.
    warnings : tuple of str
        What was noticed on the way.
    source : Source or None
        In batches.
    curve : Curve or None
        None where nothing could be compared.

    Examples
    --------
    >>> report = SyncReport("talk.mp4", "ok", offset_ms=-120.0, confidence=0.98)
    >>> report.offset_frames
    -3.0
    >>> SyncReport.from_dict(json.loads(report.to_json())) == report
    True
    """

    path: str
    status: Status
    offset_ms: float | None = None
    confidence: float | None = None
    uncertainty_ms: float | None = None
    reasons: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    min_distance: float | None = None
    median_minus_min: float | None = None
    upstream: UpstreamScores | None = None
    segments: tuple[Segment, ...] = ()
    tracks: tuple[TrackSummary, ...] = ()
    duration_seconds: float | None = None
    looked_seconds: float | None = None
    speech_seconds: float | None = None
    detector: str | None = None
    weights: str | None = None
    audio: str | None = None
    runtime: str | None = None
    warnings: tuple[str, ...] = ()
    source: Source | None = None
    curve: Curve | None = None

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

    def to_dict(self, curve: bool = True) -> dict[str, Any]:
        """All fields, flat where programs expect them flat; the curve may be left out."""
        fields = {field.name: _plain(getattr(self, field.name)) for field in fields_of(self)}
        fields |= _renamed(fields.pop("upstream"), UPSTREAM_NAMES)
        fields |= fields.pop("source") or {}
        held = {"curve": fields.pop("curve")}
        head = {name: fields.pop(name) for name in ("path", "status", "offset_ms")}
        frames = self.offset_frames
        head["offset_frames"] = frames if frames is None else round(frames, 2)
        return {**head, **fields, **(held if curve else {}), "schema_version": SCHEMA_VERSION}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "SyncReport":
        """The report that `to_dict`, or a line of JSON, was made of.

        Raises DataError for what is no report, or one of a newer version.
        """
        check_version(fields)
        try:
            known = {f.name: fields[f.name] for f in fields_of(cls) if f.name in fields}
            for name, make in cls._PARTS.items():
                known[name] = tuple(make(**_tuples(one)) for one in fields.get(name, ()))
            known |= {name: tuple(known[name]) for name in ("reasons", "warnings")}
            if curve := fields.get("curve"):
                known["curve"] = Curve(**_tuples(curve))
            return cls(**known, upstream=_scores_in(fields), source=Source.within(fields))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"not a report of avsync: {error!r}") from error

    _PARTS: ClassVar[dict[str, type]] = {
        "candidates": Candidate,
        "segments": Segment,
        "tracks": TrackSummary,
    }

    def to_json(self, indent: int | None = None, curve: bool = True) -> str:
        """One JSON object; ASCII, so that any file name survives."""
        return json.dumps(self.to_dict(curve), indent=indent)

    def to_rows(self) -> list[tuple[Any, ...]]:
        """One, with the values of `COLUMNS`."""
        fields = self.to_dict(curve=False) | {"reasons": "; ".join(self.reasons)}
        return [tuple(fields.get(name) for name in COLUMNS)]

    def plot(self, details: "Details | None" = None) -> "Figure":
        """The distance curve as a figure of matplotlib's.

        Parameters
        ----------
        details : Details, optional
            What a `Collector` has kept of the file: then also a map of offsets over time.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        ToolMissingError
            Where matplotlib is not installed.

        Examples
        --------
        >>> curve = Curve((-10.0, 0.0, 10.0), (1.2, 0.8, 1.1))
        >>> figure = SyncReport("talk.mp4", "ok", 0.0, 0.98, curve=curve).plot()
        >>> figure.savefig("talk.png")  # doctest: +SKIP
        """
        from avsync import plots  # numpy comes with it

        return plots.figure(self, details)

    def to_text(self) -> str:
        """A few lines that a person understands without knowing a sign convention."""
        return prose.report_in_words(self)


COLUMNS = (  # of CSV
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
    "audio",
    "runtime",
)
UPSTREAM_NAMES = {"lse_d": "lse_d", "lse_c": "lse_c", "offset_frames": "upstream_offset_frames"}


T = TypeVar("T")


def flat(report: Any, **parts: Any) -> dict[str, Any]:
    """The fields of a report, `parts` as they are given here, and those of its source among them.

    Parameters
    ----------
    report : dataclass
        With a field `source`.
    **parts : any
        What stands for fields of these names.
    """
    fields = {field.name: getattr(report, field.name) for field in fields_of(report)} | parts
    source = fields.pop("source")
    return {**fields, **(asdict(source) if source else {}), "schema_version": SCHEMA_VERSION}


def unflattened(of: type[T], fields: Mapping[str, Any], **parts: Any) -> T:
    """The report that `flat` gave the fields of; `parts` are those that JSON has otherwise.

    Raises KeyError where one is missing, TypeError for what is none.
    """
    known = {f.name: fields[f.name] for f in fields_of(of) if f.name in fields}  # type: ignore[arg-type]
    known |= {name: tuple(known[name]) for name in ("reasons", "warnings")}
    return of(**{**known, **parts, "source": Source.within(fields)})


def check_version(fields: Mapping[str, Any]) -> None:
    """Raises DataError for a report of a newer version."""
    if fields.get("schema_version", SCHEMA_VERSION) > SCHEMA_VERSION:
        raise DataError("a report of a newer avsync: upgrade avsync to read it")


def _plain(value: Any) -> Any:
    """Dataclasses, alone or in a tuple, as dicts."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _renamed(fields: Mapping[str, Any] | None, names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in (fields or {}).items()}


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, as JSON has them, become tuples."""
    return {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in fields.items()}


def _scores_in(fields: Mapping[str, Any]) -> UpstreamScores | None:
    if "lse_d" not in fields:
        return None
    return UpstreamScores(**{name: fields[also] for name, also in UPSTREAM_NAMES.items()})
