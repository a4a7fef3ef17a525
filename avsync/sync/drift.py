"""Stage 5f: how fast the offset runs away: a clock that ran off, a film sped up (numpy only).

A line is found by moving each block's distances along it before they are added up. Films that
were sped up or slowed down between 24, 23.976 and 25 fps run away by 40 ms a second, too fast for
that: the sound is stretched first, and the line is looked for in what is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.sync.active_speaker import distance_table
from avsync.sync.blocks import Curve, DistanceBlocks, mean_curve
from avsync.sync.offset import vertex
from avsync.timebase import FRAMES_PER_SECOND, HOPS_PER_FRAME, HOPS_PER_SECOND
from avsync.tracks import EmbeddedClip, stretched

FINE_SLOPE = 2e-3  # seconds per second, to either side: clocks that run off, 1000/1001
FILM_RATIOS = {  # sound's speed / picture's, when the picture of `from` fps is played at `to`
    "24 fps played at 25": 24 / 25,
    "25 fps played at 24": 25 / 24,
    "23.976 fps played at 25": 24 / 25 / 1.001,
    "25 fps played at 23.976": 25 / 24 * 1.001,
    "23.976 fps played at 24": 1 / 1.001,
    "24 fps played at 23.976": 1.001,
}
FILM_STRETCHES = tuple(ratio for ratio in FILM_RATIOS.values() if abs(1 - ratio) > 2 * FINE_SLOPE)
GRID_SECONDS = 0.02  # what neighbouring slopes differ by at the ends of a file
MIN_SECONDS = 8.0  # of compared picture; a line through less is no evidence
MIN_RUNAWAY_SECONDS = 0.04  # over what was compared; less is no drift worth telling
NEGLIGIBLE_SECONDS = 0.01  # over what was compared: so near to a film ratio, it is that ratio
MIN_GAIN = 4.0  # standard errors by which the line must fit better than any constant
MIN_DEEPER = 1.1  # times as deep a minimum


@dataclass(frozen=True, slots=True)
class _Line:
    """The sum of blocks along a line."""

    slope: float  # seconds of offset per second, on top of the table's stretching
    curve: Curve
    sums: NDArray[np.float32]  # (K,) at the best offset
    counts: NDArray[np.float32]


def find_stretch(looks: Sequence[EmbeddedClip], max_offset_seconds: float) -> float:
    """How many times as long the sound must become to follow the picture; 1.0: no drift.

    A line must fit clearly better than the best constant offset, over enough seconds.

    Parameters
    ----------
    looks : sequence of EmbeddedClip
        At the file, in time.
    max_offset_seconds : float
        Of the search, to either side.
    """
    plain = _wide(looks, 1.0, max_offset_seconds, FINE_SLOPE)
    if plain is None or plain.windows.sum() < MIN_SECONDS * FRAMES_PER_SECOND:
        return 1.0
    width = round(max_offset_seconds * HOPS_PER_SECOND)
    constant = _along(plain, 0.0, width)
    ratio = _best_film_ratio(looks, max_offset_seconds)
    tables = {1.0: plain}
    if film := _wide(looks, ratio, max_offset_seconds, FINE_SLOPE):
        tables[ratio] = film
    lines = [(ratio, _best_line(table, width)) for ratio, table in tables.items()]
    ratio, line = max(lines, key=lambda pair: _depth(pair[1].curve))
    span = float(np.ptp(_middles(plain)))
    is_film = ratio != 1.0 and abs(line.slope) * span < NEGLIGIBLE_SECONDS
    stretch = ratio if is_film else ratio / (1 - line.slope)
    if abs(1 - 1 / stretch) * span < MIN_RUNAWAY_SECONDS:
        return 1.0
    deeper = _depth(line.curve) >= MIN_DEEPER * _depth(constant.curve)
    return stretch if deeper and _gain(constant, line) >= MIN_GAIN else 1.0


def film_speeds(stretch: float) -> str | None:
    """The pair of frame rates that explains a drift, within 100 ppm; None: a clock ran off.

    Examples
    --------
    >>> film_speeds(24 / 25)
    '24 fps played at 25'
    """
    for words, ratio in FILM_RATIOS.items():
        if abs(stretch / ratio - 1) < 1e-4:
            return words
    return None


def _wide(
    looks: Sequence[EmbeddedClip], stretch: float, max_offset: float, fine_slope: float
) -> DistanceBlocks | None:
    """A table wide enough for lines of up to `fine_slope`; None without faces."""
    first = min(seen.first_frame for seen in looks)
    last = max(seen.first_frame + len(seen.audio) // HOPS_PER_FRAME for seen in looks)
    seconds = (last - first) / FRAMES_PER_SECOND
    reach = round((max_offset + fine_slope * seconds / 2) * HOPS_PER_SECOND)
    active = distance_table([stretched(seen, stretch) for seen in looks], reach)
    return active.blocks if active else None


def _best_film_ratio(looks: Sequence[EmbeddedClip], max_offset: float) -> float:
    """The film ratio under which a constant offset fits best."""

    def depth(ratio: float) -> float:
        table = _wide(looks, ratio, max_offset, 0.0)
        return _depth(table.curve) if table else 0.0

    return max(FILM_STRETCHES, key=depth)


def _middles(table: DistanceBlocks) -> NDArray[np.float64]:
    """(K,) seconds of the middle of each block."""
    return (table.numbers + 0.5) * table.frames_each / FRAMES_PER_SECOND


def _best_line(table: DistanceBlocks, width: int) -> _Line:
    """Try slopes on a grid, then between its points."""
    half_span = max(1.0, float(np.ptp(_middles(table))) / 2)
    apart = min(GRID_SECONDS / half_span, FINE_SLOPE / 2)
    reach = round(FINE_SLOPE / apart)
    slopes = apart * np.arange(-reach, reach + 1)
    minima = np.array([_minimum(_along(table, float(b), width).curve) for b in slopes])
    best = float(np.interp(vertex(minima), np.arange(len(slopes)), slopes))
    return _along(table, best, width)


def _along(table: DistanceBlocks, slope: float, width: int) -> _Line:
    """Sum blocks along a line; `width` hops to either side of its middle."""
    seconds = _middles(table)
    middle = (seconds.min() + seconds.max()) / 2
    # A sound that gets earlier lies at smaller shifts: see `timebase.offset_ms_of_shift`.
    moves = np.rint(-slope * (seconds - middle) * HOPS_PER_SECOND).astype(int)
    reach = table.sums.shape[1] // 2
    width = min(width, reach - int(np.abs(moves).max()))
    columns = reach + moves[:, None] + np.arange(-width, width + 1)
    sums = np.take_along_axis(table.sums, columns, axis=1)
    counts = np.take_along_axis(table.counts, columns, axis=1)
    curve = mean_curve(sums.sum(axis=0), counts.sum(axis=0))
    best = int(np.nanargmin(curve)) if np.isfinite(curve).any() else 0
    return _Line(slope, curve, sums[:, best], counts[:, best])


def _minimum(curve: Curve) -> float:
    return float(np.nanmin(curve)) if np.isfinite(curve).any() else np.inf


def _depth(curve: Curve) -> float:
    """How far below its median a curve goes."""
    if not np.isfinite(curve).any():
        return 0.0
    return float(np.nanmedian(curve) - np.nanmin(curve))


def _gain(constant: _Line, line: _Line) -> float:
    """By how many standard errors the line's distances are below the constant's."""
    both = (constant.counts > 0) & (line.counts > 0)
    if both.sum() < 3:
        return 0.0
    gains = constant.sums[both] / constant.counts[both] - line.sums[both] / line.counts[both]
    return float(gains.mean() / (gains.std(ddof=1) / np.sqrt(len(gains)) + 1e-9))
