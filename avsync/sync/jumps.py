"""Stage 5e: where the offset jumps, because an edit moved the sound (numpy only).

Jumps are found by the path through blocks and offsets that gains most, where each jump has a
price; every part between them must then stand on evidence of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avsync.sync.active_speaker import ActiveSpeaker
from avsync.sync.blocks import DistanceBlocks, gains
from avsync.sync.offset import Offset, find_offset
from avsync.timebase import FRAMES_PER_SECOND

JUMP_PRICE = 16.0  # what a jump must gain, in units of the noise of one block
MIN_PART_SECONDS = 4.0  # of compared picture; less cannot stand on its own
MIN_JUMP_MS = 60.0  # neighbouring parts that differ by less are one
MIN_GAIN = 4.0  # standard errors by which a part must fit its own offset better than the next


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks with one offset of their own.

    Attributes
    ----------
    rows : slice
        Of the table.
    offset : Offset
        Of these blocks alone.
    """

    rows: slice
    offset: Offset


def find_parts(active: ActiveSpeaker, is_sure: Callable[[Offset], bool]) -> list[Part]:
    """The parts of a file between the jumps of its offset; none: no jump.

    Parts that are not sure on their own do not count; their time goes to their neighbours.

    Parameters
    ----------
    active : ActiveSpeaker
        Blocks of all faces.
    is_sure : callable
        Whether a part can stand on its own.

    References
    ----------
    Viterbi: Error bounds for convolutional codes and an asymptotically optimum decoding algorithm,
    1967: the path is found so.
    """
    table = active.blocks
    runs = [_part(table, rows) for rows in _path(_gains(active))]
    parts = [p for p in runs if p and _seconds(table, p.rows) >= MIN_PART_SECONDS]
    parts = [p for p in parts if not p.offset.at_edge and is_sure(p.offset)]
    distinct: list[Part] = []
    for part in parts:
        if distinct and abs(part.offset.offset_ms - distinct[-1].offset.offset_ms) < MIN_JUMP_MS:
            joined = _part(table, slice(distinct.pop().rows.start, part.rows.stop))
            assert joined
            part = joined
        distinct.append(part)
    if len(distinct) < 2:
        return []
    parts = _divided(active, distinct)
    gained = _gains(active)
    proven = all(_prefers(gained, a, b) and _prefers(gained, b, a) for a, b in pairwise(parts))
    return parts if proven else []


def gain_of(active: ActiveSpeaker, parts: Sequence[Part]) -> float:
    """What parts gain over no offset at all, less the price of the jumps between them.

    Returns
    -------
    float
        In units of the noise of one block.
    """
    gained = _gains(active)
    total = sum(float(gained[part.rows, part.offset.best].sum()) for part in parts)
    return total - JUMP_PRICE * (len(parts) - 1)


def _part(table: DistanceBlocks, rows: slice) -> Part | None:
    offset = find_offset(table.part(rows))
    return None if offset is None else Part(rows, offset)


def _seconds(table: DistanceBlocks, rows: slice) -> float:
    return float(table.windows[rows].sum()) / FRAMES_PER_SECOND


def _gains(active: ActiveSpeaker) -> NDArray[np.float32]:
    """(K, shifts) by how much each offset fits each block, in units of the noise."""
    table = active.blocks
    gained = gains(active.level, table.sums, table.counts)
    judged = table.counts > 0
    noise = 1.4826 * float(np.median(np.abs(gained[judged]))) if judged.any() else 1.0
    return np.asarray(gained / (noise + 1e-9), np.float32)


def _path(gains: NDArray[np.float32]) -> list[slice]:
    """Runs of one shift on the path that gains most; each jump costs its price (Viterbi)."""
    total = np.zeros(gains.shape[1], np.float32)
    came_from = np.zeros(gains.shape, np.int32)
    stay = np.arange(gains.shape[1])
    for row, gain in enumerate(gains):
        leader = int(np.argmax(total))
        comes = total[leader] - JUMP_PRICE > total
        came_from[row] = np.where(comes, leader, stay)
        total = np.where(comes, total[leader] - JUMP_PRICE, total) + gain
    shift = int(np.argmax(total))
    borders = [len(gains)]
    for row in range(len(gains) - 1, 0, -1):
        if came_from[row, shift] != shift:
            borders.append(row)
            shift = int(came_from[row, shift])
    borders = [0, *reversed(borders)]
    return [slice(first, last) for first, last in pairwise(borders)]


def _divided(active: ActiveSpeaker, parts: Sequence[Part]) -> list[Part]:
    """The parts again, with borders where one offset fits until then and the next from then on."""
    gained = _gains(active)
    borders = [0]
    for before, after in pairwise(parts):
        rows = slice(before.rows.start, after.rows.stop)
        better = gained[rows, before.offset.best] - gained[rows, after.offset.best]
        borders.append(rows.start + int(np.argmax(np.cumsum(better))) + 1)
    borders.append(len(gained))
    found = [_part(active.blocks, slice(*border)) for border in pairwise(borders)]
    return [part for part in found if part]


def _prefers(gains: NDArray[np.float32], own: Part, other: Part) -> bool:
    """Whether a part fits its own offset clearly better than its neighbour's."""
    gained = gains[own.rows, own.offset.best] - gains[own.rows, other.offset.best]
    if len(gained) < 3:
        return False
    return bool(gained.mean() >= MIN_GAIN * gained.std(ddof=1) / np.sqrt(len(gained)))
