"""Where the stamps of a file begin anew, leap or run wild: packets become epochs.

What all streams do together parts epochs; what one does alone is a fault of its own, and its frames
are put behind those before.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from avsync.media.timeline import BACK_SECONDS, LAST_SECONDS, Epoch, PacketTimes, Range, Timeline

LEAP_SECONDS = 10.0  # without anything, in any stream, are no pause of the film
WILD_PACKETS = 25  # at most so many leave the others and come back
APART_PACKETS = 500  # of other streams lie at most between the places where streams go back
BEHIND = "put right behind what comes before"


def is_regular(streams: Sequence[PacketTimes], leap_seconds: float = LEAP_SECONDS) -> bool:
    """Whether stamps are film time as they are: nothing goes back, leaps or runs wild.

    Parameters
    ----------
    streams : sequence of PacketTimes
        As they are in the file, or in a copy, in which those that would go back stand still.
    leap_seconds : float, optional
        Without anything in a stream make a leap; another stream may turn out to go on in it.
    """
    for stream in streams:
        steps = np.diff(stream.decoded)
        if len(steps) and (steps.min() <= 0 or steps.max() > leap_seconds):
            return False
        if len(stream.shown) and np.abs(stream.shown - stream.decoded).max() > LEAP_SECONDS:
            return False
    lasting = [stream for stream in streams if len(stream.shown)]
    starts = [float(stream.shown.min()) for stream in lasting]
    ends = [stream.end_seconds for stream in lasting]
    return not lasting or max(starts) - min(ends) <= LEAP_SECONDS  # else they lie hours apart


def build(streams: Sequence[PacketTimes], grid_index: int | None = None) -> Timeline | None:
    """The timeline of a file; None where its stamps are film time as they are.

    Parameters
    ----------
    streams : sequence of PacketTimes
        All of the file's pictures and sounds.
    grid_index : int, optional
        Stream whose first frame is to lie on the grid of 25 frames a second.
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

    Parameters
    ----------
    start : float
        Seconds.
    first_frame : float or None
        Seconds; None: there is no picture.
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
