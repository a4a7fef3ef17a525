"""Whether a copy is what it was meant to be, by the time stamps of all its packets.

A packet of the copy lies where that of the source does, moved by what its stream is delayed by, and
by as much as the file as a whole: the picture says how much that is.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.media.container import Inventory, take_inventory
from avsync.media.stamps import Stamps, list_stamps
from avsync.media.streams import Stream

NEAR_SECONDS = 0.001  # that a stream may be off, besides a tick of the container
FINE_SECONDS = 0.002  # longer ticks, as of AVI's whole frames, are no excuse
KNOWN_SHARE = 0.02  # of packets that must say when they are shown, or that is not asked
# MPEG stamps pieces of a stream, not packets: some of these are read as one late.
ODD_SHARE = 0.1
ODD_PACKETS = 1.5
WORDS = {"Video": "picture", "Audio": "sound"}


@dataclass(frozen=True, slots=True)
class Original:
    """A file before it is copied, and the stamps of its streams by their indices.

    Attributes
    ----------
    inventory : Inventory
        What is in it.
    stamps : Mapping[int, Stamps]
        Of its packets.
    was_mended : bool
        The stamps are those that ffmpeg gives where it copies.
    """

    inventory: Inventory
    stamps: Mapping[int, Stamps]
    was_mended: bool

    @classmethod
    def of(cls, inventory: Inventory, *, mended: bool = False) -> "Original":
        """With all stamps as they are, or as ffmpeg mends them."""
        kinds = (*WORDS, "Subtitle", "Data")
        timed = [s.index for s in inventory.streams if s.kind in kinds and not s.is_cover]
        return cls(inventory, list_stamps(inventory.path, timed, mended=mended), mended)

    @property
    def pictures(self) -> list[int]:
        """Indices of moving pictures."""
        return [s.index for s in self._heard_and_seen if s.kind == "Video"]

    @property
    def leaps(self) -> bool:
        """Whether there is a place where stamps leap."""
        return any(self.stamps[stream.index].leaps for stream in self._heard_and_seen)

    @property
    def is_broken(self) -> bool:
        """Whether stamps go back."""
        return any(self.stamps[stream.index].is_broken for stream in self._heard_and_seen)

    @property
    def _heard_and_seen(self) -> list[Stream]:
        return [s for s in self.inventory.streams if s.kind in WORDS and s.index in self.stamps]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a copy differs from what it should be.

    Attributes
    ----------
    doubts : tuple of str
        What delaying streams does not put right.
    seconds_off : Mapping[int, float]
        By which streams are late, by their index in the source.
    indices : Mapping[int, int]
        Of streams in the copy, by those in the source.
    whole_seconds : float
        By which the copy as a whole is later.
    """

    doubts: tuple[str, ...]
    seconds_off: Mapping[int, float]
    indices: Mapping[int, int]
    whole_seconds: float

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the copy is not right; empty: it is."""
        return (*self.doubts, *(_off(*item) for item in self.seconds_off.items()))


def compare(
    original: Original,
    copy: Path,
    streams: Sequence[int],
    delays: Mapping[int, float],
    encoded: Collection[int] = (),
) -> Difference:
    """What is wrong with a copy of some streams, written in order, with some delays in seconds.

    Streams that were encoded again have other packets: they are only looked for.
    """
    kept = [s for s in original.inventory.streams if s.index in {*streams} & {*original.stamps}]
    indices = _matched(kept, take_inventory(copy))
    listed = list_stamps(copy, list(indices.values()))
    doubts: list[str] = []
    late: dict[int, float] = {}
    for stream in kept:
        index, after = stream.index, listed.get(indices.get(stream.index, -1))
        what = f"its {WORDS.get(stream.kind, 'stream')} (stream {index}, {stream.codec})"
        if after is None:
            lost = f"{what} is not known again in {copy.suffix}: name another container"
            doubts += [lost] if stream.kind in WORDS else []
        elif index not in encoded:
            moved = _moved(original.stamps[index], after)
            if not isinstance(moved, str):
                late[index] = moved - delays.get(index, 0.0)
            elif stream.kind in WORDS:
                doubts.append(f"{what} {moved}")
    whole = next((late[s.index] for s in kept if s.kind == "Video" and s.index in late), None)
    if whole is None:
        whole = next(iter(late.values()), 0.0)
    off = {index: seconds - whole for index, seconds in late.items()}
    near = {index: NEAR_SECONDS + listed[indices[index]].tick_seconds for index in off}
    off = {index: seconds for index, seconds in off.items() if abs(seconds) > near[index]}
    return Difference(tuple(doubts), off, indices, whole)


def _matched(kept: Iterable[Stream], copy: Inventory) -> dict[int, int]:
    """Which stream of a copy is which: in order, as the container numbers them, by codec or kind.

    A codec may have another name there (MP2 in MP4 is called MP3).
    """
    rest = sorted(copy.streams, key=lambda stream: (stream.number, stream.index))
    found: dict[int, int] = {}
    for stream in kept:
        alike = [s for s in rest if s.kind == stream.kind and s.codec != "none" and not s.is_cover]
        same = [s for s in alike if s.codec == stream.codec]
        for match in (same or alike)[:1]:
            found[stream.index] = match.index
            rest.remove(match)
    return found


def _moved(before: Stamps, after: Stamps) -> float | str:
    """By how many seconds all packets of a stream were moved, or what is wrong with them."""
    moves = _moves(before, after)
    if moves is None:
        return f"has {len(after.sizes)} packets instead of {len(before.sizes)}"
    middle = float(np.median(moves))
    out = np.abs(moves - middle)
    odd = out > NEAR_SECONDS + min(before.tick_seconds, FINE_SECONDS) + after.tick_seconds
    most = NEAR_SECONDS + ODD_PACKETS * max(after.step_seconds, before.step_seconds)
    if odd.mean() > ODD_SHARE or out.max() > most:
        return f"is not moved as a whole, but by up to {1000 * out.max():.0f} ms more or less"
    return middle


def _moves(before: Stamps, after: Stamps) -> NDArray[np.float64] | None:
    """By how many seconds each packet was moved, as far as is known; None: they are others."""
    if len(before.sizes) == len(after.sizes):
        moves = after.shown - before.shown
        if np.isfinite(moves).mean() < KNOWN_SHARE:
            moves = after.decoded - before.decoded
    elif before.sizes.sum() == after.sizes.sum():
        # Uncompressed sound is cut up anew; its bytes are the same.
        starts, places = (np.cumsum(stamps.sizes) - stamps.sizes for stamps in (before, after))
        moves = after.shown - np.interp(places, starts, before.shown, right=np.nan)
    else:
        return None
    known: NDArray[np.float64] = moves[np.isfinite(moves)]
    return known if len(known) else None


def _off(index: int, seconds: float) -> str:
    which = "late" if seconds > 0 else "early"
    return f"stream {index} is {abs(1000 * seconds):.0f} ms too {which}"
