"""Time stamps become film time, also where they go back, leap or run wild.

A file that was joined of several has several epochs: in each, stamps run on evenly, and picture and
sound are as far apart as their stamps say; from one to the next they go back. Hours in which no
stream has anything are no film: they part epochs, too. Film time puts all epochs one after the
other, beginning with 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

BACK_SECONDS = 0.1  # packets that are decoded in their order go back by less
LEAP_SECONDS = 10.0  # without anything, in any stream, are no pause of the film
LAST_SECONDS = 1.0  # of a packet that is said to last longer
WILD_PACKETS = 25  # at most so many leave the others and come back
END_SECONDS = 2.0  # stamps that go back so near to the end of an epoch begin another
APART_PACKETS = 500  # of other streams lie at most between the places where streams go back
TOLERANCE_SECONDS = 0.5  # frames may be stamped so far outside the packets they came from


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """When the packets of a stream are decoded and shown, in the order of the file."""

    index: int  # of the stream in the container
    places: NDArray[np.int64]  # of each packet among all packets of the file
    decoded: NDArray[np.float64]  # seconds
    shown: NDArray[np.float64]  # seconds
    lasting: NDArray[np.float64]  # seconds; 0 where the container does not say

    @property
    def end_seconds(self) -> float:
        """When the last packet has been shown."""
        return float((self.shown + np.minimum(self.lasting, LAST_SECONDS)).max())


BEHIND = "put right behind what comes before"
Range = tuple[float, float]  # first and last stamp, seconds
EVERYTHING: Range = (-np.inf, np.inf)
NOTHING: Range = (np.inf, -np.inf)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A part of a file in which stamps run on evenly."""

    shift: float  # to be added to a stamp: film time, in seconds
    ranges: dict[int, Range] | None = None  # of each stream with packets in it; None: of the file

    def range(self, index: int) -> Range:
        """The stamps of a stream."""
        return EVERYTHING if self.ranges is None else self.ranges.get(index, NOTHING)


@dataclass(frozen=True, slots=True)
class Timeline:
    """How time stamps become film time."""

    epochs: tuple[Epoch, ...]
    film_seconds: float | None = None  # None: as long as the container says
    notes: tuple[str, ...] = ()  # where stamps go back, leap or run wild, for people

    @property
    def is_regular(self) -> bool:
        """Whether stamps are film time as they are, but for where they start."""
        return not self.notes

    @property
    def start_seconds(self) -> float:
        """The stamp at film time 0."""
        return -self.epochs[0].shift


class Placer:
    """Tells film time of the frames of one stream, asked for in the order in which they come."""

    def __init__(self, timeline: Timeline, index: int, origin_seconds: float = 0.0) -> None:
        """Time counts from `origin_seconds` of film on."""
        self._epochs = timeline.epochs
        self._index, self._origin = index, origin_seconds
        self.epoch = 0  # in which the last frame was
        self._stamp: float | None = None  # of the frame before
        self._next = 0.0  # film time of the next frame, if it has no stamp to be relied on

    def place(self, stamp: float | None, lasting: float) -> float:
        """Film time of a frame by its stamp; one that is wild comes after the frame before."""
        epoch = None if stamp is None else self._epoch_of(stamp)
        film = self._next
        if epoch is not None and stamp is not None:
            self.epoch, self._stamp = epoch, stamp
            film = stamp + self._epochs[epoch].shift - self._origin
        self._next = film + lasting
        return film

    def _epoch_of(self, stamp: float) -> int | None:
        here = self.epoch if self._contains(self.epoch, stamp) else None
        if here is not None and not self._has_ended(stamp):
            return here
        later = range(self.epoch + 1, len(self._epochs))
        return next((number for number in later if self._contains(number, stamp)), here)

    def _has_ended(self, stamp: float) -> bool:
        """Whether stamps go back at the end of an epoch."""
        last = self._epochs[self.epoch].range(self._index)[1]
        before = self._stamp
        return before is not None and stamp < before - BACK_SECONDS and before > last - END_SECONDS

    def _contains(self, epoch: int, stamp: float) -> bool:
        first, last = self._epochs[epoch].range(self._index)
        return first - TOLERANCE_SECONDS <= stamp <= last + TOLERANCE_SECONDS


