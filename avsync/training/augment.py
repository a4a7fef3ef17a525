"""What training does to crops and sound, so that the streams learn speech and not the recording."""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE
from avsync.training.noises import coloured_noise, mix_at_snr, music

Frames = NDArray[np.uint8]
Samples = NDArray[np.float64]


def augment_frames(wide: Frames, pixels: int, rng: Generator) -> Frames:
    """Crops as another camera, codec and light might have shown them, alike all through a clip.

    Parameters
    ----------
    wide : numpy.ndarray
        (T, W, W[, 3]) prepared crops.
    pixels : int
        Side of the network's.
    rng : numpy.random.Generator
        Decides everything.

    Returns
    -------
    numpy.ndarray
        (T, pixels, pixels[, 3]).
    """
    frames = [_warp(frame, matrix, pixels) for frame, matrix in _wander(wide, pixels, rng)]
    clip = np.stack(frames).astype(np.float32)
    if rng.random() < 0.5:  # gamma; gain and bias do nothing, windows are whitened
        clip = 255 * (clip / 255) ** np.exp(rng.normal(0, 0.3))
    if rng.random() < 0.3:
        clip += rng.normal(0, rng.uniform(1, 10), clip.shape).astype(np.float32)
    out = np.clip(clip, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        out = _lose_detail(out, rng)
    if rng.random() < 0.15:
        out = _lower_rate(out, rng) if rng.random() < 0.5 else _repeat_frames(out, rng)
    return out


def plain_frames(wide: Frames, pixels: int) -> Frames:
    """The crop that detection would make: the middle of the prepared one."""
    first = (wide.shape[1] - pixels) // 2
    return wide[:, first : first + pixels, first : first + pixels]


def augment_samples(
    samples: NDArray[np.int16], other: NDArray[np.int16], rng: Generator
) -> Samples:
    """Room, channel, another voice, music or noise, and gain; same length, same timing.

    Parameters
    ----------
    samples : numpy.ndarray
        (N,) at 16 kHz.
    other : numpy.ndarray
        (M,) of somebody else.
    rng : numpy.random.Generator
        Decides everything.

    Returns
    -------
    numpy.ndarray
        (N,) on the scale of 16-bit samples.
    """
    sound = samples.astype(np.float64)
    if rng.random() < 0.25:
        sound = _reverberate(sound, rng)
    if rng.random() < 0.25:
        sound = _band_limit(sound, rng)
    if rng.random() < 0.6:
        sound = mix_at_snr(sound, _noise(len(sound), other, rng), rng.uniform(-3, 25))
    gain_db = rng.normal(0, 8)
    return np.clip(sound * 10 ** (gain_db / 20), -32768, 32767)


def _wander(wide: Frames, pixels: int, rng: Generator) -> list[tuple[Frames, NDArray[np.float64]]]:
    """Each frame with the matrix that cuts it: one random cut, trembling as boxes do."""
    side = wide.shape[1]
    scale = np.exp(np.clip(rng.normal(0, 0.12), -0.3, 0.25))
    turn = np.deg2rad(rng.normal(0, 6))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    centre = (side - 1) / 2 + rng.normal(0, 0.045 * pixels, 2)
    tremble = np.cumsum(rng.normal(0, 0.3 * rng.random(), (len(wide), 2)), axis=0)
    tremble -= tremble.mean(axis=0)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    linear = np.array([[mirror * cos, -sin], [mirror * sin, cos]])
    middle = np.full(2, (pixels - 1) / 2)
    return [
        (frame, np.column_stack([linear, centre + shake - linear @ middle]))
        for frame, shake in zip(wide, tremble, strict=True)
    ]


def _warp(frame: Frames, matrix: NDArray[np.float64], pixels: int) -> Frames:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REPLICATE
    return np.asarray(
        cv2.warpAffine(frame, matrix, (pixels, pixels), flags=flags, borderMode=border), np.uint8
    )


def _lose_detail(clip: Frames, rng: Generator) -> Frames:
    """A small face, or one that was compressed hard."""
    pixels = clip.shape[1]
    small = int(rng.uniform(0.3, 0.9) * pixels)
    quality = int(rng.uniform(15, 70))
    compress = rng.random() < 0.4
    out = []
    for frame in clip:
        lost = cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA)
        if compress:
            code = cv2.imencode(".jpg", lost, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            lost = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
        out.append(cv2.resize(lost, (pixels, pixels), interpolation=cv2.INTER_LINEAR))
    return np.stack(out).astype(np.uint8)


def _repeat_frames(clip: Frames, rng: Generator) -> Frames:
    """Dropped frames: each that was lost shows the one before it."""
    lost = rng.random(len(clip)) < rng.uniform(0.05, 0.4)
    lost[0] = False
    shown = np.maximum.accumulate(np.where(lost, 0, np.arange(len(clip))))
    return clip[shown]


def _lower_rate(clip: Frames, rng: Generator) -> Frames:
    """A video of 8 to 20 frames a second: at each time, its nearest frame."""
    step = FRAMES_PER_SECOND / rng.uniform(8, 20)
    first = rng.uniform(-0.5, 0.5) * step
    nearest = first + step * np.round((np.arange(len(clip)) - first) / step)
    return np.asarray(clip[np.clip(np.round(nearest).astype(int), 0, len(clip) - 1)])


def _noise(count: int, other: NDArray[np.int16], rng: Generator) -> Samples:
    """What is heard beside the speech: another voice, music, or noise."""
    kind = rng.random()
    if kind < 0.4 and len(other):
        return np.roll(other, rng.integers(len(other))).astype(np.float64)
    return music(count, rng) if kind < 0.65 else coloured_noise(count, rng)


def _reverberate(sound: Samples, rng: Generator) -> Samples:
    """A room of 0.1 to 0.5 s, direct sound first, so that nothing moves in time."""
    seconds = rng.uniform(0.1, 0.5)
    count = int(seconds * SAMPLE_RATE)
    tail = rng.normal(size=count) * np.exp(-6.9 * np.arange(count) / count)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    size = len(sound) + count - 1
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)
    return wet[: len(sound)]


def _band_limit(sound: Samples, rng: Generator) -> Samples:
    """Telephone, or a codec that cuts the treble; zero phase, so that nothing moves in time."""
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    low = rng.choice([0.0, 100.0, 300.0])
    high = rng.uniform(3000, 7500)
    spectrum[(hertz < low) | (hertz > high)] *= 0.01
    return np.fft.irfft(spectrum, len(sound))
