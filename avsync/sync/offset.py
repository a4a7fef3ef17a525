"""Stage 5a: embeddings become distances, and distances an offset with its evidence (numpy only).

Each window of picture is compared with the sounds up to `max_shift` 10-ms hops before and after
it. Distances are kept as sums over short stretches of time, so that memory does not depend on how
wide the search is, and so that stretches can be resampled, told apart, and given to who speaks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.sync.confidence import SIDE_HOPS, Agreement, Evidence, measure_evidence
from avsync.timebase import (
    FRAME_MS,
    FRAMES_PER_SECOND,
    HOP_MS,
    HOPS_PER_FRAME,
    offset_ms_of_shift,
)
from avsync.tracks import Sounds

BLOCK_FRAMES = 10  # 0.4 s: long enough for a syllable, short enough to resample
RESAMPLES = 200
CELLS_AT_ONCE = 2_000_000  # of resampled curves, so that wide searches need no gigabytes
TOLERANCE_MS = FRAME_MS  # an answer is right within one frame
BASIN_MS = 100  # minima of resampled curves that lie so near are the same minimum
MIN_COVERAGE = 0.4  # of the best judged shift's windows; a shift with fewer is no candidate
MOST_STEADY = 20.0  # standard errors; beyond, more is not surer
EDGE_HOPS = 2  # a best point this near to the edge of the range is no answer


Curve = NDArray[np.float32]  # (2 * max_shift + 1,): by shift, -max_shift first; NaN: not judged


@dataclass(frozen=True, slots=True)
class DistanceBlocks:
    """Sums of distances over stretches of time, by shift.

    Stretch n of a timeline is its frames n * frames_each and following.
    """

    numbers: NDArray[np.int64]  # (K,) rising
    frames_each: int
    sums: NDArray[np.float32]  # (K, 2 * max_shift + 1)
    counts: NDArray[np.float32]  # (K, 2 * max_shift + 1): windows judged, 0 outside the sound

    @property
    def curve(self) -> Curve:
        """Mean distance by shift."""
        return mean_curve(self.sums.sum(axis=0), self.counts.sum(axis=0))

    @property
    def windows(self) -> NDArray[np.float32]:
        """(K,) pictures compared in each stretch."""
        return np.asarray(self.counts.max(axis=1, initial=0))

    def start_seconds(self, row: int) -> float:
        """When a stretch begins."""
        return float(self.numbers[row]) * self.frames_each / FRAMES_PER_SECOND

    def part(self, rows: Any) -> "DistanceBlocks":
        """Some of the stretches: a slice, a mask, or places."""
        return DistanceBlocks(
            self.numbers[rows], self.frames_each, self.sums[rows], self.counts[rows]
        )


@dataclass(frozen=True, slots=True)
class Offset:
    """The minimum of a distance curve, and what speaks for it."""

    offset_ms: float  # positive: sound early
    uncertainty_ms: float  # half-width of the 90 % interval, given that this minimum is right
    best: int  # index of the minimum in the curve
    evidence: Evidence
    at_edge: bool  # the best point lies at the edge of the range


def distance_blocks(
    video: NDArray[Any],
    audio: Sounds,
    first_frame: int,
    max_shift: int,
    frames_each: int = BLOCK_FRAMES,
) -> DistanceBlocks:
    """Distances of (T, D) pictures to (S, D) sounds that lie up to `max_shift` hops away.

    Picture i starts at frame `first_frame + i`, sound j at hop j. Pairs outside the sound are
    masked, never padded: a padded zero is nearer than a wrong sound.
    """
    shifts = 2 * max_shift + 1
    first, last = first_frame // frames_each, -(-(first_frame + len(video)) // frames_each)
    numbers = np.arange(first, max(first, last) if len(video) else first)
    sums, counts = np.zeros((2, len(numbers), shifts), np.float32)
    for row, number in enumerate(numbers):
        frame = max(first_frame, int(number) * frames_each)
        pictures = video[frame - first_frame : (int(number) + 1) * frames_each - first_frame]
        rows = _near(pictures.astype(np.float32), audio, frame * HOPS_PER_FRAME - max_shift, shifts)
        judged = np.isfinite(rows)
        sums[row] = np.where(judged, rows, 0).sum(axis=0)
        counts[row] = judged.sum(axis=0)
    return DistanceBlocks(numbers, frames_each, sums, counts)


def _near(
    pictures: NDArray[np.float32], audio: Sounds, first: int, shifts: int
) -> NDArray[np.float32]:
    """(R, shifts) distances of pictures to the sounds from hop `first` on, 4 later for each."""
    span = HOPS_PER_FRAME * (len(pictures) - 1) + shifts
    inside = slice(max(0, first), max(0, min(len(audio), first + span)))
    table = np.full((len(pictures), span), np.nan, np.float32)
    if inside.stop > inside.start:
        near = euclidean(pictures, audio[inside].astype(np.float32))
        table[:, inside.start - first : inside.stop - first] = near
    return _diagonals(table, shifts)


def euclidean(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, D), (M, D) -> (N, M) distances."""
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def mean_curve(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> Curve:
    """Mean by shift, the last axis; NaN where too few windows have a sound to be compared with."""
    most = counts.max(axis=-1, initial=0, keepdims=True)
    enough = counts >= np.maximum(1.0, MIN_COVERAGE * most)
    return np.where(enough, sums / np.maximum(counts, 1), np.nan).astype(np.float32)


def gains(level: float, sums: NDArray[np.float32], counts: NDArray[np.float32]) -> Curve:
    """By how much distances lie below a level, added up as they are."""
    return level * counts - sums


def find_offset(blocks: DistanceBlocks) -> Offset | None:
    """The offset that stretches tell; None where no shift can be judged."""
    curve = blocks.curve
    if np.isfinite(curve).sum() < 3:
        return None
    return offset_at(blocks, int(np.nanargmin(curve)))


def offset_at(blocks: DistanceBlocks, best: int) -> Offset:
    """The offset at one minimum of the curve, the lowest or another, and what speaks for it."""
    sums, counts, curve = blocks.sums, blocks.counts, blocks.curve
    total_counts = counts.sum(axis=0)
    max_shift = len(curve) // 2
    offset_ms = offset_ms_of_shift(float(_refined(curve[None], np.array([best]))[0]) - max_shift)
    resampled = np.array([offset_ms_of_shift(v - max_shift) for v in _bootstrap(sums, counts)])
    away = np.abs(resampled - offset_ms)
    agreement = _accord(blocks, curve, best, float(np.mean(away <= TOLERANCE_MS)))
    judged = np.flatnonzero(np.isfinite(curve))
    return Offset(
        offset_ms,
        _half_width(away),
        best,
        measure_evidence(curve, total_counts, best, agreement, float(blocks.windows.sum())),
        bool(min(best - judged[0], judged[-1] - best) < EDGE_HOPS),
    )


def lowest_minima(curve: Curve, count: int) -> list[int]:
    """Indices of the lowest minima, each farther from the others than a dip is wide."""
    filled = np.pad(np.nan_to_num(curve, nan=np.inf), 1, constant_values=np.inf)
    is_minimum = (curve < filled[:-2]) & (curve <= filled[2:])
    chosen: list[int] = []
    for place in sorted(np.flatnonzero(is_minimum).tolist(), key=lambda place: float(curve[place])):
        if len(chosen) < count and all(abs(place - other) > SIDE_HOPS for other in chosen):
            chosen.append(place)
    return chosen


def _accord(blocks: DistanceBlocks, curve: Curve, best: int, agreement: float) -> Agreement:
    """How well stretches agree on point `best` of their mean curve."""
    sums, counts = blocks.sums[:, best], blocks.counts[:, best]
    gained = gains(float(np.nanmedian(curve)), sums, counts)[counts > 0]
    middle = len(blocks.numbers) // 2
    parts = (blocks.part(slice(None, middle)), blocks.part(slice(middle, None)))
    near = [_minimum_near(part.curve, best) for part in parts if len(part.numbers)]
    t_statistic = 0.0
    if len(gained) > 2:
        error = float(gained.std(ddof=1) / np.sqrt(len(gained)))
        t_statistic = min(MOST_STEADY, float(gained.mean()) / (error + 1e-6))
    return Agreement(agreement, sum(near) / 2, t_statistic, float(np.mean(gained > 0)))


def _minimum_near(curve: Curve, best: int) -> bool:
    if not np.isfinite(curve).any():
        return False
    return abs(int(np.nanargmin(curve)) - best) * HOP_MS <= TOLERANCE_MS


def _half_width(away: NDArray[np.float64]) -> float:
    """90 % of the resampled minima lie so near, of those that are the same minimum.

    How likely it is another one is what confidence says.
    """
    same = away[away <= BASIN_MS]
    return max(HOP_MS / 4, float(np.quantile(same if len(same) else away, 0.9)))


def vertex(curve: Curve) -> float:
    """Index of the minimum, refined by the parabola through the best point and its neighbours."""
    return float(_vertices(curve[None])[0])


def _vertices(curves: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, shifts) -> (N,) `vertex` of each; none may be all NaN."""
    return _refined(curves, np.nanargmin(curves, axis=1))


def _refined(curves: NDArray[np.float32], best: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, shifts), (N,) indices of minima -> (N,): refined by the parabola through three points."""
    middle = np.clip(best, 1, curves.shape[1] - 2)
    columns = middle[:, None] + np.arange(-1, 2)
    left, centre, right = np.take_along_axis(curves, columns, axis=1).astype(np.float64).T
    with np.errstate(invalid="ignore"):  # lines that nothing was compared along are infinite
        bend, rise = left - 2 * centre + right, left - right
    is_valley = (best == middle) & np.isfinite(bend) & (bend > 0)
    away = np.divide(rise, 2 * bend, out=np.zeros(len(best)), where=is_valley)
    return np.asarray(best + away)


def _diagonals(table: NDArray[np.float32], shifts: int) -> NDArray[np.float32]:
    """(R, 4 (R - 1) + shifts) -> (R, shifts): row r starts 4 r to the right."""
    rows, (down, across) = len(table), table.strides
    return np.lib.stride_tricks.as_strided(
        table, (rows, shifts), (down + HOPS_PER_FRAME * across, across), writeable=False
    )


def _bootstrap(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> list[float]:
    """Minima of curves of stretches drawn with replacement; always the same draw."""
    rng = np.random.default_rng(0)
    size = len(sums)
    weights = rng.multinomial(size, np.full(size, 1 / size), RESAMPLES).astype(np.float32)
    minima: list[float] = []
    at_once = max(1, CELLS_AT_ONCE // sums.shape[1])
    for first in range(0, RESAMPLES, at_once):
        some = weights[first : first + at_once]
        curves = mean_curve(some @ sums, some @ counts)
        minima += _vertices(curves[np.isfinite(curves).any(axis=1)]).tolist()
    return minima
