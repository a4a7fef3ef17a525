"""Where the sound of one file is in another that was made from it: by listening to both.

Sound that was encoded again has other packets, whose stamps prove nothing.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.media import ffmpeg
from avsync.media.listing import BESIDE_SECONDS
from avsync.timebase import SAMPLE_RATE

LISTEN_SECONDS = 600  # to so much of a file
PIECE_SECONDS = 2.0
REACH_SECONDS = 0.5  # to either side of where a piece is expected
NEAR_SECONDS = 0.001
SILENT_RMS = 30.0  # of 32768
ALIKE = 0.5  # correlation of a sound with what an encoder made of it, at least
AS_GOOD = 0.98  # of the best correlation: a sound that repeats itself is where it is expected


@dataclass(frozen=True, slots=True)
class Sound:
    """A sound track, on a timeline that begins with the picture.

    Attributes
    ----------
    path : Path
        Of the file.
    index : int
        Of the stream.
    picture_seconds : float
        Stamp of the first picture.
    """

    path: Path
    index: int
    picture_seconds: float


def seconds_late(before: Sound, after: Sound, delay_seconds: float) -> float | None:
    """By how much a sound comes later than after a delay; infinite where it is not to be found.

    None: there is nothing to be heard. Raises MediaError where either cannot be decoded.
    """
    old, new = _samples(before), _samples(after)
    size, reach = (round(s * SAMPLE_RATE) for s in (PIECE_SECONDS, REACH_SECONDS))
    delay = round(delay_seconds * SAMPLE_RATE)
    first, last = max(0, -delay), min(len(old), len(new) - delay)  # of what both have
    size = min(size, last - first)
    padded = np.pad(new, reach)
    lags: list[float] = []
    for start in range(first, last - size + 1, size) if size > 0 else ():
        piece, place = old[start : start + size], start + delay
        if np.sqrt(np.mean(piece**2)) > SILENT_RMS:
            lags.append(_lag(piece, padded[place : place + size + 2 * reach], reach))
    known = np.array(lags)
    if np.isnan(known).sum() * 2 > len(known):
        return math.inf
    return float(np.nanmedian(known)) / SAMPLE_RATE if lags else None


def _samples(sound: Sound) -> NDArray[np.float64]:
    filling = {"async": 1, "min_hard_comp": 0.02, "first_pts": 0}
    kept = {"copyts": None, "itsoffset": f"{BESIDE_SECONDS:f}"}
    stream = (
        ffmpeg.builder()
        .input(ffmpeg.INPUT, **kept)[str(sound.index)]
        .filter("asetpts", f"PTS-({sound.picture_seconds:.6f})/TB")
        .filter("aresample", SAMPLE_RATE, **filling)
        .filter("atrim", end=LISTEN_SECONDS)
        .output("pipe:", format="s16le", acodec="pcm_s16le", ac=1)
    )
    heard = b"".join(ffmpeg.read_chunks(stream, 2 * SAMPLE_RATE, sound.path))
    return np.frombuffer(heard[: len(heard) // 2 * 2], "<i2").astype(np.float64)


def _lag(piece: NDArray[np.float64], around: NDArray[np.float64], reach: int) -> float:
    """Where in its surroundings a piece fits, in samples after their middle; NaN: nowhere."""
    length = len(around) + len(piece)
    spectrum = np.fft.rfft(around, length) * np.conj(np.fft.rfft(piece, length))
    fits = np.fft.irfft(spectrum, length)[: 2 * reach + 1]
    power = np.concatenate(([0.0], np.cumsum(around**2)))
    power = power[len(piece) :][: len(fits)] - power[: len(fits)]
    fits = fits / np.sqrt(np.maximum(power * np.sum(piece**2), 1.0))
    best, near = int(np.argmax(fits)), round(NEAR_SECONDS * SAMPLE_RATE)
    if fits[best] < ALIKE:
        return math.nan
    close = fits[reach - near : reach + near + 1]
    if close.max() >= AS_GOOD * fits[best]:
        best = reach - near + int(np.argmax(close))
    return float(best - reach)
