"""A video to send to somebody: who speaks, lips against sound, as it is and put right.

The sound stays as it is; what is put right is the picture, which is shown earlier or later. So one
file can hold both, side by side, and offsets that change are put right, too.
"""

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.errors import MediaError, OutputError, UsageError
from avsync.media import ffmpeg
from avsync.media.decode import Span, decoded_size, read_frames
from avsync.media.frames import bgr_of
from avsync.media.probe import MediaInfo, probe
from avsync.pages.answer import headline
from avsync.pages.strip import NOW, Strip, write
from avsync.pipeline.details import Collector, Details, offset_at
from avsync.pipeline.loading import Pipeline
from avsync.report import SyncReport
from avsync.system.atomic import check_target, drafted
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
SIDE, HALF_SIDE = 1280, 640  # pixels
STRIP_HEIGHT = 132
ENCODED = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p",
           "-c:a", "aac", "-b:a", "128k", "-movflags", "+faststart")  # fmt: skip
OTHERS = (200, 200, 200)  # BGR: boxes of faces that do not speak

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class PreviewOptions:
    """What a preview shows."""

    side_by_side: bool = False  # left as it is, right put right
    put_right: bool = False  # else as it is; side by side shows both
    start_seconds: float = 0.0
    seconds: float | None = None  # None: to the end
    force: bool = False

    def __post_init__(self) -> None:
        if not self.start_seconds >= 0:
            raise UsageError("0 or more", "start_seconds", self.start_seconds)
        if self.seconds is not None and not self.seconds > 0:
            raise UsageError("more than 0", "seconds", self.seconds)


def write_preview(
    path: str,
    target: Path,
    pipeline: Pipeline,
    options: PreviewOptions,
    progress: Progress = silent,
) -> SyncReport:
    """Measure a file and write its preview; returns what was measured.

    Raises MediaError where it cannot be read, or there is nothing to put right, OutputError where
    the preview cannot be written.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise UsageError(f"name a file that ends in {', '.join(SUFFIXES)}", "output", target)
    check_target(Path(path), target, options.force)
    collector = Collector(pipeline.options.max_offset_seconds)
    report = pipeline.detect(path, progress=progress, collector=collector)
    details = collector.details
    assert details is not None
    if report.offset_ms is None and (options.side_by_side or options.put_right):
        why = "; ".join(report.reasons)
        raise MediaError(f"{path}: cannot tell, so there is nothing to put right: {why}")
    info = probe(path, pipeline.options.audio_track, pipeline.options.video_track)
    try:
        with drafted(target, force=options.force) as draft:
            _encode(_Film(info, report, details, options), draft.path, progress)
            draft.commit()
    except OSError as error:
        raise OutputError(f"{target}: cannot write it: {error.strerror}") from error
    return report


@dataclass(frozen=True, slots=True)
class _Film:
    """What is drawn, frame by frame."""

    info: MediaInfo
    report: SyncReport
    details: Details
    options: PreviewOptions

    @property
    def first(self) -> int:
        """Frame at which the preview begins."""
        return round(self.options.start_seconds * FRAMES_PER_SECOND)

    @property
    def count(self) -> int:
        """Frames that it has."""
        film = round(self.details.duration_seconds * FRAMES_PER_SECOND)
        wanted = film if self.options.seconds is None else round(
            self.options.seconds * FRAMES_PER_SECOND)  # fmt: skip
        return max(1, min(wanted, film - self.first))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture without its strip, both even."""
        video = self.info.require_video()
        width, height = decoded_size(video, HALF_SIDE if self.options.side_by_side else SIDE)
        return width // 2 * 2, height // 2 * 2

    @property
    def whole_size(self) -> tuple[int, int]:
        """Width and height of the preview."""
        width, height = self.size
        return width * (2 if self.options.side_by_side else 1), height + STRIP_HEIGHT

    def moved(self, frame: int) -> int:
        """The frame that is put right beside the sound at the time of another."""
        segments = self.report.segments
        if not segments:
            return frame + round((self.report.offset_ms or 0.0) * FRAMES_PER_SECOND / 1000)
        ms = offset_at(segments, frame / FRAMES_PER_SECOND)
        return frame + round(ms * FRAMES_PER_SECOND / 1000)

    def pictures(self) -> Iterator[bytes]:
        """Each as ffmpeg takes it: BGR."""
        strip = Strip.of(self.details)
        shown = range(self.first, self.first + self.count)
        views = [(False, "as it is"), (True, "put right")]
        if not self.options.side_by_side:
            views = [views[self.options.put_right]]
        reach = [self.moved(frame) - frame for frame in (*shown[::25], shown[-1])]
        frames = _Frames(self.info, self.size, self.first, min(0, *reach), max(0, *reach))
        for frame in shown:
            halves = []
            for is_moved, name in views:
                seen = self.moved(frame) if is_moved else frame
                picture = self._drawn(frames.at(seen), seen, name)
                below = strip.draw(
                    self.size[0], STRIP_HEIGHT, frame / FRAMES_PER_SECOND, seen / FRAMES_PER_SECOND
                )
                halves.append(np.concatenate([picture, below]))
            yield np.concatenate(halves, axis=1).tobytes()

    def _drawn(self, picture: Picture, frame: int, name: str) -> Picture:
        picture = picture.copy()
        self._box_faces(picture, frame)
        words = headline(self.report)
        size = max(0.45, min(0.9, self.size[0] / 1000))
        band = picture[: round(84 * size) + 16]
        band[:] = band // 3  # so that letters are legible on anything
        write(picture, words, (14, round(34 * size) + 6), size, bold=True)
        write(picture, name, (14, round(72 * size) + 10), 0.8 * size)
        return picture

    def _box_faces(self, picture: Picture, frame: int) -> None:
        video = self.info.require_video()
        scale = self.size[0] / video.width
        seconds = frame / FRAMES_PER_SECOND
        for face in self.details.faces:
            place = frame - face.first_frame
            if not 0 <= place < len(face.boxes):
                continue
            x, y, width, height = (float(v) * scale for v in face.boxes[place])
            speaks = any(a <= seconds < b for a, b in face.speaks)
            corner = (round(x - width / 2), round(y - height / 2))
            other = (round(x + width / 2), round(y + height / 2))
            colour, thick = (NOW, 3) if speaks else (OTHERS, 1)
            cv2.rectangle(picture, corner, other, colour, thick, cv2.LINE_AA)


