"""A face that lies on its side, or stands on its head, in a file that does not say so.

Detectors that find such a face do not say how it lies, and the networks have seen upright ones. HOG
is the surer of a face the more upright it is: it is asked about a few pictures, turned all four
ways. Of 400 clips of upright faces none had a higher score in turned pictures than as it is; 24 had
none in any. Whichever way is tried, an answer must be as sure as any other.
"""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.faces.backends import DETECTORS
from avsync.faces.tracking import SMALL_SIDE
from avsync.media.frames import Frame, bgr_of, size_of

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
UPRIGHT_SCORE = 1.1  # from which on a face is taken for upright, without looking at turned pictures
LEAST_SCORE = 0.1  # of a face in turned ones
RATIO = 1.5  # times as high must it be there


def turn_needed(pictures: Sequence[Frame]) -> int:
    """Degrees clockwise by which pictures must be turned for a face to be upright; 0: none.

    Parameters
    ----------
    pictures : sequence of numpy.ndarray
        A few of a film, spread over it.
    """
    try:
        hog = DETECTORS["hog"].open([])
    except ImportError:
        return 0
    small = [_small(picture) for picture in pictures]

    def score(degrees: int) -> float:
        found = [hog(turned(picture, degrees)) for picture in small]
        return sum(max((face[-1] for face in faces), default=0.0) for faces in found) / len(found)

    if not small or (upright := score(0)) >= UPRIGHT_SCORE:
        return 0
    scores = {degrees: score(degrees) for degrees in TURNS}
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] >= max(LEAST_SCORE, RATIO * upright) else 0


def _small(picture: Frame) -> Frame:
    scale = min(1.0, SMALL_SIDE / max(size_of(picture)))
    small = cv2.resize(bgr_of(picture), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def turned(picture: Frame, degrees: int) -> Frame:
    """A BGR picture, turned clockwise by a multiple of 90 degrees."""
    return np.asarray(cv2.rotate(picture, TURNS[degrees]), np.uint8) if degrees else picture


def all_turned(frames: Iterable[Frame], degrees: int) -> Iterable[Frame]:
    """Each frame of a film turned; as planes they can only stay as they are."""
    return (turned(bgr_of(frame), degrees) for frame in frames) if degrees else frames


def as_turned(
    boxes: NDArray[np.float32], degrees: int, width: float, height: float
) -> NDArray[np.float32]:
    """The other way round: boxes in pictures that are shown become boxes in turned ones."""
    if degrees in (90, 270):
        width, height = height, width
    return as_shown(boxes, -degrees % 360, width, height)


def as_shown(
    boxes: NDArray[np.float32], degrees: int, width: float, height: float
) -> NDArray[np.float32]:
    """Boxes in turned pictures become boxes in those that are shown.

    Parameters
    ----------
    boxes : numpy.ndarray
        (T, 4) centre x, y, width, height.
    degrees : int
        Clockwise, by which pictures were turned.
    width, height : float
        Of those that are shown, in pixels.

    Returns
    -------
    numpy.ndarray
        (T, 4) likewise.
    """
    x, y, w, h = boxes.T
    if degrees == 90:
        x, y, w, h = y, height - x, h, w
    elif degrees == 180:
        x, y = width - x, height - y
    elif degrees == 270:
        x, y, w, h = width - y, x, h, w
    return np.stack([x, y, w, h], axis=1)
