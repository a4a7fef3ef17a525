"""Packets as ffmpeg lists them when it copies a file: a line each, nothing is decoded."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

# ffmpeg takes an input whose shift is exactly its start for one to be counted from the first of the
# streams in use (MPEG). A microsecond beside that, less than any tick there, it does not.
BESIDE_SECONDS = 1e-6
KEEP_STAMPS = ("-copyts", "-itsoffset", f"{BESIDE_SECONDS:f}")  # before the input
# Instead of an output; many lines at once: each by itself would wake up who reads them.
AS_LIST = ("-avoid_negative_ts", "disabled", "-flush_packets", "0", "-f", "framecrc", "pipe:")
NO_STAMP = -(1 << 63)

_BASE = re.compile(rb"^#tb (\d+): (\d+)/(\d+)", re.MULTILINE)
_PACKET = re.compile(rb"^(\d+), *(-?\d+), *(-?\d+), *(-?\d+), *(\d+),", re.MULTILINE)


class Packet(NamedTuple):
    """A line of the list; times in ticks of its stream's time base.

    Attributes
    ----------
    place : int
        Of its stream among those that are listed.
    decoded : int
        When it is decoded; `NO_STAMP` where nobody says.
    shown : int
        When it is shown; `NO_STAMP` likewise.
    lasting : int
        0 where the container does not say.
    size : int
        Bytes.
    """

    place: int
    decoded: int
    shown: int
    lasting: int
    size: int


def bases_in(listed: bytes) -> dict[int, Fraction]:
    """Time bases in seconds that (a part of) a list states, by the places of streams."""
    return {
        int(place): Fraction(int(above), int(below))
        for place, above, below in _BASE.findall(listed)
    }


def packets_in(listed: bytes) -> Iterator[Packet]:
    """Packets of (a part of) a list, in the order of the file."""
    return (Packet(*map(int, found)) for found in _PACKET.findall(listed))
