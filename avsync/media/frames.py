"""Frames as they are decoded: BGR, or planes of brightness and colour (4:2:0), of half the bytes.

Most of what is done with a frame asks for its brightness alone. Planes are one array of
(3/2 height, width): above the brightness, below it the two colours at half the size (I420).
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Frame = NDArray[np.uint8]  # (height, width, 3) BGR, or (3/2 height, width) planes
FULL_RANGE = 255 / 219  # brightness in planes runs from 16 to 235


def is_i420(frame: Frame) -> bool:
    """Whether a frame is planes, else BGR."""
    return frame.ndim == 2


def size_of(frame: Frame) -> tuple[int, int]:
    """Width and height in pixels."""
    height, width = frame.shape[:2]
    return width, height * 2 // 3 if is_i420(frame) else height


def bgr_of(frame: Frame) -> Frame:
    """(height, width, 3)."""
    if not is_i420(frame):
        return frame
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_YUV2BGR_I420), np.uint8)


def luma(planes: Frame) -> Frame:
    """(height, width), a view: 16 is black, 235 white."""
    return planes[: size_of(planes)[1]]