def is_regular(streams: Sequence[PacketTimes], leap_seconds: float = LEAP_SECONDS) -> bool:
    """Whether stamps are film time as they are: nothing goes back, leaps or runs wild.

    Stamps of a copy suffice, in which those that would go back stand still instead. `leap_seconds`
    without anything in a stream make a leap; another stream may turn out to go on in it.
    """
    for stream in streams:
        steps = np.diff(stream.decoded)
        if len(steps) and (steps.min() <= 0 or steps.max() > leap_seconds):
            return False
        if len(stream.shown) and np.abs(stream.shown - stream.decoded).max() > LEAP_SECONDS:
            return False
    return True


def build(streams: Sequence[PacketTimes], grid_index: int | None = None) -> Timeline | None:
    """The timeline of a file; None where its stamps are film time as they are.

    The first frame of stream `grid_index` lies on the grid of 25 frames a second.
    """
    notes: list[str] = []
    sane = [_without_wild(stream, notes) for stream in streams if len(stream.places)]
    pieces = list(_pieces(sane, notes)) if sane else []
    if len(pieces) <= 1 and not notes:
        return None
    epochs: list[Epoch] = []
    film = 0.0
    for number, ranges in enumerate(pieces):
        start = min(first for first, _ in ranges.values())
        if grid_index in ranges:
            start = on_frame_grid(start - film, ranges[grid_index][0]) + film
        if number:
            notes.append(_note(pieces[number - 1], start, film))
        epochs.append(Epoch(film - start, ranges))
        film += max(last for _, last in ranges.values()) - start
    return Timeline(tuple(epochs), film, tuple(notes))


def on_frame_grid(start: float, first_frame: float | None) -> float:
    """Time zero: the earliest stamp, or just before it, so that the first frame is on the grid.

    A picture at 25 fps that starts off the 40-ms grid would be put out by up to 20 ms all through.
    """
    if first_frame is None:
        return start
    grid = 40_000  # microseconds, so that nothing is lost to rounding
    return start - (round(start * 1e6) - round(first_frame * 1e6)) % grid / 1e6


def _note(before: dict[int, Range], start: float, film: float) -> str:
    leap = start - max(last for _, last in before.values())
    way = "leap ahead" if leap > 0 else "go back"
    return (
        f"time stamps {way} by {abs(leap):.1f} s after {film:.1f} s of film: "
        f"what follows was {BEHIND}"
    )


def _without_wild(stream: PacketTimes, notes: list[str]) -> PacketTimes:
    """Leave out the packets whose stamps leave the others for a moment."""
    times = stream.decoded.tolist()
    kept = np.abs(stream.shown - stream.decoded) <= LEAP_SECONDS
    last: float | None = None
    for number, time in enumerate(times):
        if not kept[number]:
            continue
        if last is not None and not _follows(time, last):
            if _comes_back(times[number : number + 1 + WILD_PACKETS], last):
                kept[number] = False
                continue
        elif last is None and _is_wild_start(times[: WILD_PACKETS + 1]):
            kept[number] = False
            continue
        last = time
    if wild := int((~kept).sum()):
        notes.append(
            f"{wild} packets of stream {stream.index} have wild time stamps: they were {BEHIND}"
        )
    return PacketTimes(
        stream.index, stream.places[kept], stream.decoded[kept],
        stream.shown[kept], stream.lasting[kept],
    )  # fmt: skip


def _comes_back(times: Sequence[float], last: float) -> bool:
    """Whether what left the stamps so far returns to them by a leap, or is the very last."""
    returns = (
        _follows(later, last) and not _follows(later, before) for before, later in pairwise(times)
    )
    return any(returns) if len(times) > 1 else times[0] > last


