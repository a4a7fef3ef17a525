"""Prepared clips with a known truth: a bright bar opens in the picture as loud as the sound is."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.model.config import SMALL_CONFIG
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE
from avsync.training.clips import ClipSource, PreparedClip
from avsync.training.prepare import with_margin

GEOMETRY = with_margin(SMALL_CONFIG.geometry)
TONE_HERTZ = 440


def bar_and_tone(seed: int, seconds: float = 3.0) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """(frames, pixels, pixels) and 16-kHz samples in step."""
    rng = np.random.default_rng(seed)
    count, pixels = round(seconds * FRAMES_PER_SECOND), GEOMETRY.pixels
    loud = np.convolve(rng.random(count + 8), np.hanning(5), "valid")[:count]
    loud = (loud - loud.min()) / np.ptp(loud)
    frames = rng.integers(60, 90, (count, pixels, pixels)).astype(np.uint8)
    middle = pixels // 2
    for frame, opening in zip(frames, loud, strict=True):
        half = 1 + int(10 * opening)
        frame[middle - half : middle + half, middle - 10 : middle + 10] = 230
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.interp(times, (np.arange(count) + 0.5) / FRAMES_PER_SECOND, loud)
    tone = np.sin(2 * np.pi * TONE_HERTZ * times)
    return frames, (20000 * envelope**2 * tone + 50 * rng.normal(size=len(tone))).astype(np.int16)


def made_clip(
    folder: Path,
    seed: int,
    speaker: str = "somebody",
    offset_ms: float = 0.0,
    seconds: float = 3.0,
) -> PreparedClip:
    """A prepared clip in `folder`, whose source says that its own offset is `offset_ms`."""
    path = folder / f"{seed}.npz"
    frames, samples = bar_and_tone(seed, seconds)
    np.savez(path, frames=frames, samples=samples)
    source = ClipSource(Path(f"{seed}.mp4"), speaker, "made", offset_ms)
    return PreparedClip(source, path, 0, len(frames), len(samples))
