"""Stage 1d: a recording that is in memory already, at any rates."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.media.channels import to_mono
from avsync.media.decode import SAMPLES_PER_CHUNK, SAMPLES_PER_FRAME, WHOLE, Span, fitted
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

if TYPE_CHECKING:
    from avsync.media.frames import Frame

CHANNEL_ORDERS = ("rgb", "bgr")
FULL_SCALE = 32767.0
LOUDEST = 2.0  # of floats: what is resampled may exceed 1 a little


@dataclass(frozen=True, slots=True)
class Clip:
    """Pictures and sound in memory, both beginning at the same moment.

    Attributes
    ----------
    frames : numpy.ndarray or sequence of numpy.ndarray
        (T, H, W, 3) uint8.
    samples : numpy.ndarray
        (N,) or (N, C): int16, or floats from -1 to 1.
    frames_per_second : float
        Of the pictures, any.
    sample_rate : int
        Of the sound in Hz, any.
    channel_order : str
        rgb, as imageio, Pillow and torchvision have it, or bgr, as OpenCV does.
    name : str
        That stands in the report.

    Raises
    ------
    UsageError
        Where an array has another shape or type, or a rate makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.zeros((50, 96, 96, 3), np.uint8)
    >>> Clip(frames, np.zeros(32_000), frames_per_second=25, sample_rate=16_000).duration_seconds
    2.0
    """

    frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]
    samples: NDArray[Any]
    frames_per_second: float
    sample_rate: int
    channel_order: Literal["rgb", "bgr"] = "rgb"
    name: str = "clip"

    def __post_init__(self) -> None:
        if not len(self.frames):
            raise UsageError("there are none", "frames")
        first = np.asarray(self.frames[0])
        if first.ndim != 3 or first.shape[2] != 3 or first.dtype != np.uint8:
            why = f"(T, H, W, 3) of uint8 are needed, not (T, *{first.shape}) of {first.dtype}"
            raise UsageError(why, "frames")
        check_samples(np.asarray(self.samples))
        if not 0 < self.frames_per_second <= 1000:
            raise UsageError("more than 0, and 1000 at most", "frames_per_second",
                             self.frames_per_second)  # fmt: skip
        if not 1000 <= self.sample_rate <= 1_000_000 or self.sample_rate != int(self.sample_rate):
            raise UsageError("a whole number of Hz, 1000 or more", "sample_rate", self.sample_rate)
        if self.channel_order not in CHANNEL_ORDERS:
            raise UsageError("choose rgb or bgr", "channel_order", self.channel_order)

    @property
    def duration_seconds(self) -> float:
        """Of the pictures."""
        return len(self.frames) / self.frames_per_second


@dataclass(frozen=True)  # without slots, for what is computed once
class ClipRecording:
    """A clip as a recording: see `avsync.media.recording.Recording`.

    Attributes
    ----------
    clip : Clip
        What it is made of.
    notes : sequence of str
        None: there are no time stamps.
    alternatives : tuple of str
        None: there are no other tracks.
    is_seekable : bool
        All of it is at hand.
    """

    clip: Clip
    notes: Sequence[str] = ()
    alternatives: tuple[str, ...] = ()
    is_seekable: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        height, width = np.asarray(self.clip.frames[0]).shape[:2]
        return width, height

    @property
    def duration_seconds(self) -> float:
        """Of the pictures."""
        return self.clip.duration_seconds

    @cached_property
    def _mono(self) -> NDArray[np.int16]:
        return resampled(self.clip.samples, self.clip.sample_rate)

    def frames(
        self, warnings: list[str], max_side: int, span: Span = WHOLE, colour: bool = True
    ) -> "Iterator[Frame]":
        """Frame n is the picture nearest to n * 40 ms; BGR, whether or not `colour` matters."""
        last = math.ceil(round(self.duration_seconds * FRAMES_PER_SECOND, 6))
        if span.frame_count is not None:
            last = min(last, span.first_frame + span.frame_count)
        for number in range(span.first_frame, last):
            yield self._picture(number / FRAMES_PER_SECOND, max_side)

    def samples(self, warnings: list[str], span: Span = WHOLE) -> Iterator[NDArray[np.int16]]:
        """Mono at 16 kHz, in pieces."""
        first, last = span.first_frame * SAMPLES_PER_FRAME, len(self._mono)
        if span.frame_count is not None:
            last = min(last, first + span.frame_count * SAMPLES_PER_FRAME)
        for start in range(first, last, SAMPLES_PER_CHUNK):
            yield self._mono[start : min(last, start + SAMPLES_PER_CHUNK)]

    def still(self, seconds: float, max_side: int) -> NDArray[np.uint8]:
        """The picture nearest to some time."""
        return self._picture(seconds, max_side)

    def _picture(self, seconds: float, max_side: int) -> NDArray[np.uint8]:
        import cv2

        nearest = round(seconds * self.clip.frames_per_second)
        picture = np.asarray(self.clip.frames[min(nearest, len(self.clip.frames) - 1)])
        width, height = self.size
        if picture.shape != (height, width, 3) or picture.dtype != np.uint8:
            why = f"{height} x {width} x 3 of uint8 like the first, not {picture.shape}"
            raise UsageError(f"picture {nearest} is to be {why}", "frames")
        size = fitted(width, height, max_side)
        if size != (width, height):
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        return picture if self.clip.channel_order == "bgr" else picture[..., ::-1]


def check_samples(samples: NDArray[Any]) -> None:
    """Refuse what is no sound.

    Raises
    ------
    UsageError
        Where an array has another shape or type.
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > samples.shape[0]):
        raise UsageError(f"(N,) or (N, C) are needed, not {samples.shape}", "samples")
    if samples.dtype == np.int16:
        return
    if samples.dtype.kind != "f":
        raise UsageError(f"int16 or floats are needed, not {samples.dtype}", "samples")
    if not np.isfinite(samples).all() or np.abs(samples).max(initial=0.0) > LOUDEST:
        raise UsageError("floats must lie between -1 and 1", "samples")


def resampled(samples: NDArray[Any], sample_rate: int) -> NDArray[np.int16]:
    """Sound at any rate becomes mono at 16 kHz, its first sample at the same time.

    By a polyphase low-pass filter with linear phase, whose delay is taken off again.

    Parameters
    ----------
    samples : numpy.ndarray
        (N,) or (N, C).
    sample_rate : int
        Hz.

    Returns
    -------
    numpy.ndarray
        (M,).
    """
    wide = np.asarray(samples).reshape(len(samples), -1)
    if wide.dtype != np.int16:
        wide = np.rint(np.clip(wide, -1, 1) * FULL_SCALE).astype(np.int16)
    mono = np.concatenate([np.zeros(0, np.int16), *to_mono(iter([wide]))])
    if sample_rate == SAMPLE_RATE or not len(mono):
        return mono
    from scipy.signal import resample_poly

    ratio = Fraction(SAMPLE_RATE, int(sample_rate))
    filtered = resample_poly(mono.astype(np.float64), ratio.numerator, ratio.denominator)
    return np.asarray(np.rint(np.clip(filtered, -FULL_SCALE, FULL_SCALE)), np.int16)
