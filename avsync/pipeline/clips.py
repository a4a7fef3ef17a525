"""From a raw video to clips in which one face is seen and heard to speak, its sound in step.

A stretch of speech is taken where `find_speakers` is sure of it, of one face alone. No clip holds a
cut: where the picture changes, face tracks end.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import hashlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from avsync.clips import ClipsReport, TalkingClip
from avsync.errors import UsageError
from avsync.pipeline.detect import verdict
from avsync.pipeline.loading import Pipeline, embedder_of, require_opencv
from avsync.pipeline.sources import open_recording
from avsync.pipeline.speakers import ALIKE_MS, look, speakers_in, with_circumstances
from avsync.report import SyncReport
from avsync.speakers import SpeakingFace
from avsync.sync.speakers import stretches
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE
from avsync.tolerance import ACCEPT

if TYPE_CHECKING:
    from avsync.faces.crops import CropGeometry
    from avsync.media.recording import Recording

CropName = Literal["face", "mouth", "none"]
SURE_SPEECH = 0.8  # mean score of a stretch
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
FOLDER_CHARACTERS = 48  # of a file's own name in that of its clips' folder


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """Which clips are cut, and how.

    Attributes
    ----------
    min_seconds, max_seconds : float
        Shorter stretches are left out, longer ones divided where least is said.
    crop : str
        face: as SyncNet and LRS have it; mouth: what avsync's own network sees; none: all of the
        picture.
    size : int
        Side of a crop in pixels.

    Raises
    ------
    UsageError
        For what cannot be.
    """

    min_seconds: float = 1.0
    max_seconds: float = 20.0
    crop: CropName = "face"
    size: int = 224

    def __post_init__(self) -> None:
        if not self.min_seconds >= 0.2:
            raise UsageError("must be 0.2 at least", "min_seconds", self.min_seconds)
        if not 2 * self.min_seconds <= self.max_seconds < math.inf:
            raise UsageError(
                "must be twice --min-seconds at least", "max_seconds", self.max_seconds
            )
        if not 16 <= self.size <= 2048 or self.size % 2:
            raise UsageError("must be even, from 16 to 2048", "size", self.size)

    @property
    def facts(self) -> dict[str, Any]:
        """What clips hold for."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames in which one face alone speaks.

    Attributes
    ----------
    face : SpeakingFace
        Which.
    first, end : int
        Frames of it, the end not among them.
    """

    face: SpeakingFace
    first: int
    end: int

    @property
    def first_frame(self) -> int:
        """Of the film."""
        return self.face.first_frame + self.first

    @property
    def score(self) -> float:
        """Mean probability."""
        return float(self.face.scores[self.first : self.end].mean())


def cut_clips(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: ClipOptions | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Progress = silent,
) -> ClipsReport:
    """Cut the clips of a video into a folder of their own, all of them or none.

    Parameters
    ----------
    source : path
        A file, or an address.
    output : path
        Folder of the data set; the clips lie in one that is named after the file.
    options : ClipOptions, optional
        Which clips, and how.
    pipeline : Pipeline, optional
        Tools that are loaded, and how to look at the video.
    progress : callable, optional
        Is told (what, done, total).

    Returns
    -------
    ClipsReport
        Without clips where nobody is sure to speak for long enough.

    Raises
    ------
    AvsyncError
        Where it cannot be read or written, or weights or detector cannot be had.

    Examples
    --------
    >>> import avsync, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = avsync.cut_clips("docs/talking.mp4", folder)
    >>> report.status, len(report.clips)
    ('ok', 2)
    """
    require_opencv()
    options = options or ClipOptions()
    pipeline = pipeline or Pipeline(progress=progress)
    detect, name = pipeline.options, os.fspath(source)
    with open_recording(source, detect) as recording:
        embedder = embedder_of(recording, pipeline, progress)
        seen = look(embedder, pipeline)
        sync = verdict(name, [seen], detect, pipeline)
        speakers = with_circumstances(speakers_in(seen, sync, detect, pipeline), embedder, pipeline)
        chosen = choose_stretches(speakers.faces, options)
        writer = _Writer(recording, options, embedder.turned_degrees, sync)
        clips = writer.write(chosen, Path(output), folder_of(name))
    shared = ("path", "status", "duration_seconds", "warnings", "detector", "weights", "runtime")
    report = ClipsReport(**{field: getattr(speakers, field) for field in shared}, clips=clips)
    if clips:
        return report
    why = f"nobody is sure to speak alone for {options.min_seconds:g} s"
    return replace(report, reasons=speakers.reasons or (why,))


def folder_of(path: str) -> str:
    """The folder of a file's clips: its name, and what tells it from its namesakes."""
    digest = hashlib.blake2b(os.fsencode(path), digest_size=4).hexdigest()
    stem = re.sub(r"[^\w.-]+", "_", Path(path).stem)[:FOLDER_CHARACTERS]
    return f"{stem}-{digest}"


def choose_stretches(faces: Sequence[SpeakingFace], options: ClipOptions) -> list[Stretch]:
    """Stretches in which one face alone is sure to speak, in time.

    Parameters
    ----------
    faces : sequence of SpeakingFace
        Of a film.
    options : ClipOptions
        How long they may be.
    """
    shortest = math.ceil(options.min_seconds * FRAMES_PER_SECOND)
    longest = math.floor(options.max_seconds * FRAMES_PER_SECOND)
    found = []
    for face in faces:
        if (face.confidence or 0.0) < ACCEPT:
            continue
        alone = _alone(face, faces)
        for first, end in _runs(alone):
            found += [
                stretch
                for part in _divided(face.scores, first, end, longest)
                if (stretch := Stretch(face, *part)).end - stretch.first >= shortest
                and stretch.score >= SURE_SPEECH
            ]
    return sorted(found, key=lambda one: (one.first_frame, one.face.number))


