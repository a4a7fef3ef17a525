"""What is in a container: every stream, by what `ffmpeg -i` says. Works without ffprobe."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from avsync import banner, ffmpeg, packets
from avsync.banner import Stream
from avsync.errors import MediaError

SAMPLE_SECONDS = 30  # of packets that tell a bit rate where the container does not


@dataclass(frozen=True, slots=True)
class Inventory:
    """All streams of a file, in order."""

    path: Path
    form: str  # as ffmpeg calls what reads it: `mpegts`, `mov,mp4,m4a,3gp,3g2,mj2`
    duration_seconds: float | None
    start_seconds: float
    streams: tuple[Stream, ...]
    tags: dict[str, str]
    has_chapters: bool

    def of_kind(self, kind: str) -> list[Stream]:
        """The streams of one kind."""
        return [stream for stream in self.streams if stream.kind == kind]


def take_inventory(path: str | os.PathLike[str]) -> Inventory:
    """Streams, dispositions and tags of a file. Raises MediaError where nothing is found."""
    said = banner.read(ffmpeg.banner(path))
    if not said.streams:
        raise MediaError(f"{path}: not a media file that ffmpeg can read")
    return Inventory(
        Path(path),
        said.form,
        said.duration_seconds,
        said.start_seconds,
        said.streams,
        said.tags,
        said.has_chapters,
    )


def measured_bitrate(path: Path, index: int) -> int | None:
    """Bits per second of the first half minute of a stream; None where it has no packets."""
    sizes, last = 0, 0.0
    for seconds, size in packets.ends_and_sizes(path, index, SAMPLE_SECONDS):
        sizes, last = sizes + size, max(last, seconds)
    return round(8 * sizes / last) if last > 0 else None


def disposition_option(names: Iterable[str]) -> str:
    """The value of ffmpeg's -disposition."""
    return "+".join(re.sub(r"[ -]", "_", name) for name in names) or "0"
