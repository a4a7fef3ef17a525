"""Stage 5g: the figures that published scores of lip sync are given in (numpy only)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

UPSTREAM_REACH = 15  # frames


def lse_scores(video: NDArray[Any], audio: NDArray[Any]) -> tuple[float, float, int]:
    """LSE-D, LSE-C and the offset as joonson/syncnet_python computes them.

    The sound is padded with 15 zero embeddings on either side, which `find_offset` never does,
    because published scores were computed so: offset = 15 - best shift, LSE-C = median - minimum of
    31 mean distances.

    Parameters
    ----------
    video : numpy.ndarray
        (T, D) pictures.
    audio : numpy.ndarray
        (T, D) sounds of the same 40-ms windows.

    Returns
    -------
    tuple of (float, float, int)
        LSE-D, LSE-C, and the offset in frames of 40 ms; positive: the sound is early.

    References
    ----------
    Chung, Zisserman: Out of Time, ACCV 2016 workshops. Prajwal et al.: A Lip Sync Expert Is All You
    Need, ACM MM 2020, names them.
    """
    count, reach = min(len(video), len(audio)), UPSTREAM_REACH
    padded = np.pad(audio[:count].astype(np.float32), ((reach, reach), (0, 0)))
    means = np.array(
        [
            np.linalg.norm(video[:count].astype(np.float32) - padded[k : k + count], axis=1).mean()
            for k in range(2 * reach + 1)
        ]
    )
    best = int(np.argmin(means))
    return float(means[best]), float(np.median(means) - means[best]), reach - best
