"""Stage 5b: sound that runs away from the picture, found as a line through stretches (numpy only).

The offset at picture time t is taken to be offset + slope * t. A slope is tried by moving each
stretch's curve of distances along that line before they are summed. Films that were sped up or
slowed down between 24, 23.976 and 25 fps run away by 40 ms a second, too fast for that: the sound
is stretched first, and the line is looked for in what is left.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsync.judge import Seen
from avsync.offset import STRETCH_FRAMES, Curve, choose_speakers, compare, mean_curve, vertex
from avsync.timebase import FRAMES_PER_SECOND, STEPS_PER_SECOND, WINDOW_STEPS

FINE_SLOPE = 2e-3  # seconds per second, to either side: clocks that run off, 1000/1001
FILM_RATIOS = (24 / 25, 25 / 24, 24 / 25 / 1.001, 25 / 24 * 1.001)  # sound's speed / picture's
GRID_SECONDS = 0.02  # what neighbouring slopes differ by at the ends of a file
MIN_SECONDS = 8.0  # of compared picture; a line through less is no evidence
MIN_RUNAWAY_SECONDS = 0.04  # over what was compared; less is no drift worth a new encoding
MIN_GAIN = 4.0  # standard errors by which the line must fit better than any constant
MIN_DEEPER = 1.1  # times as deep a minimum


@dataclass(frozen=True, slots=True)
class _Table:
    """Distances of all stretches of all tracks, under one stretching of the sound."""

    stretch: float
    sums: NDArray[np.float32]  # (K, 2 * reach + 1)
    counts: NDArray[np.float32]  # (K, 2 * reach + 1)
    seconds: NDArray[np.float64]  # (K,) middle of each stretch
    chosen: NDArray[np.bool_]  # (K,) whether its face is the speaker's


@dataclass(frozen=True, slots=True)
class _Line:
    """The best line in a table."""

    slope: float  # seconds of offset per second, on top of the table's stretching
    curve: Curve
    sums: NDArray[np.float32]  # (K,) at the best offset
    counts: NDArray[np.float32]


def find_stretch(seen: Seen, max_offset_seconds: float) -> float:
    """How many times as long the sound must become to follow the picture; 1.0: no drift.

    A line must fit clearly better than the best constant offset, over enough seconds.
    """
    plain = _table(seen, 1.0, max_offset_seconds, FINE_SLOPE)
    if plain is None or plain.counts.max(axis=1, initial=0).sum() < MIN_SECONDS * FRAMES_PER_SECOND:
        return 1.0
    width = round(max_offset_seconds * STEPS_PER_SECOND)
    constant = _along(plain, 0.0, width)
    tables = [plain]
    if film := _best_film_table(seen, max_offset_seconds):
        tables.append(film)
    lines = [(table, _best_line(table, width)) for table in tables]
    table, line = max(lines, key=lambda pair: _depth(pair[1].curve))
    stretch = table.stretch / (1 - line.slope)
    span = float(np.ptp(plain.seconds[table.chosen])) if table.chosen.any() else 0.0
    if abs(1 - 1 / stretch) * span < MIN_RUNAWAY_SECONDS:
        return 1.0
    deeper = _depth(line.curve) >= MIN_DEEPER * _depth(constant.curve)
    return stretch if deeper and _gain(constant, line, table.chosen) >= MIN_GAIN else 1.0


def stretched(seen: Seen, stretch: float) -> Seen:
    """What would be seen and heard if the sound were `stretch` times as long."""
    if stretch == 1.0:
        return seen
    half = WINDOW_STEPS / 2  # an embedding stands for the middle of its window
    count = round(len(seen.audio) * stretch)
    source = np.rint((np.arange(count) + half) / stretch - half).astype(int)
    source = np.clip(source, 0, max(0, len(seen.audio) - 1))
    steps = np.rint(np.arange(round(len(seen.sounding) * stretch)) / stretch).astype(int)
    steps = np.clip(steps, 0, max(0, len(seen.sounding) - 1))
    return replace(seen, audio=seen.audio[source], sounding=seen.sounding[steps])


def _table(seen: Seen, stretch: float, max_offset: float, fine_slope: float) -> _Table | None:
    """Distances over a range wide enough for lines of up to `fine_slope`; None without faces."""
    reach = max_offset + fine_slope * seen.frame_count / FRAMES_PER_SECOND / 2
    audio = stretched(seen, stretch).audio
    tracks = [
        compare(track.video, audio, track.first_frame, round(reach * STEPS_PER_SECOND))
        for track in seen.tracks
        if len(track.video)
    ]
    if not tracks:
        return None
    chosen = choose_speakers(tracks)
    starts = [t.first_frame + STRETCH_FRAMES * (np.arange(len(t.sums)) + 0.5) for t in tracks]
    return _Table(
        stretch,
        np.concatenate([t.sums for t in tracks]),
        np.concatenate([t.counts for t in tracks]),
        np.concatenate(starts) / FRAMES_PER_SECOND,
        np.concatenate(chosen),
    )


def _best_film_table(seen: Seen, max_offset: float) -> _Table | None:
    """The table, wide enough for lines, of the film ratio under which both fit best."""
    depths = {}
    for ratio in FILM_RATIOS:
        if table := _table(seen, ratio, max_offset, 0.0):
            depths[ratio] = _depth(_along(table, 0.0, table.sums.shape[1] // 2).curve)
    if not depths:
        return None
    return _table(seen, max(depths, key=lambda ratio: depths[ratio]), max_offset, FINE_SLOPE)


def _best_line(table: _Table, width: int) -> _Line:
    """Try slopes on a grid, then between its points."""
    half_span = max(1.0, float(np.ptp(table.seconds)) / 2)
    step = min(GRID_SECONDS / half_span, FINE_SLOPE / 2)
    slopes = step * np.arange(-round(FINE_SLOPE / step), round(FINE_SLOPE / step) + 1)
    minima = np.array([_minimum(_along(table, float(b), width).curve) for b in slopes])
    best = float(np.interp(vertex(minima), np.arange(len(slopes)), slopes))
    return _along(table, best, width)


def _along(table: _Table, slope: float, width: int) -> _Line:
    """Sum the chosen stretches along a line; `width` steps to either side of its middle."""
    middle = (table.seconds.min() + table.seconds.max()) / 2
    # A sound that gets earlier lies at smaller shifts: see `timebase.offset_ms_of_shift`.
    moves = np.rint(-slope * (table.seconds - middle) * STEPS_PER_SECOND).astype(int)
    reach = table.sums.shape[1] // 2
    width = min(width, reach - int(np.abs(moves).max()))
    columns = reach + moves[:, None] + np.arange(-width, width + 1)
    sums = np.take_along_axis(table.sums, columns, axis=1)
    counts = np.take_along_axis(table.counts, columns, axis=1)
    curve = mean_curve(sums[table.chosen].sum(axis=0), counts[table.chosen].sum(axis=0))
    best = int(np.nanargmin(curve)) if np.isfinite(curve).any() else 0
    return _Line(slope, curve, sums[:, best], counts[:, best])


def _minimum(curve: Curve) -> float:
    return float(np.nanmin(curve)) if np.isfinite(curve).any() else np.inf


def _depth(curve: Curve) -> float:
    """How far below its median a curve goes."""
    if not np.isfinite(curve).any():
        return 0.0
    return float(np.nanmedian(curve) - np.nanmin(curve))


def _gain(constant: _Line, line: _Line, chosen: NDArray[np.bool_]) -> float:
    """By how many standard errors the line's distances are below the constant's."""
    both = chosen & (constant.counts > 0) & (line.counts > 0)
    if both.sum() < 3:
        return 0.0
    gains = constant.sums[both] / constant.counts[both] - line.sums[both] / line.counts[both]
    return float(gains.mean() / (gains.std(ddof=1) / np.sqrt(len(gains)) + 1e-9))
