"""What the packets of a stream tell without being decoded: time stamps and sizes."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from avsync import ffmpeg

FRAMECRC = ("-f", "framecrc", "pipe:")  # a line for each packet
TIME_BASE = re.compile(rb"^#tb 0: (\d+)/(\d+)", re.MULTILINE)
NO_STAMP = b"-9223372036854775808"  # in place of a time of showing; that of decoding is near it


@dataclass(frozen=True, slots=True)
class Opening:
    """What is learnt of a file by opening it once."""

    banner: str
    index: int | None  # of a stream: the first moving picture, or another where there is none
    first_stamp_seconds: float | None  # of that stream, as the function gives it


def open_file(path: str | os.PathLike[str]) -> Opening:
    """Banner and first stamp by one process: of the work for a short clip, each is a twentieth."""
    done = ffmpeg.run(*_first_packet(path, "0:V:0?"))
    said = done.stderr.decode(errors="replace")
    mapped = re.search(r"^ *Stream #0:(\d+) -> #0:0 \(copy\)", said, re.MULTILINE)
    banner = re.split(r"^(?:Stream mapping:|Output #0)", said, maxsplit=1, flags=re.MULTILINE)[0]
    return Opening(banner, int(mapped[1]) if mapped else None, _stamp_seconds(done.stdout))


def first_stamp_seconds(
    path: str | os.PathLike[str], index: int, after_seconds: float = 0.0
) -> float | None:
    """Time stamp of the first packet of a stream, at which decoding can begin; None: it has none.

    After a seek, where one is asked for. Of the start newer versions say it in their banner, older
    ones do not.
    """
    seek = ["-ss", f"{after_seconds:.3f}", "-noaccurate_seek"] if after_seconds else []
    done = ffmpeg.run("-loglevel", "error", *_first_packet(path, f"0:{index}", seek))
    return _stamp_seconds(done.stdout)


def _first_packet(path: str | os.PathLike[str], stream: str, seek: Sequence[str] = ()) -> list[str]:
    """Arguments that make ffmpeg describe one packet on its standard output."""
    source = ["-copyts", *seek, "-i", ffmpeg.input_url(path), "-map", stream]
    return [*source, "-c", "copy", "-frames", "1", "-avoid_negative_ts", "disabled", *FRAMECRC]


def _stamp_seconds(framecrc: bytes) -> float | None:
    base = TIME_BASE.search(framecrc)
    packet = re.search(rb"^0, *(-?\w+), *(-?\d+),", framecrc, re.MULTILINE)
    if not base or not packet:
        return None
    stamp = packet[1] if packet[2] == NO_STAMP else packet[2]
    if stamp == NO_STAMP or not stamp.lstrip(b"-").isdigit():
        return None
    return int(stamp) * int(base[1]) / int(base[2])


def ends_and_sizes(
    path: str | os.PathLike[str], index: int, seconds: float
) -> Iterator[tuple[float, int]]:
    """(end in seconds, bytes) of the packets in the first seconds of a stream."""
    source = ["-loglevel", "error", "-i", ffmpeg.input_url(path), "-map", f"0:{index}"]
    listed = ffmpeg.run(*source, "-c", "copy", "-t", str(seconds), *FRAMECRC).stdout
    base = TIME_BASE.search(listed)
    for found in re.finditer(rb"^0, *-?\w+, *(-?\d+), *(\d+), *(\d+),", listed, re.MULTILINE):
        assert base
        yield (int(found[1]) + int(found[2])) * int(base[1]) / int(base[2]), int(found[3])
