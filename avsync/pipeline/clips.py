"""From a raw video to clips in which one face is seen and heard to speak, its sound in step.

A stretch of speech is taken where `find_speakers` is sure of it, of one face alone. No clip holds a
cut: face tracks end where the picture changes, and a stretch where the face jumps.
"""

import hashlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.clips import ClipsReport, TalkingClip
from avsync.faces.boxes import Box
from avsync.faces.crops import SYNCNET_GEOMETRY, CropGeometry, crop
from avsync.faces.shots import ShotChanges
from avsync.faces.turning import all_turned, as_turned
from avsync.media.decode import SAMPLES_PER_FRAME, Span, fitted
from avsync.media.encode import write_clip
from avsync.media.frames import Frame, bgr_of
from avsync.media.recording import Recording
from avsync.model.config import DEFAULT_CONFIG
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.detect import look_at_all
from avsync.pipeline.loading import Pipeline, embedder_of, require_opencv
from avsync.pipeline.sources import open_recording
from avsync.pipeline.speakers import face_offsets, speakers_in, with_circumstances
from avsync.pipeline.stretches import Stretch, choose_stretches
from avsync.sync.speakers import FaceOffset
from avsync.system.atomic import folder_in_place
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

JUMP_GEOMETRY = CropGeometry(side=1.0, dy=0.0, pixels=64, colour=True)
JUMP_SIDE = 640  # pixels of a picture in which it is seen
JUMP_LEVEL, JUMP_RATIO = 8.0, 3.5  # of a face's change, in grey levels and to what is usual
FOLDER_CHARACTERS = 48  # of a file's own name in that of its clips' folder


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
        seen, sync = look_at_all(name, embedder, detect, pipeline)
        offsets = face_offsets(seen, sync, detect, pipeline)
        speakers = with_circumstances(speakers_in(seen, sync, offsets), embedder, pipeline)
        chosen = choose_stretches(speakers.faces, options)
        writer = _Writer(recording, options, embedder.turned_degrees, offsets)
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


@dataclass(frozen=True, slots=True)
class _Writer:
    """Cuts clips from a recording."""

    recording: Recording
    options: ClipOptions
    turned_degrees: int
    offsets: Sequence[FaceOffset]  # by the numbers of the faces

    def write(self, chosen: Sequence[Stretch], output: Path, name: str) -> tuple[TalkingClip, ...]:
        """All clips, in a folder that takes its name when it is whole."""
        shortest = math.ceil(self.options.min_seconds * FRAMES_PER_SECOND)
        parts = (part for stretch in chosen for part in self._without_jumps(stretch))
        with folder_in_place(output / name) as folder:
            return tuple(
                self._clip(part, folder, f"{name}/{number:05d}.mp4")
                for number, part in enumerate(p for p in parts if p.end - p.first >= shortest)
            )

    def _without_jumps(self, stretch: Stretch) -> Iterator[Stretch]:
        """Divided where the face jumps: a cut to the same person in the same place."""
        shots, first = ShotChanges(JUMP_LEVEL, JUMP_RATIO), stretch.first
        for number, face in enumerate(self._crops(stretch, JUMP_GEOMETRY, JUMP_SIDE)):
            if shots.is_cut(face):
                yield replace(stretch, first=first, end=stretch.first + number)
                first = stretch.first + number
        yield replace(stretch, first=first)

    def _clip(self, stretch: Stretch, folder: Path, file: str) -> TalkingClip:
        offset_ms = self.offsets[stretch.face.number].at((stretch.first + stretch.end) // 2)
        samples = self._samples(stretch, offset_ms)
        draft = folder / Path(file).name
        write_clip(draft, self._pictures(stretch), samples, folder.parent.parent / file)
        face, first = stretch.face, stretch.first_frame
        boxes = face.boxes[stretch.first : stretch.end].astype(float)
        boxes[:, :2] -= boxes[:, 2:] / 2
        return TalkingClip(
            file,
            f"{Path(file).parent}-{face.person}",
            first / FRAMES_PER_SECOND,
            (first + len(boxes)) / FRAMES_PER_SECOND,
            offset_ms,
            face.confidence or 0.0,
            round(stretch.score, 4),
            tuple(tuple(round(side, 1) for side in box) for box in boxes.tolist()),
        )

    def _samples(self, stretch: Stretch, offset_ms: float) -> NDArray[np.int16]:
        """Sound that belongs to the pictures; silence where there is none."""
        count = (stretch.end - stretch.first) * SAMPLES_PER_FRAME
        start = stretch.first_frame * SAMPLES_PER_FRAME - round(offset_ms * SAMPLE_RATE / 1000)
        first = max(0, start // SAMPLES_PER_FRAME)
        frames = -(-(start + count) // SAMPLES_PER_FRAME) - first + 1
        chunks = self.recording.samples([], Span(first, frames)) if frames > 0 else ()
        heard = np.concatenate([np.zeros(0, np.int16), *chunks])
        begin = start - first * SAMPLES_PER_FRAME
        heard = np.concatenate([np.zeros(max(0, -begin), np.int16), heard[max(0, begin) :]])[:count]
        return np.concatenate([heard, np.zeros(count - len(heard), np.int16)])

    def _pictures(self, stretch: Stretch) -> Iterator[NDArray[np.uint8]]:
        """As they are in a clip."""
        side = max(self.recording.size)
        if self.options.crop == "none":
            return map(bgr_of, self._frames(stretch, side))
        geometry = SYNCNET_GEOMETRY if self.options.crop == "face" else DEFAULT_CONFIG.geometry
        cut = replace(geometry, pixels=self.options.size, colour=True)
        return self._crops(stretch, cut, side)

    def _frames(self, stretch: Stretch, side: int) -> Iterator[Frame]:
        span = Span(stretch.first_frame, stretch.end - stretch.first)
        shown = self.recording.frames([], side, span, colour=True)
        return iter(all_turned(shown, self.turned_degrees))

    def _crops(
        self, stretch: Stretch, geometry: CropGeometry, side: int
    ) -> Iterator[NDArray[np.uint8]]:
        width, height = self.recording.size
        scale = fitted(width, height, side)[0] / width
        boxes = stretch.face.boxes[stretch.first : stretch.end]
        boxes = as_turned(boxes, self.turned_degrees, width, height) * scale
        for frame, box in zip(self._frames(stretch, side), boxes, strict=False):
            yield crop(frame, Box(*map(float, box)), geometry)
