"""Geometry of what is drawn: axes, paths and the heat map, in percent of a chart (numpy only).

Pictures are stretched to the width of the page, their labels are not: so paths are SVG without
text, and labels are placed beside them by percentages.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.pipeline.details import OffsetMap
from avsync.pipeline.taps import HeardSound
from avsync.timebase import HOPS_PER_SECOND

if TYPE_CHECKING:
    from avsync.pages.axis import Piece, TimeAxis

MOST_COLUMNS, MOST_BINS = 900, 800
HEAT_COLOUR = (222, 128, 56)  # BGR: is seen on white and on near-black
BRIGHT_QUANTILE = 0.995  # of the gains: full colour from there on
NICE_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 18_000, 86_400)


@dataclass(frozen=True, slots=True)
class Tick:
    """A label beside a chart."""

    percent: float
    label: str


def percent(value: float, first: float, last: float) -> float:
    """Where a value lies between two, rounded as far as pixels tell."""
    return round(100 * (value - first) / ((last - first) or 1.0), 3)


def time_ticks(seconds: float, most: int = 7) -> list[Tick]:
    """Moments from 0 on, with at most so many steps between them.

    >>> [tick.label for tick in time_ticks(65, 4)]
    ['0:00', '0:30', '1:00']
    """
    step = next((step for step in NICE_STEPS if seconds / step <= most), NICE_STEPS[-1])
    moments = np.arange(0, seconds + 1e-9, step)
    return [Tick(percent(float(t), 0, seconds), clock(float(t))) for t in moments]


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> clock(75.2), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{second:02}" if hours else f"{minutes}:{second:02}"


def offset_ticks(reach_ms: float, most: int = 5) -> list[Tick]:
    """Offsets from the latest to the earliest, zero among them."""
    steps = [k * 10**power for power in range(1, 7) for k in (1, 2, 5)]
    step = next(step for step in steps if 2 * reach_ms / step <= most)
    count = int(reach_ms // step)
    marks = [float(k * step) for k in range(-count, count + 1)]
    return [Tick(percent(ms, -reach_ms, reach_ms), signed(ms)) for ms in marks]


def signed(ms: float) -> str:
    """With a sign that is a letter of its own: a hyphen is too short."""
    rounded = round(ms)
    sign = "\N{MINUS SIGN}" if rounded < 0 else "+" if rounded > 0 else ""
    return f"{sign}{abs(rounded)}"


def polyline(x: Sequence[float], y: Sequence[float]) -> str:
    """An SVG path through points in percent, broken where y is NaN."""
    words, pen_down = [], False
    for a, b in zip(x, y, strict=True):
        if np.isfinite(b):
            words.append(f"{'L' if pen_down else 'M'}{a:.2f} {b:.2f}")
        pen_down = bool(np.isfinite(b))
    return "".join(words)


def area(x: Sequence[float], top: Sequence[float], bottom: Sequence[float]) -> str:
    """An SVG path around what lies between two lines, in percent."""
    there = [f"{a:.2f} {b:.2f}" for a, b in zip(x, top, strict=True)]
    back = [f"{a:.2f} {b:.2f}" for a, b in zip(x, bottom, strict=True)][::-1]
    return f"M{'L'.join(there + back)}Z" if there else ""


def waveform(sounds: Sequence[HeardSound], axis: "TimeAxis") -> str:
    """The loudness of all looks as one SVG path around the middle."""
    loudest = max((float(s.peaks.max(initial=0)) for s in sounds), default=0.0) or 1.0
    paths = []
    for sound in sounds:
        values = np.sqrt(np.maximum(sound.peaks, 0) / loudest)
        for x, height in _binned(values, sound.start_seconds, 1 / HOPS_PER_SECOND, axis):
            paths.append(area(x, [50 - 48 * v for v in height], [50 + 48 * v for v in height]))
    return "".join(paths)


def movement(values: NDArray[np.float32], start: float, each: float, axis: "TimeAxis") -> str:
    """Lip movement, 0..1, as an SVG path over the bottom."""
    paths = (
        area(x, [100 - 88 * min(1.0, v) for v in height], [100.0] * len(height))
        for x, height in _binned(values, start, each, axis)
    )
    return "".join(paths)


def runs(flags: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of each run of what is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def spans_heard(sound: HeardSound, gap_seconds: float = 0.2) -> Iterator[tuple[float, float]]:
    """(from, to) in seconds of what is heard, across short pauses."""
    flags = sound.sounding.copy()
    for first, last in list(runs(~flags)):
        if last - first <= gap_seconds * HOPS_PER_SECOND:
            flags[first:last] = True
    for first, last in runs(flags):
        yield (
            sound.start_seconds + first / HOPS_PER_SECOND,
            sound.start_seconds + last / HOPS_PER_SECOND,
        )


def heat_map(offset_map: OffsetMap, piece: "Piece", reach_ms: float) -> str:
    """Gains as a PNG in a data address: time to the right, early sound above; empty: none."""
    shown = np.abs(offset_map.offsets_ms) <= reach_ms + 1e-6
    gains = _in_columns(offset_map, piece)[:, shown]
    finite = gains[np.isfinite(gains)]
    if not len(finite):
        return ""
    bright = max(1e-6, float(np.quantile(finite, BRIGHT_QUANTILE)))
    alpha = np.clip(np.nan_to_num(gains) / bright, 0, 1) ** 0.8
    picture = np.zeros((*alpha.T.shape, 4), np.uint8)
    picture[..., :3] = HEAT_COLOUR
    picture[..., 3] = np.rint(255 * alpha.T[::-1])
    done, data = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return data_address("image/png", data.tobytes()) if done else ""


def data_address(kind: str, data: bytes) -> str:
    """Bytes as they are written into a page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _in_columns(offset_map: OffsetMap, piece: "Piece") -> NDArray[np.float32]:
    """(columns, S) gains on even columns of time, the best of the blocks in each; NaN: none."""
    each = offset_map.seconds_each
    first = round(piece.start_seconds / each)
    blocks = max(1, round((piece.end_seconds - piece.start_seconds) / each))
    columns = min(blocks, MOST_COLUMNS)
    numbers = np.rint(offset_map.start_seconds / each).astype(int) - first
    inside = (numbers >= 0) & (numbers < blocks)
    table = np.full((columns, offset_map.gains.shape[1]), -np.inf, np.float32)
    known = np.nan_to_num(offset_map.smoothed()[inside], nan=-np.inf)
    np.maximum.at(table, numbers[inside] * columns // blocks, known)
    return np.where(np.isfinite(table), table, np.nan)


def _binned(
    values: NDArray[np.floating], start: float, each: float, axis: "TimeAxis"
) -> Iterator[tuple[list[float], list[float]]]:
    """x in percent and the largest value of each bin, for each piece in which there are any."""
    for piece in axis.pieces:
        first = max(0, round((piece.start_seconds - start) / each))
        part = values[first : max(0, round((piece.end_seconds - start) / each))]
        if not len(part):
            continue
        seconds = piece.end_seconds - piece.start_seconds
        room = MOST_BINS * piece.width / 100 * len(part) * each / max(seconds, 1e-6)
        bins = max(1, min(len(part), round(room)))
        bounds = np.arange(bins) * len(part) // bins
        height = np.maximum.reduceat(part, bounds)
        x = [piece.x(float(t)) for t in start + (first + bounds + 0.5) * each]
        yield x, [round(float(v), 3) for v in height]