def _is_wild_start(times: Sequence[float]) -> bool:
    """Whether the first packet alone is far from those after it."""
    return (
        len(times) > 2
        and not _follows(times[1], times[0])
        and all(_follows(b, a) for a, b in pairwise(times[1:]))
    )


def _follows(time: float, last: float) -> bool:
    return -BACK_SECONDS <= time - last <= LEAP_SECONDS


def _pieces(streams: Sequence[PacketTimes], notes: list[str]) -> Iterator[dict[int, Range]]:
    """Ranges of stamps of each stream, epoch after epoch."""
    joints = _joints(streams)
    ends = [len(stream.places) for stream in streams]
    starts = [0] * len(streams)
    for stops in (*joints, ends):
        parts = [
            (stream.index, stream.shown[a:b], stream.lasting[a:b])
            for stream, a, b in zip(streams, starts, stops, strict=True)
            if b > a
        ]
        if parts:
            yield from _without_lost(list(_parted_by_leaps(parts)), notes)
        starts = list(stops)


def _joints(streams: Sequence[PacketTimes]) -> list[list[int]]:
    """Numbers of packets, of each stream, at which all streams go back together.

    What goes back in one stream alone is no joint: the others say that film runs on.
    """
    first, *others = streams
    joints: list[list[int]] = []
    for number in _turns(first):
        place = int(first.places[number])
        found = [number, *(_turn_near(other, place) for other in others)]
        numbers = [turn for turn in found if turn is not None]
        if len(numbers) == len(streams):
            joints.append(numbers)
    return joints


def _turn_near(stream: PacketTimes, place: int) -> int | None:
    """Where a stream goes back about there, or only begins or ends; None: it runs on."""
    turns = _turns(stream)
    distances = np.abs(stream.places[turns] - place)
    if len(turns) and distances.min() <= APART_PACKETS:
        return int(turns[int(np.argmin(distances))])
    number = int(np.searchsorted(stream.places, place))
    return number if number in (0, len(stream.places)) else None


def _turns(stream: PacketTimes) -> NDArray[np.int64]:
    """Numbers of the packets at which stamps go back."""
    return np.flatnonzero(np.diff(stream.decoded) < -BACK_SECONDS) + 1


def _parted_by_leaps(
    parts: Sequence[tuple[int, NDArray[np.float64], NDArray[np.float64]]],
) -> Iterator[dict[int, Range]]:
    """Cut an epoch where no stream has anything for long, whatever a container says of it."""
    parts = [(index, shown, np.minimum(lasting, LAST_SECONDS)) for index, shown, lasting in parts]
    starts = np.concatenate([shown for _, shown, _ in parts])
    ends = starts + np.concatenate([lasting for _, _, lasting in parts])
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    after = np.flatnonzero(starts[1:] - ends[:-1] > LEAP_SECONDS) + 1
    edges = [-np.inf, *starts[after], np.inf]
    for low, high in pairwise(edges):
        ranges = {}
        for index, shown, lasting in parts:
            inside = (shown >= low) & (shown < high)
            if inside.any():
                ranges[index] = (
                    float(shown[inside].min()), float((shown + lasting)[inside].max())
                )  # fmt: skip
        yield ranges


def _without_lost(
    pieces: Sequence[dict[int, Range]], notes: list[str]
) -> Iterator[dict[int, Range]]:
    """Leave out what a stream has alone after a leap while another ran on: its clock is lost."""
    before = pieces[0]
    yield before
    for ranges in pieces[1:]:
        ends = [before[index][1] for index in ranges if index in before]
        others = [last for index, (_, last) in before.items() if index not in ranges]
        if ends and others and max(others) > max(ends) + LAST_SECONDS:
            names = " and ".join(map(str, ranges))
            notes.append(f"time stamps of stream {names} leap away: what follows was {BEHIND}")
        else:
            yield ranges
            before = ranges