def _alone(face: SpeakingFace, faces: Sequence[SpeakingFace]) -> NDArray[np.bool_]:
    """(T,) where a face speaks and no other does."""
    alone = np.zeros(len(face.scores), bool)
    for first, end in stretches(face.scores):
        alone[first:end] = True
    for other in faces:
        if other.number == face.number:
            continue
        later = other.first_frame - face.first_frame
        for first, end in stretches(other.scores):
            alone[max(0, later + first) : max(0, later + end)] = False
    return alone


def _divided(
    scores: NDArray[np.float32], first: int, end: int, longest: int
) -> Iterator[tuple[int, int]]:
    """Parts that are no longer than may be, divided where speech is least sure."""
    while end - first > longest:
        middle = first + longest // 2
        cut = middle + int(np.argmin(scores[middle : first + longest]))
        yield first, cut
        first = cut
    yield first, end


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


@dataclass(frozen=True, slots=True)
class _Writer:
    """Cuts clips from a recording."""

    recording: "Recording"
    options: ClipOptions
    turned_degrees: int
    sync: SyncReport

    def write(self, chosen: Sequence[Stretch], output: Path, name: str) -> tuple[TalkingClip, ...]:
        """All clips, in a folder that takes its name when it is whole."""
        from avsync.system.atomic import folder_in_place

        with folder_in_place(output / name) as folder:
            return tuple(
                self._clip(stretch, folder, f"{name}/{number:05d}.mp4")
                for number, stretch in enumerate(chosen)
            )

    def _clip(self, stretch: Stretch, folder: Path, file: str) -> TalkingClip:
        from avsync.media.encode import write_clip

        offset_ms = self._offset_ms(stretch)
        samples = self._samples(stretch, offset_ms)
        write_clip(folder / Path(file).name, self._pictures(stretch), samples)
        face, first = stretch.face, stretch.first_frame
        boxes = face.boxes[stretch.first : stretch.end].astype(float)
        boxes[:, :2] -= boxes[:, 2:] / 2
        return TalkingClip(
            file,
            f"{Path(file).parent}-{face.person}",
            first / FRAMES_PER_SECOND,
            (first + len(boxes)) / FRAMES_PER_SECOND,
            round(offset_ms, 1),
            face.confidence or 0.0,
            round(stretch.score, 4),
            tuple(tuple(round(side, 1) for side in box) for box in boxes.tolist()),
        )

    def _offset_ms(self, stretch: Stretch) -> float:
        """In the middle: the film's, which may change, unless the face has another."""
        from avsync.findings import offset_at

        face, segments = stretch.face, self.sync.segments
        own = face.offset_ms or 0.0
        if not segments or abs(offset_at(segments, face.start_seconds) - own) > ALIKE_MS:
            return own
        middle = (stretch.first_frame + (stretch.end - stretch.first) / 2) / FRAMES_PER_SECOND
        return offset_at(segments, middle)

    def _samples(self, stretch: Stretch, offset_ms: float) -> NDArray[np.int16]:
        """Sound that belongs to the pictures; silence where there is none."""
        from avsync.media.decode import Span

        count = (stretch.end - stretch.first) * SAMPLES_PER_FRAME
        start = stretch.first_frame * SAMPLES_PER_FRAME - round(offset_ms * SAMPLE_RATE / 1000)
        first = max(0, start // SAMPLES_PER_FRAME)
        span = Span(first, -(-(start + count) // SAMPLES_PER_FRAME) - first + 1)
        chunks = self.recording.samples([], span) if span.frame_count > 0 else ()  # type: ignore[operator]
        heard = np.concatenate([np.zeros(0, np.int16), *chunks])
        begin = start - first * SAMPLES_PER_FRAME
        heard = np.concatenate([np.zeros(max(0, -begin), np.int16), heard[max(0, begin) :]])[:count]
        return np.concatenate([heard, np.zeros(count - len(heard), np.int16)])

    def _pictures(self, stretch: Stretch) -> Iterator[NDArray[np.uint8]]:
        from avsync.faces.boxes import Box
        from avsync.faces.crops import crop
        from avsync.faces.turning import all_turned, as_turned
        from avsync.media.decode import Span
        from avsync.media.frames import bgr_of

        width, height = self.recording.size
        span = Span(stretch.first_frame, stretch.end - stretch.first)
        shown = self.recording.frames([], max(width, height), span, colour=True)
        frames = all_turned(shown, self.turned_degrees)
        if self.options.crop == "none":
            yield from map(bgr_of, frames)
            return
        boxes = stretch.face.boxes[stretch.first : stretch.end]
        geometry = _geometry(self.options)
        for frame, box in zip(
            frames, as_turned(boxes, self.turned_degrees, width, height), strict=False
        ):
            yield crop(frame, Box(*map(float, box)), geometry)


def _geometry(options: ClipOptions) -> "CropGeometry":
    from avsync.faces.crops import SYNCNET_GEOMETRY
    from avsync.model.config import DEFAULT_CONFIG

    geometry = SYNCNET_GEOMETRY if options.crop == "face" else DEFAULT_CONFIG.geometry
    return replace(geometry, pixels=options.size, colour=True)
