"""Sounds beside the speech: noise, music and the hush of a room, made at 16 kHz, and mixing."""

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avsync.timebase import SAMPLE_RATE

LOWEST_HERTZ = 80.0
CHORDS = ((0, 4, 7, 12), (0, 3, 7, 10), (0, 5, 7), (0, 7), (0,))  # semitones above the root


def coloured_noise(count: int, rng: Generator) -> NDArray[np.float64]:
    """`count` samples of noise between white and pink."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** rng.uniform(0, 1)
    return np.fft.irfft(spectrum, count)


def music(count: int, rng: Generator) -> NDArray[np.float64]:
    """`count` samples of a tune in chords that fade, mostly with a drum, between -1 and 1.

    Tempo, chords, timbre and drum are drawn once and kept, as one instrument would.
    """
    sound = np.zeros(count)
    note_seconds = rng.uniform(0.12, 0.7)
    chord = CHORDS[rng.integers(len(CHORDS))]
    overtones = np.arange(1, rng.integers(2, 9))
    loudness = overtones ** -rng.uniform(0.7, 2.5)
    fade_seconds, vibrato = rng.uniform(0.1, 1.5), rng.uniform(0, 0.01)
    beat = rng.uniform(0, 4) if rng.random() < 0.7 else 0.0
    note = int(note_seconds * SAMPLE_RATE)
    for number, first in enumerate(range(-int(rng.integers(note)), count, note)):
        t = np.arange(2 * note) / SAMPLE_RATE
        roots = LOWEST_HERTZ * 2 ** ((rng.integers(0, 30) + np.array(chord)) / 12)
        phase = t + vibrato / 35 * np.sin(35 * t)
        angle = 2 * np.pi * roots[:, None, None] * overtones[:, None] * phase
        played = np.einsum("o,rot->t", loudness, np.sin(angle)) * np.exp(-t / fade_seconds)
        if number % 2 == 0:
            played += beat * rng.normal(size=len(t)) * np.exp(-t / 0.03)
        inside = slice(max(0, -first), min(len(t), count - first))
        sound[first + inside.start : first + inside.stop] += played[inside]
    return np.asarray(sound / (np.abs(sound).max() + 1e-9))


def room_noise(count: int, rng: Generator) -> NDArray[np.int16]:
    """`count` samples of the hiss of a recording in which nobody speaks."""
    return np.round(rng.normal(0, 2, count)).astype(np.int16)


def mix_at_snr(
    speech: NDArray[Any], noise: NDArray[np.float64], ratio_db: float
) -> NDArray[np.float64]:
    """Speech with noise over it.

    Parameters
    ----------
    speech : numpy.ndarray
        (N,).
    noise : numpy.ndarray
        (M,), repeated where it is shorter.
    ratio_db : float
        Of speech to noise, by their mean squares.

    Returns
    -------
    numpy.ndarray
        (N,).
    """
    over = np.resize(noise, len(speech))
    level = np.sqrt(np.mean(np.square(speech, dtype=np.float64))) + 1.0
    gain = level / (np.sqrt(np.mean(over**2)) + 1e-9) * 10 ** (-ratio_db / 20)
    return np.asarray(speech + gain * over)
