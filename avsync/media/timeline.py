"""Time stamps become film time, also where they go back, leap or run wild.

A file that was joined of several has several epochs: in each, stamps run on evenly, and picture and
sound are as far apart as their stamps say; from one to the next they go back. Hours in which no
stream has anything are no film: they part epochs, too. Film time puts all epochs one after the
other, beginning with 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BACK_SECONDS = 0.1  # packets that are decoded in their order go back by less
LAST_SECONDS = 1.0  # of a packet that is said to last longer
END_SECONDS = 2.0  # stamps that go back so near to the end of an epoch begin another
TOLERANCE_SECONDS = 0.5  # frames may be stamped so far outside the packets they came from


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """When the packets of a stream are decoded and shown, in the order of the file.

    Attributes
    ----------
    index : int
        Of the stream in the container.
    places : numpy.ndarray
        (N,) of each packet among all packets of the file.
    decoded, shown : numpy.ndarray
        (N,) seconds.
    lasting : numpy.ndarray
        (N,) seconds; 0 where the container does not say.
    """

    index: int
    places: NDArray[np.int64]
    decoded: NDArray[np.float64]
    shown: NDArray[np.float64]
    lasting: NDArray[np.float64]

    @property
    def end_seconds(self) -> float:
        """When the last packet has been shown."""
        return float((self.shown + np.minimum(self.lasting, LAST_SECONDS)).max())


Range = tuple[float, float]  # first and last stamp, seconds
EVERYTHING: Range = (-np.inf, np.inf)
NOTHING: Range = (np.inf, -np.inf)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A part of a file in which stamps run on evenly.

    Attributes
    ----------
    shift : float
        Seconds to be added to a stamp for film time.
    ranges : dict of int to tuple of float or None
        First and last stamp, in seconds, of each stream with packets in it; None: of the file.
    """

    shift: float
    ranges: dict[int, Range] | None = None

    def range(self, index: int) -> Range:
        """The stamps of a stream."""
        return EVERYTHING if self.ranges is None else self.ranges.get(index, NOTHING)


@dataclass(frozen=True, slots=True)
class Timeline:
    """How time stamps become film time.

    Attributes
    ----------
    epochs : tuple of Epoch
        One after the other.
    film_seconds : float or None
        None: as long as the container says.
    notes : tuple of str
        Where stamps go back, leap or run wild, for people.
    """

    epochs: tuple[Epoch, ...]
    film_seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_regular(self) -> bool:
        """Whether stamps are film time as they are, but for where they start."""
        return not self.notes

    @property
    def start_seconds(self) -> float:
        """The stamp at film time 0."""
        return -self.epochs[0].shift


class Placer:
    """Tells film time of the frames of one stream, asked for in the order in which they come.

    Parameters
    ----------
    timeline : Timeline
        Of the file.
    index : int
        Of the stream.
    origin_seconds : float
        Of film, from which on time counts.
    """

    def __init__(self, timeline: Timeline, index: int, origin_seconds: float = 0.0) -> None:
        self._epochs = timeline.epochs
        self._index, self._origin = index, origin_seconds
        self.epoch = 0  # in which the last frame was
        self._stamp: float | None = None  # of the frame before
        self._next = 0.0  # film time of the next frame, if it has no stamp to be relied on

    def place(self, stamp: float | None, lasting: float) -> float:
        """Film time of a frame, in seconds; one that is wild comes after the frame before.

        Parameters
        ----------
        stamp : float or None
            Seconds; None where nobody says.
        lasting : float
            Seconds until the next frame.
        """
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
