"""Stage 5c: the minimum of a distance curve becomes an offset with its evidence (numpy only).

How far it would move had other blocks of time been seen is told by drawing them with replacement.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.sync.blocks import Curve, DistanceBlocks, gains, mean_curve
from avsync.sync.confidence import SIDE_HOPS, Agreement, Evidence, measure_evidence
from avsync.timebase import (
    FRAME_MS,
    HOP_MS,
    offset_ms_of_shift,
)

RESAMPLES = 200
CELLS_AT_ONCE = 2_000_000  # of resampled curves, so that wide searches need no gigabytes
TOLERANCE_MS = FRAME_MS  # an answer is right within one frame
BASIN_MS = 100  # minima of resampled curves that lie so near are the same minimum
MOST_STEADY = 20.0  # standard errors; beyond, more is not surer
EDGE_HOPS = 2  # a best point this near to the edge of the range is no answer


@dataclass(frozen=True, slots=True)
class Offset:
    """A minimum of a distance curve, and what speaks for it.

    Attributes
    ----------
    offset_ms : float
        Positive: the sound is early.
    uncertainty_ms : float
        Half-width of the 90 % interval, given that this minimum is right.
    best : int
        Index of the minimum in the curve.
    evidence : Evidence
        What confidence is made of.
    at_edge : bool
        Whether the best point lies at the edge of the range.
    """

    offset_ms: float
    uncertainty_ms: float
    best: int
    evidence: Evidence
    at_edge: bool


def find_offset(blocks: DistanceBlocks) -> Offset | None:
    """The offset at the lowest point of the curve; None where no shift can be judged."""
    curve = blocks.curve
    if np.isfinite(curve).sum() < 3:
        return None
    return offset_at(blocks, int(np.nanargmin(curve)))


def offset_at(blocks: DistanceBlocks, best: int) -> Offset:
    """The offset at one minimum of the curve, the lowest or another, and what speaks for it.

    Parameters
    ----------
    blocks : DistanceBlocks
        Whose sum is the curve.
    best : int
        Index of the minimum.
    """
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
    """The lowest minima of a curve, each farther from the others than a dip is wide.

    Parameters
    ----------
    curve : numpy.ndarray
        (shifts,).
    count : int
        As many at most.

    Returns
    -------
    list of int
        Indices, the lowest first.
    """
    filled = np.pad(np.nan_to_num(curve, nan=np.inf), 1, constant_values=np.inf)
    is_minimum = (curve < filled[:-2]) & (curve <= filled[2:])
    chosen: list[int] = []
    for place in sorted(np.flatnonzero(is_minimum).tolist(), key=lambda place: float(curve[place])):
        if len(chosen) < count and all(abs(place - other) > SIDE_HOPS for other in chosen):
            chosen.append(place)
    return chosen


def _accord(blocks: DistanceBlocks, curve: Curve, best: int, agreement: float) -> Agreement:
    """How well blocks agree on point `best` of their mean curve."""
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
    """Index of the minimum, refined by the parabola through the best point and its neighbours.

    Examples
    --------
    >>> vertex(np.array([5.0, 2.0, 1.0, 2.0, 5.0], np.float32))
    2.0
    """
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


def _bootstrap(sums: NDArray[np.float32], counts: NDArray[np.float32]) -> list[float]:
    """Minima of curves of blocks drawn with replacement; always the same draw."""
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
