"""Stage 5c: how the offset runs through a file: constant, a line, or steps (numpy only).

Steps (an edit moved the sound) are found by the path through stretches and offsets that gains most,
where each jump has a price; every part must then stand on evidence of its own. A line (drift) is
found by moving each stretch's distances along it before they are added up. Films that were sped up
or slowed down between 24, 23.976 and 25 fps run away by 40 ms a second, too fast for that: the
sound is stretched first, and the line is looked for in what is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avsync.offset import Curve, Offset, Stretches, find_offset, mean_curve, vertex
from avsync.speakers import Seen, Talk, listen, stretched
from avsync.timebase import FRAMES_PER_SECOND, STEPS_PER_FRAME, STEPS_PER_SECOND

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
JUMP_PRICE = 16.0  # what a step must gain, in units of the noise of one stretch
MIN_PART_SECONDS = 4.0  # of compared picture; less cannot stand on its own
MIN_STEP_MS = 60.0  # neighbouring parts that differ by less are one


@dataclass(frozen=True, slots=True)
class Part:
    """Stretches with one offset of their own."""

    rows: slice  # of the table
    offset: Offset


@dataclass(frozen=True, slots=True)
class _Line:
    """The sum of stretches along a line."""

    slope: float  # seconds of offset per second, on top of the table's stretching
    curve: Curve
    sums: NDArray[np.float32]  # (K,) at the best offset
    counts: NDArray[np.float32]


def find_parts(talk: Talk, is_sure: Callable[[Offset], bool]) -> list[Part]:
    """The parts of a file between the steps of its offset; none: no step.

    Parts that are not sure on their own do not count; their time goes to their neighbours.
    """
    table = talk.stretches
    runs = [_part(table, rows) for rows in _path(_gains(talk))]
    parts = [p for p in runs if p and _seconds(table, p.rows) >= MIN_PART_SECONDS]
    parts = [p for p in parts if not p.offset.at_edge and is_sure(p.offset)]
    distinct: list[Part] = []
    for part in parts:
        if distinct and abs(part.offset.offset_ms - distinct[-1].offset.offset_ms) < MIN_STEP_MS:
            joined = _part(table, slice(distinct.pop().rows.start, part.rows.stop))
            assert joined
            part = joined
        distinct.append(part)
    if len(distinct) < 2:
        return []
    parts = _divided(talk, distinct)
    gains = _gains(talk)
    proven = all(_prefers(gains, a, b) and _prefers(gains, b, a) for a, b in pairwise(parts))
    return parts if proven else []


def gain_of(talk: Talk, parts: Sequence[Part]) -> float:
    """What parts gain over no offset at all, less the price of the steps between them."""
    gains = _gains(talk)
    total = sum(float(gains[part.rows, part.offset.best].sum()) for part in parts)
    return total - JUMP_PRICE * (len(parts) - 1)


def _part(table: Stretches, rows: slice) -> Part | None:
    offset = find_offset(table.part(rows))
    return None if offset is None else Part(rows, offset)


def _seconds(table: Stretches, rows: slice) -> float:
    return float(table.windows[rows].sum()) / FRAMES_PER_SECOND


def _gains(talk: Talk) -> NDArray[np.float32]:
    """(K, shifts) by how much each offset fits each stretch, in units of the noise."""
    table = talk.stretches
    gains = talk.level * table.counts - table.sums
    judged = table.counts > 0
    noise = 1.4826 * float(np.median(np.abs(gains[judged]))) if judged.any() else 1.0
    return np.asarray(gains / (noise + 1e-9), np.float32)


def _path(gains: NDArray[np.float32]) -> list[slice]:
    """Runs of one shift on the path that gains most; each jump costs its price (Viterbi)."""
    total = np.zeros(gains.shape[1], np.float32)
    came_from = np.zeros(gains.shape, np.int32)
    stay = np.arange(gains.shape[1])
    for row, gain in enumerate(gains):
        leader = int(np.argmax(total))
        jumps = total[leader] - JUMP_PRICE > total
        came_from[row] = np.where(jumps, leader, stay)
        total = np.where(jumps, total[leader] - JUMP_PRICE, total) + gain
    shift = int(np.argmax(total))
    borders = [len(gains)]
    for row in range(len(gains) - 1, 0, -1):
        if came_from[row, shift] != shift:
            borders.append(row)
            shift = int(came_from[row, shift])
    borders = [0, *reversed(borders)]
    return [slice(first, last) for first, last in pairwise(borders)]


def _divided(talk: Talk, parts: Sequence[Part]) -> list[Part]:
    """The parts again, with borders where one offset fits until then and the next from then on."""
    gains = _gains(talk)
    borders = [0]
    for before, after in pairwise(parts):
        rows = slice(before.rows.start, after.rows.stop)
        better = gains[rows, before.offset.best] - gains[rows, after.offset.best]
        borders.append(rows.start + int(np.argmax(np.cumsum(better))) + 1)
    borders.append(len(gains))
    found = [_part(talk.stretches, slice(*border)) for border in pairwise(borders)]
    return [part for part in found if part]


def _prefers(gains: NDArray[np.float32], own: Part, other: Part) -> bool:
    """Whether a part fits its own offset clearly better than its neighbour's."""
    gained = gains[own.rows, own.offset.best] - gains[own.rows, other.offset.best]
    if len(gained) < 3:
        return False
    return bool(gained.mean() >= MIN_GAIN * gained.std(ddof=1) / np.sqrt(len(gained)))


