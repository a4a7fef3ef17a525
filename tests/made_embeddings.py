"""Embeddings of talk that never was: sounds, and lips that fit them at a known shift."""

import numpy as np
from numpy.typing import NDArray

from avsync.timebase import HOPS_PER_FRAME, WINDOW_FRAMES, WINDOW_HOPS

DIMENSIONS = 24
STEPS_ALIKE = 12  # neighbouring sounds resemble each other, as real embeddings do
Embeddings = NDArray[np.float32]


def active(seconds: float, seed: int = 0) -> Embeddings:
    """(S, D) unit-length sounds, one each 10 ms."""
    rng = np.random.default_rng(seed)
    steps = round(100 * seconds)
    raw = rng.standard_normal((steps + WINDOW_HOPS, DIMENSIONS))
    kernel = np.hanning(STEPS_ALIKE + 2)
    sounds = np.apply_along_axis(np.convolve, 0, raw, kernel, "same")[: steps - WINDOW_HOPS + 1]
    return _unit(sounds)


def lips(
    sound: Embeddings, frames: int, shift_hops: int, match: float = 0.5, seed: int = 1
) -> Embeddings:
    """(frames - 4, D) pictures whose sound is heard `shift_hops` later, alike by `match`."""
    said = np.arange(frames - WINDOW_FRAMES + 1) * HOPS_PER_FRAME + shift_hops
    return alike(sound, said, match, seed)


def alike(sound: Embeddings, steps: NDArray[np.int64], match: float, seed: int = 1) -> Embeddings:
    """Pictures that resemble the sounds at `steps`."""
    noise = _unit(np.random.default_rng(seed).standard_normal((len(steps), DIMENSIONS)))
    heard = sound[np.clip(steps, 0, len(sound) - 1)]
    return _unit(match * heard + (1 - match) * noise)


def strangers_lips(frames: int, seed: int) -> Embeddings:
    """Pictures of somebody who says something else."""
    return lips(active(frames / 25 + 1, seed + 10_000), frames, 0, seed=seed)


def _unit(vectors: NDArray[np.float64]) -> Embeddings:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
