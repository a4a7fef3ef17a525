"""Stage 3a: a frame and a face box become a crop.

What a crop shows is said by a `CropGeometry` that every weights file carries.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.media.frames import Frame, bgr_of, is_i420, luma

PADDING_GREY = 110  # outside the picture, as in SyncNet's pipeline

MAX_OVERSAMPLING = 6


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """A square cut around a face, in units of the larger side of its canonical box.

    Attributes
    ----------
    side : float
        Of the square.
    dy : float
        Centre of the square below the centre of the box.
    pixels : int
        Side of the crop.
    colour : bool
        Whether it is BGR, else grey.
    """

    side: float
    dy: float
    pixels: int
    colour: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a crop."""
        return (self.pixels, self.pixels, 3) if self.colour else (self.pixels, self.pixels)


# SyncNet's own cut (run_pipeline.py, crop_scale 0.40): 1.4 sides wide, shifted down by 0.2.
SYNCNET_GEOMETRY = CropGeometry(side=1.4, dy=0.2, pixels=224, colour=True)


def box_of_cropped(height: int, width: int) -> Box:
    """Where the face lies in a picture that SyncNet's pipeline has already cut.

    See joonson/syncnet_python, run_pipeline.py, crop_scale 0.40.
    """
    side = min(height, width) / SYNCNET_GEOMETRY.side
    return Box(width / 2, height / 2 - SYNCNET_GEOMETRY.dy * side, side, side)


def crop(frame: Frame, box: Box, geometry: CropGeometry) -> NDArray[np.uint8]:
    """Cut a face out of a frame, with sub-pixel accuracy.

    Grey crops of planes are their brightness as it is: contrast is evened out by the network.

    Parameters
    ----------
    frame : numpy.ndarray
        (H, W, 3) BGR, or (3/2 H, W) planes.
    box : Box
        Canonical.
    geometry : CropGeometry
        How the network wants it.

    Returns
    -------
    numpy.ndarray
        (pixels, pixels, 3) BGR, or (pixels, pixels) grey; uint8.
    """
    if is_i420(frame):
        frame = bgr_of(frame) if geometry.colour else luma(frame)
    reference = max(box.width, box.height)
    side = geometry.side * reference
    scale = geometry.pixels / side
    # Shrinking by more than one averages whole areas: thin lips must not alias away.
    times = min(MAX_OVERSAMPLING, max(1, math.ceil(1 / scale - 0.2)))
    pixels = geometry.pixels * times
    step = side / pixels
    left, top = box.x - side / 2, box.y + geometry.dy * reference - side / 2
    to_frame = np.array([[step, 0, left + (step - 1) / 2], [0, step, top + (step - 1) / 2]])
    cut = cv2.warpAffine(
        frame,
        to_frame,
        (pixels, pixels),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=(PADDING_GREY,) * 3,
    )
    if times > 1:
        cut = cv2.resize(cut, (geometry.pixels, geometry.pixels), interpolation=cv2.INTER_AREA)
    is_done = geometry.colour or cut.ndim == 2
    return np.asarray(cut if is_done else cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY), np.uint8)
