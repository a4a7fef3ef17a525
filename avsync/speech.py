"""Stage 3b: samples become MFCC vectors, and in which of them something is heard."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from avsync.timebase import HOP_SAMPLES, SAMPLE_RATE

Samples = NDArray[np.int16] | NDArray[np.float64]  # on the scale of 16-bit sound

COEFFICIENTS = 13
WINDOW_SAMPLES = SAMPLE_RATE * 25 // 1000  # one MFCC vector hears 25 ms
SILENCE = 10.0  # natural log of an energy
LOUDNESS_RANGE = 6.0  # natural log: 26 dB


def mfcc(chunks: Iterable[Samples]) -> NDArray[np.float32]:
    """MFCC of 16 kHz sound, one vector every 10 ms: the defaults of python_speech_features.

    Works piece by piece, so that an hour of sound needs no gigabytes; equal to one call on the
    whole. Only vectors that lie wholly in the sound are given.

    Parameters
    ----------
    chunks : iterable of numpy.ndarray
        (N,) each, on the scale of 16-bit samples.

    Returns
    -------
    numpy.ndarray
        (S, 13).
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


def is_audible(mfcc: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether something is heard, by the log energy in coefficient 0.

    Heard is what lies less than 26 dB below the loud parts of the file and above the noise of a
    silent recording (about -65 dB of full scale).

    Parameters
    ----------
    mfcc : numpy.ndarray
        (S, 13).

    Returns
    -------
    numpy.ndarray
        (S,).
    """
    if not len(mfcc):
        return np.zeros(0, bool)
    loud = float(np.quantile(mfcc[:, 0], 0.95))
    return np.asarray(mfcc[:, 0] > max(loud - LOUDNESS_RANGE, SILENCE))


def _mfcc(samples: Samples) -> NDArray[np.float64]:
    import python_speech_features  # scipy comes with it: meanwhile other threads decode pictures

    features = python_speech_features.mfcc(samples, SAMPLE_RATE, numcep=COEFFICIENTS)
    return np.asarray(features)
