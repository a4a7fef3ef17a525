"""Stage 3: a frame and a face box become a crop; samples become MFCC vectors.

What a crop shows is said by a `CropGeometry` that every weights file carries.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.boxes import Box
from avsync.pictures import Frame, bgr_of, brightness_of, is_planes
from avsync.timebase import HOP_SAMPLES, SAMPLE_RATE

Samples = NDArray[np.int16] | NDArray[np.float64]  # on the scale of 16-bit sound

COEFFICIENTS = 13
WINDOW_SAMPLES = SAMPLE_RATE * 25 // 1000  # one MFCC vector hears 25 ms
PADDING_GREY = 110  # outside the picture, as in SyncNet's pipeline
MAX_OVERSAMPLING = 6
SILENCE = 10.0  # natural log of an energy
LOUDNESS_RANGE = 6.0  # natural log: 26 dB


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """A square cut around a face, in units of the larger side of its canonical box."""

    side: float  # of the square
    dy: float  # centre of the square below the centre of the box
    pixels: int  # side of the crop in pixels
    colour: bool  # BGR, else grey

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a crop."""
        return (self.pixels, self.pixels, 3) if self.colour else (self.pixels, self.pixels)


# SyncNet's own cut (run_pipeline.py, crop_scale 0.40): 1.4 sides wide, shifted down by 0.2.
SYNCNET_GEOMETRY = CropGeometry(side=1.4, dy=0.2, pixels=224, colour=True)


def box_of_cropped(height: int, width: int) -> Box:
    """Where the face lies in a picture that SyncNet's pipeline has already cut."""
    side = min(height, width) / SYNCNET_GEOMETRY.side
    return Box(width / 2, height / 2 - SYNCNET_GEOMETRY.dy * side, side, side)


def crop(frame: Frame, box: Box, geometry: CropGeometry) -> NDArray[np.uint8]:
    """Cut a face out of a frame, with sub-pixel accuracy.

    Grey crops of planes are their brightness as it is: contrast is evened out by the network.
    """
    if is_planes(frame):
        frame = bgr_of(frame) if geometry.colour else brightness_of(frame)
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


def mfcc(chunks: Iterable[Samples]) -> NDArray[np.float32]:
    """13 MFCC per 10 ms of 16 kHz sound, (steps, 13): the defaults of python_speech_features.

    Works piece by piece, so that an hour of sound needs no gigabytes; equal to one call on the
    whole. Only vectors that lie wholly in the sound are given.
    """
    vectors = []
    carry: Samples = np.zeros(0, np.int16)
    fresh = True
    for chunk in chunks:
        samples = np.concatenate([carry, chunk])
        # Pre-emphasis looks one sample back: one hop of the past is kept, and its vector dropped.
        count = (len(samples) - WINDOW_SAMPLES) // HOP_SAMPLES + 1
        if count < (1 if fresh else 2):
            carry = samples
            continue
        used = samples[: (count - 1) * HOP_SAMPLES + WINDOW_SAMPLES]
        vectors.append(_mfcc(used)[0 if fresh else 1 :].astype(np.float32))
        carry, fresh = samples[(count - 1) * HOP_SAMPLES :], False
    if not vectors:
        return np.zeros((0, COEFFICIENTS), np.float32)
    return np.concatenate(vectors)


def is_sounding(mfcc: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(S, 13) MFCC -> (S,): whether something is heard, by the log energy in coefficient 0.

    Heard is what lies less than 26 dB below the loud parts of the file and above the noise of a
    silent recording (about -65 dB of full scale).
    """
    if not len(mfcc):
        return np.zeros(0, bool)
    loud = float(np.quantile(mfcc[:, 0], 0.95))
    return np.asarray(mfcc[:, 0] > max(loud - LOUDNESS_RANGE, SILENCE))


def _mfcc(samples: Samples) -> NDArray[np.float64]:
    import python_speech_features  # scipy comes with it: meanwhile other threads decode pictures

    features = python_speech_features.mfcc(samples, SAMPLE_RATE, numcep=COEFFICIENTS)
    return np.asarray(features)
