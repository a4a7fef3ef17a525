"""Stage 5a: embeddings become distances, added up over blocks of time (numpy only).

Each window of picture is compared with the sounds up to `max_shift` 10-ms hops before and after
it. Distances are kept as sums over short blocks of time, so that memory does not depend on how
wide the search is, and so that blocks can be resampled, told apart, and given to who speaks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.timebase import FRAMES_PER_SECOND, HOPS_PER_FRAME
from avsync.tracks import Sounds

BLOCK_FRAMES = 10  # 0.4 s: long enough for a syllable, short enough to resample
MIN_COVERAGE = 0.4  # of the best judged shift's windows; a shift with fewer is no candidate
Curve = NDArray[np.float32]  # (2 * max_shift + 1,): by shift, -max_shift first; NaN: not judged


@dataclass(frozen=True, slots=True)
class DistanceBlocks:
    """Sums of distances over blocks of time, by shift.

    Block n of a timeline is its frames n * frames_each and following.

    Attributes
    ----------
    numbers : numpy.ndarray
        (K,) rising.
    frames_each : int
        Of a block, at 25 fps.
    sums : numpy.ndarray
        (K, 2 * max_shift + 1).
    counts : numpy.ndarray
        (K, 2 * max_shift + 1) windows judged; 0 outside the sound.
    """

    numbers: NDArray[np.int64]
    frames_each: int
    sums: NDArray[np.float32]
    counts: NDArray[np.float32]

    @property
    def curve(self) -> Curve:
        """Mean distance by shift."""
        return mean_curve(self.sums.sum(axis=0), self.counts.sum(axis=0))

    @property
    def windows(self) -> NDArray[np.float32]:
        """(K,) pictures compared in each block."""
        return np.asarray(self.counts.max(axis=1, initial=0))

    def start_seconds(self, row: int) -> float:
        """When a block begins."""
        return float(self.numbers[row]) * self.frames_each / FRAMES_PER_SECOND

    def part(self, rows: Any) -> "DistanceBlocks":
        """Some of the blocks: a slice, a mask, or places."""
        return DistanceBlocks(
            self.numbers[rows], self.frames_each, self.sums[rows], self.counts[rows]
        )


def distance_blocks(
    video: NDArray[Any],
    audio: Sounds,
    first_frame: int,
    max_shift: int,
    frames_each: int = BLOCK_FRAMES,
) -> DistanceBlocks:
    """Distances of pictures to the sounds around them, added up over blocks.

    Pairs outside the sound are masked, never padded: a padded zero is nearer than a wrong sound.

    Parameters
    ----------
    video : numpy.ndarray
        (T, D) of which number i starts at frame `first_frame + i`.
    audio : array
        (S, D) of which number j starts at hop j.
    first_frame : int
        At 25 fps.
    max_shift : int
        Hops of 10 ms to either side.
    frames_each : int, optional
        Of a block.
    """
    shifts = 2 * max_shift + 1
    first, last = first_frame // frames_each, -(-(first_frame + len(video)) // frames_each)
    numbers = np.arange(first, max(first, last) if len(video) else first)
    sums, counts = np.zeros((2, len(numbers), shifts), np.float32)
    for row, number in enumerate(numbers):
        frame = max(first_frame, int(number) * frames_each)
        pictures = video[frame - first_frame : (int(number) + 1) * frames_each - first_frame]
        rows = nearby_distances(
            pictures.astype(np.float32), audio, frame * HOPS_PER_FRAME - max_shift, shifts
        )
        judged = np.isfinite(rows)
        sums[row] = np.where(judged, rows, 0).sum(axis=0)
        counts[row] = judged.sum(axis=0)
    return DistanceBlocks(numbers, frames_each, sums, counts)


def nearby_distances(
    pictures: NDArray[np.float32], audio: Sounds, first: int, shifts: int
) -> NDArray[np.float32]:
    """Distances of successive pictures to the sounds around each; NaN where there is none.

    Parameters
    ----------
    pictures : numpy.ndarray
        (R, D), of successive frames.
    audio : array
        (S, D) of which number j starts at hop j.
    first : int
        Hop of the first sound that the first picture is compared with; 4 later for each next.
    shifts : int
        How many sounds each is compared with.

    Returns
    -------
    numpy.ndarray
        (R, shifts).
    """
    span = HOPS_PER_FRAME * (len(pictures) - 1) + shifts
    inside = slice(max(0, first), max(0, min(len(audio), first + span)))
    table = np.full((len(pictures), span), np.nan, np.float32)
    if inside.stop > inside.start:
        near = euclidean(pictures, audio[inside].astype(np.float32))
        table[:, inside.start - first : inside.stop - first] = near
    return _diagonals(table, shifts)


def euclidean(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Distances between all rows of two matrices.

    Parameters
    ----------
    a : numpy.ndarray
        (N, D).
    b : numpy.ndarray
        (M, D).

    Returns
    -------
    numpy.ndarray
        (N, M).
    """
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def _diagonals(table: NDArray[np.float32], shifts: int) -> NDArray[np.float32]:
    """(R, 4 (R - 1) + shifts) -> (R, shifts): row r starts 4 r to the right."""
    rows, (down, across) = len(table), table.strides
    return np.lib.stride_tricks.as_strided(
        table, (rows, shifts), (down + HOPS_PER_FRAME * across, across), writeable=False
    )


def mean_curve(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> Curve:
    """Mean by shift; NaN where too few windows have a sound to be compared with.

    Parameters
    ----------
    sums : numpy.ndarray
        (..., shifts).
    counts : numpy.ndarray
        (..., shifts).

    Returns
    -------
    numpy.ndarray
        (..., shifts).
    """
    most = counts.max(axis=-1, initial=0, keepdims=True)
    enough = counts >= np.maximum(1.0, MIN_COVERAGE * most)
    return np.where(enough, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def gains(level: float, sums: NDArray[np.float32], counts: NDArray[np.float32]) -> Curve:
    """By how much distances lie below a level, added up as they are.

    Parameters
    ----------
    level : float
        A distance.
    sums, counts : numpy.ndarray
        Of any one shape, as in `DistanceBlocks`.

    Returns
    -------
    numpy.ndarray
        Of that shape.
    """
    return level * counts - sums
