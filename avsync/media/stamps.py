"""All time stamps of a file, stream by stream, as its packets have them: nothing is decoded."""

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.media import ffmpeg
from avsync.media.listing import AS_LIST, KEEP_STAMPS, NO_STAMP, bases_in, packets_in

BACK_SECONDS = 0.2  # that stamps go back by, in a file that was joined from others
AHEAD_SECONDS = 10.0  # from which on ffmpeg closes a gap where it copies MPEG


@dataclass(frozen=True, slots=True)
class Stamps:
    """The packets of a stream, in the order of the file, without empty ones that fill gaps.

    Attributes
    ----------
    tick_seconds : float
        Of which all times are multiples.
    decoded, shown : numpy.ndarray
        (N,) seconds; NaN where the container does not say.
    sizes : numpy.ndarray
        (N,) bytes.
    """

    tick_seconds: float
    decoded: NDArray[np.float64]
    shown: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @property
    def step_seconds(self) -> float:
        """From one packet to the next, usually."""
        steps = np.diff(self.decoded)
        steps = steps[steps > 0]
        return float(np.median(steps)) if len(steps) else 0.0

    @property
    def is_broken(self) -> bool:
        """Whether stamps go back.

        ffmpeg then gives all packets the last stamp, until they have caught up with it.
        """
        still = np.diff(self.decoded) == 0
        ends = np.flatnonzero(np.diff(np.concatenate(([False], still, [False]))))
        longest = max(np.diff(ends)[::2], default=0)
        return bool(longest * self.step_seconds > BACK_SECONDS)

    @property
    def leaps(self) -> bool:
        """Whether there is a place where stamps go back, or far ahead."""
        return self.is_broken or bool((np.diff(self.decoded) > AHEAD_SECONDS).any())


def list_stamps(
    path: str | os.PathLike[str], indices: Sequence[int], *, mended: bool = False
) -> dict[int, Stamps]:
    """Stamps of some streams of a file, without those that have no packets.

    Parameters
    ----------
    path : path-like
        Of the file.
    indices : sequence of int
        Of the streams.
    mended : bool, optional
        Whether as ffmpeg copies them, which in MPEG closes the places where stamps leap.

    Returns
    -------
    dict of int to Stamps
        By index.

    Raises
    ------
    MediaError
        Where ffmpeg crashes.
    """
    if not indices:  # ffmpeg would choose some
        return {}
    kept = () if mended else KEEP_STAMPS
    source = ("-loglevel", "error", *kept, "-i", ffmpeg.input_url(path))
    maps = [part for index in indices for part in ("-map", f"0:{index}")]
    ticks: dict[int, float] = {}
    packets: dict[int, array[int]] = {}
    copied = ("-c", "copy", "-copy_unknown", *AS_LIST)
    for line in ffmpeg.read_lines("-nostdin", *source, *maps, *copied):
        ticks |= {place: float(base) for place, base in bases_in(line).items()}
        for packet in packets_in(line):
            if packet.size:
                known = packets.setdefault(packet.place, array("q"))
                known.extend((packet.decoded, packet.shown, packet.size))
    return {
        indices[place]: _stamps(ticks[place], np.reshape(known, (-1, 3)))
        for place, known in packets.items()
    }


def _stamps(tick_seconds: float, packets: NDArray[np.int64]) -> Stamps:
    decoded, shown, sizes = packets.T
    return Stamps(
        tick_seconds,
        np.where(decoded == NO_STAMP, np.nan, decoded * tick_seconds),
        np.where(shown == NO_STAMP, np.nan, shown * tick_seconds),
        sizes,
    )
