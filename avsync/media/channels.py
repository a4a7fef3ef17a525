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
    powers = products = np.zeros(1)  # of each channel
    for chunk in chunks:
        count = chunk.shape[1]
        if count == 1:
            yield chunk[:, 0]
            continue
        channels = chunk.T.astype(np.float64, order="C")
        # Matrix products are shared out to threads, and to wake those takes longer than the sums.
        powers = powers + np.einsum("cn,cn->c", channels, channels)
        products = products + np.einsum("n,cn->c", channels[0], channels)
        is_opposed = products < OPPOSED * np.sqrt(powers[0] * powers)
        signs = np.where(is_opposed, -1.0, 1.0)
        mean = np.einsum("c,cn->n", signs, channels) / count
        yield np.asarray(np.rint(mean).clip(-32768, 32767), np.int16)
