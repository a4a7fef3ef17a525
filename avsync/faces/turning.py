"""A face that lies on its side, or stands on its head, in a file that does not say so.

Detectors that find such a face do not say how it lies, and the networks have seen upright ones. HOG
finds upright ones only, nearly: it is asked about a few pictures, turned in all four ways.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.errors import FaceDetectorError
from avsync.faces.detectors import load_face_detector
from avsync.faces.tracking import SMALL_SIDE, find_faces
from avsync.media.frames import Frame, bgr_of

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
RATIO = 2  # times as often as in pictures as they are must a face be found in turned ones


def turn_needed(pictures: Sequence[Frame]) -> int:
    """Degrees clockwise by which pictures must be turned for a face to be upright; 0: none."""
    with suppress(FaceDetectorError):
        hog = load_face_detector("hog")

        def count(degrees: int) -> int:
            seen = (turned(bgr_of(picture), degrees) for picture in pictures)
            return sum(bool(find_faces(picture, hog, SMALL_SIDE)) for picture in seen)

        upright = count(0)
        if RATIO * upright < len(pictures):
            counts = {degrees: count(degrees) for degrees in TURNS}
            best = max(counts, key=counts.__getitem__)
            if counts[best] > RATIO * upright and RATIO * counts[best] >= len(pictures):
                return best
    return 0


def turned(picture: Frame, degrees: int) -> Frame:
    """A BGR picture, turned clockwise by a multiple of 90 degrees."""
    return np.asarray(cv2.rotate(picture, TURNS[degrees]), np.uint8) if degrees else picture


def all_turned(frames: Iterable[Frame], degrees: int) -> Iterable[Frame]:
    """Each frame of a film turned; as planes they can only stay as they are."""
    return (turned(bgr_of(frame), degrees) for frame in frames) if degrees else frames


def as_shown(
    boxes: NDArray[np.float32], degrees: int, width: float, height: float
) -> NDArray[np.float32]:
    """(T, 4) centre x, y, width, height in turned pictures -> in those of `width` and `height`."""
    x, y, w, h = boxes.T
    if degrees == 90:
        x, y, w, h = y, height - x, h, w
    elif degrees == 180:
        x, y = width - x, height - y
    elif degrees == 270:
        x, y, w, h = width - y, x, h, w
    return np.stack([x, y, w, h], axis=1)
