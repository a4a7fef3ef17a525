"""Channels of sound become one, in such a way that nothing cancels."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

OPPOSED = -0.5  # correlation of two channels below which one of them is taken for turned over


def to_mono(chunks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
    """Mix channels, piece by piece, to their mean.

    A channel that is the first one turned over (a cable soldered wrongly) is turned back before: in
    the mean nothing of the speech would be left. Which way round a channel is does not matter
    otherwise. What is told is told by all that was heard so far.

    Parameters
    ----------
    chunks : iterable of numpy.ndarray
        (N, C) samples each.

    Yields
    ------
    numpy.ndarray
        (N,) samples.
    """
    powers: NDArray[np.float64] | float = 0.0
    products: NDArray[np.float64] | float = 0.0
    for chunk in chunks:
        count = chunk.shape[1]
        if count == 1:
            yield chunk[:, 0]
            continue
        channels = chunk.T.astype(np.float64)
        powers = powers + np.array([channel @ channel for channel in channels])
        products = products + np.array([channels[0] @ channel for channel in channels])
        is_opposed = products < OPPOSED * np.sqrt(powers[0] * powers)
        signs = np.where(is_opposed, -1.0, 1.0)
        yield np.asarray(np.rint(signs @ channels / count), np.int16)
