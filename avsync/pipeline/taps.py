"""What passes by while a file is looked at: small pictures of faces, their lips, the sound."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.tracking import FacesInFrame
from avsync.media.frames import Frame, bgr_of, is_i420, luma
from avsync.timebase import FRAMES_PER_SECOND, HOP_SAMPLES, SAMPLE_RATE
from avsync.tracks import EmbeddedClip

THUMBNAIL_PIXELS = 96
THUMBNAIL_SIDE = 1.5  # of the face's box
FIRST_THUMBNAIL = 4  # frame of a track; taken again when it is twice as long, and so on
MOUTH_PIXELS = (24, 16)  # of the small copy in which lips are seen to move
KEPT_SOUND_SECONDS = 180  # of each look


@dataclass(frozen=True, slots=True)
class HeardSound:
    """The sound of one look.

    Attributes
    ----------
    start_seconds : float
        When it begins, in the file.
    peaks : numpy.ndarray, shape (S,)
        The loudest sample of each 10 ms.
    sounding : numpy.ndarray, shape (S,)
        Whether something is heard in it.
    samples : numpy.ndarray, shape (N,)
        16 kHz, mono: the first three minutes.
    """

    start_seconds: float
    peaks: NDArray[np.int16]
    sounding: NDArray[np.bool_]
    samples: NDArray[np.int16]


@dataclass(slots=True)
class FaceTap:
    """What is kept of a face that is being seen.

    Attributes
    ----------
    frames : int
        In which it was seen so far.
    lips : list of float
        How much the mouth has changed in each of them.
    mouth : numpy.ndarray or None
        As it was last, small and grey.
    thumbnail : bytes or None
        A small JPEG.
    """

    frames: int = 0
    lips: list[float] = field(default_factory=list)
    mouth: NDArray[np.int16] | None = None
    thumbnail: bytes | None = None

    def see(self, frame: Frame, box: Box) -> None:
        """Take a frame in which it is."""
        mouth = _mouth(frame, box)
        moved = 0.0 if self.mouth is None else float(np.abs(mouth - self.mouth).mean())
        self.mouth = mouth
        self.lips.append(moved)
        age = self.frames - FIRST_THUMBNAIL
        if self.thumbnail is None or (age >= 0 and age & (age - 1) == 0):
            self.thumbnail = _thumbnail(frame, box)
        self.frames += 1


@dataclass(slots=True)
class LookTaps:
    """What passes by during one look.

    Attributes
    ----------
    first_frame : int
        Of its pictures, at 25 fps.
    """

    first_frame: int
    _faces: dict[int, FaceTap] = field(default_factory=dict)
    _peaks: list[NDArray[np.int16]] = field(default_factory=list)
    _samples: list[NDArray[np.int16]] = field(default_factory=list)
    _kept: int = 0
    _rest: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))

    def see(self, frames: Iterable[FacesInFrame]) -> Iterator[FacesInFrame]:
        """Passes them through."""
        for seen in frames:
            for number, box in seen.boxes.items():
                self._faces.setdefault(number, FaceTap()).see(seen.frame, box)
            yield seen

    def hear(self, chunks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        """Passes them through."""
        for chunk in chunks:
            if self._kept < KEPT_SOUND_SECONDS * SAMPLE_RATE:
                self._samples.append(np.asarray(chunk, np.int16))
                self._kept += len(chunk)
            joined = np.concatenate([self._rest, np.asarray(chunk, np.int16)])
            whole = len(joined) // HOP_SAMPLES * HOP_SAMPLES
            hops = joined[:whole].reshape(-1, HOP_SAMPLES)
            self._peaks.append(np.maximum(hops.max(axis=1), -(hops.min(axis=1) + 1)))
            self._rest = joined[whole:]
            yield chunk

    def sound(self, clip: EmbeddedClip) -> HeardSound:
        """What was heard."""
        empty = np.zeros(0, np.int16)
        return HeardSound(
            clip.first_frame / FRAMES_PER_SECOND,
            np.concatenate([empty, *self._peaks]),
            clip.sounding,
            np.concatenate([empty, *self._samples])[: KEPT_SOUND_SECONDS * SAMPLE_RATE],
        )

    def faces(self) -> list[FaceTap]:
        """In the order in which they appeared, as tracks are."""
        return [self._faces[number] for number in sorted(self._faces)]


def _mouth(frame: Frame, box: Box) -> NDArray[np.int16]:
    """A small grey picture of the lower half of a face, its brightness evened out."""
    grey = luma(frame) if is_i420(frame) else frame[..., 1]
    left, right = box.x - 0.3 * box.width, box.x + 0.3 * box.width
    part = _part(grey, left, box.y + 0.08 * box.height, right, box.y + 0.5 * box.height)
    small = cv2.resize(part, MOUTH_PIXELS, interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(small - round(float(small.mean())), np.int16)


def _thumbnail(frame: Frame, box: Box) -> bytes | None:
    half = THUMBNAIL_SIDE * max(box.width, box.height) / 2
    part = _part(bgr_of(frame), box.x - half, box.y - half, box.x + half, box.y + half)
    side = (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    small = cv2.resize(part, side, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return data.tobytes() if done else None


def _part(
    picture: NDArray[np.uint8], left: float, top: float, right: float, bottom: float
) -> NDArray[np.uint8]:
    """A rectangle of a picture, never empty; what lies outside repeats the picture's edge."""
    x0, y0 = round(left), round(top)
    x1, y1 = max(x0 + 1, round(right)), max(y0 + 1, round(bottom))
    height, width = picture.shape[:2]
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        return picture[y0:y1, x0:x1]
    rows = np.clip(np.arange(y0, y1), 0, height - 1)
    columns = np.clip(np.arange(x0, x1), 0, width - 1)
    return np.asarray(picture[rows[:, None], columns], np.uint8)
