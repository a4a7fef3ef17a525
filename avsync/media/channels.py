"""Channels of sound become one, in such a way that nothing cancels."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

OPPOSED = -0.5  # correlation of two channels below which one of them is taken for turned over


def to_mono(chunks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
    """(N, C) samples of one or two channels -> (N,), piece by piece: their mean.

    A channel that is the other one turned over (a cable soldered wrongly) is turned back first: in
    the mean of both nothing of the speech would be left. Which way round a channel is does not
    matter otherwise. What is told is told by all that was heard so far.
    """
    powers, product = np.zeros(2), 0.0
    for chunk in chunks:
        if chunk.shape[1] == 1:
            yield chunk[:, 0]
            continue
        left, right = chunk[:, 0].astype(np.float64), chunk[:, 1].astype(np.float64)
        powers += (left @ left, right @ right)
        product += float(left @ right)
        is_opposed = product < OPPOSED * float(np.sqrt(powers.prod()))
        yield np.asarray(np.rint((left - right if is_opposed else left + right) / 2), np.int16)