class _Frames:
    """A film's frames, some before and some after the present, whichever are asked for."""

    def __init__(
        self, info: MediaInfo, size: tuple[int, int], first: int, before: int, after: int
    ) -> None:
        """`before` and `after` are how far, in frames, one may look to either side."""
        self._start = max(0, first + before)
        self._size = size
        self._coming = read_frames(info, max_side=max(size) + 1, span=Span(self._start))
        self._kept: deque[Picture] = deque(maxlen=after - before + 2)
        self._next = self._start  # number of the frame that comes next

    def at(self, number: int) -> Picture:
        """A frame by its number; what lies outside the film is the nearest in it."""
        while self._next <= number and (frame := next(self._coming, None)) is not None:
            shown = cv2.resize(bgr_of(frame), self._size, interpolation=cv2.INTER_AREA)
            self._kept.append(np.asarray(shown, np.uint8))
            self._next += 1
        if not self._kept:
            return np.zeros((self._size[1], self._size[0], 3), np.uint8)
        place = number - (self._next - len(self._kept))
        return self._kept[min(max(0, place), len(self._kept) - 1)]


def _encode(film: _Film, target: Path, progress: Progress) -> None:
    _, audio = film.info.require_both()
    width, height = film.whole_size
    seconds = film.count / FRAMES_PER_SECOND
    drawn = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-video_size", f"{width}x{height}",
             "-framerate", str(FRAMES_PER_SECOND), "-i", "pipe:0")  # fmt: skip
    # Time stamps stay as they are, so that sound that begins late does so here, too.
    begin = film.info.start_seconds + film.options.start_seconds
    heard = f"asetpts=PTS-{begin:.6f}/TB,atrim=start=0,aresample=async=1:first_pts=0"
    sound = ("-copyts", "-i", ffmpeg.input_url(film.info.path), "-filter_complex",
             f"[1:{audio.index}]{heard}[heard]", "-map", "0:v", "-map", "[heard]")  # fmt: skip
    argv = [*drawn, *sound, "-t", f"{seconds:.3f}", *ENCODED, "-map_metadata", "-1",
            ffmpeg.input_url(target)]  # fmt: skip

    def told(pictures: Iterator[bytes]) -> Iterator[bytes]:
        for number, picture in enumerate(pictures):
            if number % FRAMES_PER_SECOND == 0:
                progress("drawing", number / FRAMES_PER_SECOND, seconds)
            yield picture

    ffmpeg.write_drawn(argv, told(film.pictures()), os.fspath(film.info.path))
