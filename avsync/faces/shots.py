"""Where one shot ends and the next begins."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.media.frames import FULL_RANGE, Frame, is_i420, luma

CUT_PICTURE = (64, 36)
CUT_LEVEL = 20.0  # mean grey-level change between frames that may be a cut ...
CUT_RATIO = 5.0  # ... if it is so many times what is usual in this shot
USUAL_FRAMES = 12  # that say what is usual


class ShotChanges:
    """Sees a cut where a frame differs from the last far more than is usual in its shot.

    Parameters
    ----------
    level : float, optional
        Mean change in grey levels, from which on there may be one.
    ratio : float, optional
        Of that to what is usual.
    """

    def __init__(self, level: float = CUT_LEVEL, ratio: float = CUT_RATIO) -> None:
        self._level, self._ratio = level, ratio
        self._last: NDArray[np.float32] | None = None
        self._usual: deque[float] = deque(maxlen=USUAL_FRAMES)

    def is_cut(self, frame: Frame) -> bool:
        """Whether a new shot begins with this frame; to be asked of every frame in order."""
        grey = _small_grey(frame)
        last, self._last = self._last, grey
        if last is None:
            return False
        change = float(np.mean(np.abs(grey - last)))
        if change > self._level and change > self._ratio * self._usually():
            self._usual.clear()
            return True
        self._usual.append(change)
        return False

    def _usually(self) -> float:
        return float(np.median(self._usual)) if self._usual else 0.0


def _small_grey(frame: Frame) -> NDArray[np.float32]:
    """A frame in `CUT_PICTURE`, 0 to 255: means of some of its pixels are enough."""
    picture = luma(frame) if is_i420(frame) else frame
    width, height = CUT_PICTURE
    skip = max(1, min(picture.shape[0] // height, picture.shape[1] // width) // 2)
    small = cv2.resize(picture[::skip, ::skip], CUT_PICTURE, interpolation=cv2.INTER_AREA)
    if is_i420(frame):
        return np.asarray(FULL_RANGE * (small.astype(np.float32) - 16), np.float32)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
