"""What the packets of a file tell without being decoded: time stamps and sizes."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from avsync.media import ffmpeg
from avsync.media.listing import AS_LIST, KEEP_STAMPS, NO_STAMP, bases_in, packets_in
from avsync.media.timeline import PacketTimes

LEAST_STAMP = -(1 << 62)  # what is less is none, or counted on from none
RAW = re.compile(
    r"demuxer -> ist_index:(?:\d+:)?(\d+) .*?pkt_pts:(\S+) .*?pkt_dts:(\S+) (?:.*?duration:(\d+))?"
)
MAPPED = re.compile(r"^ *Stream #0:(\d+) -> #0:(\d+) \(copy\)", re.MULTILINE)
# Streams of which enough is known for them to be written; no covers.
KNOWN = re.compile(
    r"^ *Stream #0:(\d+).*?: (?:Audio: .*?\d+ Hz|Video: .*?\b[1-9]\d*x\d+)(?!.*\(attached pic\))",
    re.MULTILINE,
)
ALL_STREAMS = ("-map", "0:V?", "-map", "0:a?")  # V: without covers
LARGE_BYTES = 64 << 20  # of larger files, key frames of the picture are looked at first


@dataclass(frozen=True, slots=True)
class Opening:
    """What is learnt of a file by opening it once.

    Attributes
    ----------
    banner : str
        What ffmpeg says of it.
    streams : tuple of PacketTimes
        Packets of its pictures and sounds.
    bases : dict of int to Fraction
        Time base of each stream, in seconds.
    only_keys : bool
        Whether key frames alone were looked at, and no sound.
    """

    banner: str
    streams: tuple[PacketTimes, ...]
    bases: dict[int, Fraction]
    only_keys: bool


def open_file(path: str | os.PathLike[str], only_keys: bool = False) -> Opening:
    """Banner and time stamps by one process: of the work for a short clip, each is a twentieth.

    Stamps that would go back stand still here.

    Parameters
    ----------
    path : path-like
        Of the file.
    only_keys : bool, optional
        Whether key frames alone are looked at, and no sound.
    """
    reading = ("-discard:v", "nokey", "-discard:a", "all") if only_keys else ()
    source = (*KEEP_STAMPS, *reading, "-i", ffmpeg.input_url(path))
    done = ffmpeg.run(*source, *ALL_STREAMS, "-c", "copy", *AS_LIST)
    said = done.stderr.decode(errors="replace")
    if not bases_in(done.stdout) and (known := KNOWN.findall(said)):
        # One stream without a rate or a size, as where a table is damaged, and none is listed.
        done = ffmpeg.run(*source, *_maps(map(int, known)), "-c", "copy", *AS_LIST)
        said = done.stderr.decode(errors="replace")
    banner = re.split(r"^(?:Stream mapping:|Output #0)", said, maxsplit=1, flags=re.MULTILINE)[0]
    indices = {int(out): int(index) for index, out in MAPPED.findall(said)}
    bases = {
        indices[place]: base for place, base in bases_in(done.stdout).items() if place in indices
    }
    packets = (
        (indices[packet.place], packet.shown, packet.decoded, packet.lasting)
        for packet in packets_in(done.stdout)
        if packet.place in indices
    )
    return Opening(banner, _streams(packets, bases), bases, only_keys)


def raw_stamps(path: str | os.PathLike[str], bases: dict[int, Fraction]) -> list[PacketTimes]:
    """Time stamps of all packets as they are in the file, also where they go back. Slow."""
    raw = _Raw()
    source = ("-debug_ts", *KEEP_STAMPS, "-i", ffmpeg.input_url(path), *_maps(bases))
    ffmpeg.listen(raw, *source, "-c", "copy", "-f", "null", "-")
    return list(_streams(raw.packets, bases))


def _maps(indices: Iterable[int]) -> tuple[str, ...]:
    return tuple(part for index in indices for part in ("-map", f"0:{index}"))


class _Raw:
    """Packets as ffmpeg tells of them when it is debugged."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, int, int, int]] = []  # stream, pts, dts, duration

    def begin(self) -> None:
        """All over again."""
        self.packets.clear()

    def end(self) -> None:
        """All is told."""

    def hear(self, line: str) -> None:
        """Take a line."""
        if found := RAW.search(line):
            index, pts, dts, lasting = found.groups()
            self.packets.append((int(index), _number(pts), _number(dts), int(lasting or 0)))


def first_stamp_seconds(
    path: str | os.PathLike[str], index: int, after_seconds: float = 0.0
) -> float | None:
    """Time stamp of the first packet of a stream, at which decoding can begin; None: it has none.

    Parameters
    ----------
    path : path-like
        Of the file.
    index : int
        Of the stream.
    after_seconds : float, optional
        To which is sought first; 0: to nowhere.
    """
    seek = ("-ss", f"{after_seconds:.3f}", "-noaccurate_seek") if after_seconds else ()
    source = ("-loglevel", "error", *KEEP_STAMPS, *seek, "-i", ffmpeg.input_url(path))
    done = ffmpeg.run(*source, "-map", f"0:{index}", "-c", "copy", "-frames", "1", *AS_LIST)
    packet = next(packets_in(done.stdout), None)
    if packet is None:
        return None
    stamp = packet.decoded if packet.shown < LEAST_STAMP else packet.shown
    if stamp < LEAST_STAMP:
        return None
    return float(stamp * bases_in(done.stdout)[packet.place])


def ends_and_sizes(
    path: str | os.PathLike[str], index: int, seconds: float
) -> Iterator[tuple[float, int]]:
    """(end in seconds, bytes) of the packets in the first seconds of a stream."""
    source = ("-loglevel", "error", "-i", ffmpeg.input_url(path), "-map", f"0:{index}")
    listed = ffmpeg.run(*source, "-c", "copy", "-t", str(seconds), *AS_LIST).stdout
    bases = bases_in(listed)
    for packet in packets_in(listed):
        yield float((packet.shown + packet.lasting) * bases[packet.place]), packet.size


def _streams(
    packets: Iterable[tuple[int, int, int, int]], bases: dict[int, Fraction]
) -> tuple[PacketTimes, ...]:
    """(stream, pts, dts, duration) of all packets in the order of the file -> times by stream."""
    rows: dict[int, list[tuple[int, int, int, int]]] = {index: [] for index in bases}
    for place, (index, pts, dts, lasting) in enumerate(packets):
        if index in rows and max(dts, pts) >= LEAST_STAMP:
            shown, decoded = (
                (dts if pts < LEAST_STAMP else pts),
                (pts if dts < LEAST_STAMP else dts),
            )
            rows[index].append((place, decoded, shown, lasting))
    return tuple(_times(index, rows[index], bases[index]) for index in bases)


def _times(index: int, rows: Sequence[tuple[int, int, int, int]], base: Fraction) -> PacketTimes:
    table = np.array(rows, np.int64).reshape(-1, 4)
    seconds = np.asarray(table[:, 1:] * float(base), np.float64)
    return PacketTimes(index, table[:, 0], seconds[:, 0], seconds[:, 1], seconds[:, 2])


def _number(stamp: str) -> int:
    return NO_STAMP if stamp == "NOPTS" else int(stamp)
