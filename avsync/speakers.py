"""Who on screen speaks when: the answer, and its forms for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from avsync.errors import DataError
from avsync.findings import Source
from avsync.report import Status, check_version, flat, unflattened
from avsync.timebase import FRAMES_PER_SECOND, timecode

if TYPE_CHECKING:  # it takes as long to import as all the rest
    import numpy as np
    from numpy.typing import NDArray

COLUMNS = ("path", "status", "face", "person", "start_seconds", "end_seconds", "score", "reasons")


@dataclass(frozen=True, slots=True, eq=False)
class SpeakingFace:
    """A face, from when it appears until it is gone, and how surely it is heard.

    Attributes
    ----------
    number : int
        Of the face, from 0, in order of appearance.
    person : int
        Faces of one person, as far as that is plain, have the same; from 0.
    first_frame : int
        Of the file, at 25 fps.
    boxes : numpy.ndarray
        (T, 4) centre x, centre y, width and height, in pixels of the picture.
    scores : numpy.ndarray
        (T,) probability that what is heard is said by this face, for each 40 ms.
    offset_ms : float or None
        Of its sound; positive: the sound is early. None where it does not speak.
    confidence : float or None
        Probability that this offset is within 40 ms of the truth.

    Examples
    --------
    >>> import numpy as np
    >>> boxes = np.full((50, 4), 100, np.float32)
    >>> face = SpeakingFace(0, 0, 25, boxes, np.ones(50, np.float32), 0.0, 0.99)
    >>> face.start_seconds, face.end_seconds, face.box
    (1.0, 3.0, (50.0, 50.0, 100.0, 100.0))
    """

    number: int
    person: int
    first_frame: int
    boxes: "NDArray[np.float32]"
    scores: "NDArray[np.float32]"
    offset_ms: float | None
    confidence: float | None

    @property
    def start_seconds(self) -> float:
        """When it appears."""
        return self.first_frame / FRAMES_PER_SECOND

    @property
    def end_seconds(self) -> float:
        """When it is gone."""
        return (self.first_frame + len(self.boxes)) / FRAMES_PER_SECOND

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Median left, top, width and height, in pixels of the picture."""
        if not len(self.boxes):
            return (0.0, 0.0, 0.0, 0.0)
        import numpy as np

        x, y, width, height = map(float, np.median(self.boxes, axis=0))
        return (x - width / 2, y - height / 2, width, height)

    def to_dict(self, frames: bool = True) -> dict[str, Any]:
        """Its fields; `frames`: with box and score of every frame."""
        fields: dict[str, Any] = {
            "number": self.number, "person": self.person, "first_frame": self.first_frame,
            "start_seconds": self.start_seconds, "end_seconds": self.end_seconds,
            "box": [round(side, 1) for side in self.box],
            "offset_ms": self.offset_ms, "confidence": self.confidence,
        }  # fmt: skip
        if frames:
            fields["boxes"] = [[round(side, 1) for side in box] for box in self.boxes.tolist()]
            fields["scores"] = [round(score, 4) for score in self.scores.tolist()]
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "SpeakingFace":
        """The face that `to_dict` was made of; without `frames` it has none."""
        import numpy as np

        return cls(
            fields["number"], fields["person"], fields["first_frame"],
            np.array(fields.get("boxes", ()), np.float32).reshape(-1, 4),
            np.array(fields.get("scores", ()), np.float32),
            fields["offset_ms"], fields["confidence"],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpeechSegment:
    """A stretch of time in which a face speaks.

    Attributes
    ----------
    face : int
        Number of the face.
    person : int
        Whose face it is.
    start_seconds, end_seconds : float
        When its lips say it: times are of the pictures.
    score : float
        Mean probability over the stretch.

    Examples
    --------
    >>> SpeechSegment(face=0, person=0, start_seconds=1.2, end_seconds=3.0, score=0.98).face
    0
    """

    face: int
    person: int
    start_seconds: float
    end_seconds: float
    score: float


@dataclass(frozen=True, slots=True)
class SpeakerReport:
    """Who on screen speaks when, in one file.

    Attributes
    ----------
    path : str
        As it was given.
    status : str
        ok, undetermined (no face is seen) or error. Where faces are seen and none of them speaks,
        that is an answer: no segments.
    duration_seconds : float or None
        Of the picture.
    faces : tuple of SpeakingFace
        In order of appearance.
    segments : tuple of SpeechSegment
        In time; those of two faces overlap where both speak.
    reasons : tuple of str
        Why undetermined, or the error.
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
    >>> report = SpeakerReport("talk.mp4", "ok", 8.0, (), (SpeechSegment(0, 0, 1.0, 3.0, 0.98),))
    >>> SpeakerReport.from_dict(json.loads(report.to_json())) == report
    True
    """

    path: str
    status: Status
    duration_seconds: float | None = None
    faces: tuple[SpeakingFace, ...] = ()
    segments: tuple[SpeechSegment, ...] = ()
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    detector: str | None = None
    weights: str | None = None
    runtime: str | None = None
    source: Source | None = None

    def to_dict(self, curve: bool = True) -> dict[str, Any]:
        """All fields, flat as those of `SyncReport`; `curve`: with box and score of each frame."""
        segments = [asdict(segment) for segment in self.segments]
        return flat(self, faces=[face.to_dict(curve) for face in self.faces], segments=segments)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "SpeakerReport":
        """The report that `to_dict`, or a line of JSON, was made of.

        Raises DataError for what is no report, or one of a newer version.
        """
        check_version(fields)
        try:
            faces = tuple(map(SpeakingFace.from_dict, fields["faces"]))
            segments = tuple(SpeechSegment(**one) for one in fields["segments"])
            return unflattened(cls, fields, faces=faces, segments=segments)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(f"not a report of avsync speakers: {error!r}") from error

    def to_json(self, indent: int | None = None, curve: bool = True) -> str:
        """One JSON object; ASCII, so that any file name survives; `curve`: with each frame."""
        return json.dumps(self.to_dict(curve), indent=indent)

    def to_rows(self) -> list[tuple[Any, ...]]:
        """The values of `COLUMNS`, of each segment; of a file without any, one row."""
        why = "; ".join(self.reasons)
        rows = [
            (self.path, self.status, *(getattr(one, name) for name in COLUMNS[2:-1]), why)
            for one in self.segments
        ]
        return rows or [(self.path, self.status, *[None] * (len(COLUMNS) - 3), why)]

    def to_text(self) -> str:
        """A table that a person understands."""
        lines = [f"{self.path}   {self._in_a_word()}"]
        lines += [
            f"    {timecode(s.start_seconds)} - {timecode(s.end_seconds)}   person {s.person + 1}"
            f"   face {s.face + 1}   {100 * s.score:3.0f} %"
            for s in self.segments
        ]
        return "\n".join([*lines, *(f"    note: {warning}" for warning in self.warnings)])

    def _in_a_word(self) -> str:
        if self.status != "ok":
            return f"cannot tell: {'; '.join(self.reasons)}"
        people = len({face.person for face in self.faces})
        seen = f"{people} {'person' if people == 1 else 'people'} seen"
        if len(self.faces) != people:
            seen += f" ({len(self.faces)} face tracks)"
        spoken = sum(one.end_seconds - one.start_seconds for one in self.segments)
        total = f" of {self.duration_seconds:.1f} s" if self.duration_seconds else ""
        return f"{seen}, {spoken:.1f} s of speech{total}" if spoken else f"{seen}, nobody speaks"