def find_stretch(looks: Sequence[Seen], max_offset_seconds: float) -> float:
    """How many times as long the sound must become to follow the picture; 1.0: no drift.

    A line must fit clearly better than the best constant offset, over enough seconds.
    """
    plain = _wide(looks, 1.0, max_offset_seconds, FINE_SLOPE)
    if plain is None or plain.windows.sum() < MIN_SECONDS * FRAMES_PER_SECOND:
        return 1.0
    width = round(max_offset_seconds * STEPS_PER_SECOND)
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
    """The pair of frame rates that explains a stretch, within 100 ppm; None: a clock ran off."""
    for words, ratio in FILM_RATIOS.items():
        if abs(stretch / ratio - 1) < 1e-4:
            return words
    return None


def _wide(
    looks: Sequence[Seen], stretch: float, max_offset: float, fine_slope: float
) -> Stretches | None:
    """A table wide enough for lines of up to `fine_slope`; None without faces."""
    first = min(seen.first_frame for seen in looks)
    last = max(seen.first_frame + len(seen.audio) // STEPS_PER_FRAME for seen in looks)
    seconds = (last - first) / FRAMES_PER_SECOND
    reach = round((max_offset + fine_slope * seconds / 2) * STEPS_PER_SECOND)
    talk = listen([stretched(seen, stretch) for seen in looks], reach)
    return talk.stretches if talk else None


def _best_film_ratio(looks: Sequence[Seen], max_offset: float) -> float:
    """The film ratio under which a constant offset fits best."""

    def depth(ratio: float) -> float:
        table = _wide(looks, ratio, max_offset, 0.0)
        return _depth(table.curve) if table else 0.0

    return max(FILM_STRETCHES, key=depth)


def _middles(table: Stretches) -> NDArray[np.float64]:
    """(K,) seconds of the middle of each stretch."""
    return (table.numbers + 0.5) * table.frames_each / FRAMES_PER_SECOND


def _best_line(table: Stretches, width: int) -> _Line:
    """Try slopes on a grid, then between its points."""
    half_span = max(1.0, float(np.ptp(_middles(table))) / 2)
    step = min(GRID_SECONDS / half_span, FINE_SLOPE / 2)
    slopes = step * np.arange(-round(FINE_SLOPE / step), round(FINE_SLOPE / step) + 1)
    minima = np.array([_minimum(_along(table, float(b), width).curve) for b in slopes])
    best = float(np.interp(vertex(minima), np.arange(len(slopes)), slopes))
    return _along(table, best, width)


def _along(table: Stretches, slope: float, width: int) -> _Line:
    """Sum stretches along a line; `width` steps to either side of its middle."""
    seconds = _middles(table)
    middle = (seconds.min() + seconds.max()) / 2
    # A sound that gets earlier lies at smaller shifts: see `timebase.offset_ms_of_shift`.
    moves = np.rint(-slope * (seconds - middle) * STEPS_PER_SECOND).astype(int)
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
