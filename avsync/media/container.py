"""What is in a container, by what ffmpeg says when it opens it: streams, sizes, times, tags.

There is no ffprobe here, which not every ffmpeg brings along. What is read where: tags may say
anything, also what looks like a heading or a fact.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import MediaError
from avsync.media import ffmpeg, packets
from avsync.media.streams import Stream

SAMPLE_SECONDS = 30  # of packets that tell a bit rate where the container does not

_STREAM = re.compile(
    r"^ {2,4}Stream #0:(\d+)(?:\[(\w+)\])?(?:\([^)]*\))?: "
    r"(Video|Audio|Subtitle|Data|Attachment|Unknown): (.*)$"
)
_FORM = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_OTHER = re.compile(r"^ {2,4}(?:Chapters:|Chapter #|Program \d|Stream group #|Stream #)")
_DURATION = re.compile(r"^  Duration: (?:N/A|(\d+):(\d+):([\d.]+))(?:, start: (-?[\d.]+))?")
_HEADING = re.compile(r"^ +(Metadata|Side data):\s*$", re.IGNORECASE)
_PAIR = re.compile(r"^ +(\S[^:]*?)\s*: (.*)$")


@dataclass(frozen=True, slots=True)
class Inventory:
    """All streams of a file, and what else `ffmpeg -i` says of it.

    Attributes
    ----------
    path : Path
        The file.
    form : str
        What ffmpeg calls its reader of it: `mpegts`, `mov,mp4,m4a,3gp,3g2,mj2`.
    duration_seconds : float or None
        None where the container does not say.
    start_seconds : float
        Its earliest stamp.
    streams : tuple of Stream
        In the order of the container.
    tags : dict of str to str
        Metadata of the file itself.
    has_chapters : bool
        Whether it is divided.
    """

    path: Path
    form: str
    duration_seconds: float | None
    start_seconds: float
    streams: tuple[Stream, ...]
    tags: dict[str, str]
    has_chapters: bool

    def of_kind(self, kind: str) -> list[Stream]:
        """The streams of one kind."""
        return [stream for stream in self.streams if stream.kind == kind]


def read(path: str | os.PathLike[str], text: str) -> Inventory:
    """Read what `ffmpeg -i` prints of one file."""
    streams: dict[int, Stream] = {}
    tags: dict[str, str] = {}
    duration, start = None, 0.0
    for heading, about, line in _in_sections(text):
        if about is not None and about.index not in streams:
            streams[about.index] = about
        here = about and streams[about.index]
        if times := _DURATION.match(line):
            start = float(times[4] or 0.0)
            if times[1] is not None:  # else a recording that was never closed
                duration = int(times[1]) * 3600 + int(times[2]) * 60 + float(times[3])
        elif here and heading == "side data":
            here.side_data.append(line.strip())
        elif heading == "metadata" and (pair := _PAIR.match(line)):
            (here.tags if here else tags).setdefault(pair[1], pair[2])
    ordered = tuple(streams[index] for index in sorted(streams))
    has_chapters = bool(re.search(r"^ +Chapter #", text, re.MULTILINE))
    form = _FORM.search(text)
    return Inventory(
        Path(path), form[1] if form else "", duration, start, ordered, tags, has_chapters
    )


def _in_sections(text: str) -> Iterator[tuple[str, Stream | None, str]]:
    """(heading, stream, line) of each line that is about the file or a stream of it.

    Chapters, programs and groups of streams have tags of their own; streams may be named in several
    of them.
    """
    heading, about, is_other = "", None, False
    for line in text.splitlines():
        if found := _STREAM.match(line):
            index, number, kind, words = found.groups()
            about = Stream(int(index), int(number or index, 0), kind, words)
            heading, is_other = "", False
        elif _OTHER.match(line):
            heading, is_other = "", True
        elif found := _HEADING.match(line):
            heading = found[1].lower()
            continue
        if not is_other:
            yield heading, about, line


def take_inventory(path: str | os.PathLike[str]) -> Inventory:
    """Streams, dispositions and tags of a file.

    Raises
    ------
    MediaError
        Where nothing is found.
    """
    inventory = read(path, ffmpeg.banner(path))
    if not inventory.streams:
        raise MediaError(f"{path}: not a media file that ffmpeg can read")
    return inventory


def measured_bitrate(path: Path, index: int) -> int | None:
    """Bits per second of the first half minute of a stream; None where it has no packets."""
    sizes, last = 0, 0.0
    for seconds, size in packets.ends_and_sizes(path, index, SAMPLE_SECONDS):
        sizes, last = sizes + size, max(last, seconds)
    return round(8 * sizes / last) if last > 0 else None


def cause(text: str, path: Path | str) -> str:
    """Why ffmpeg could not open a file: what a reader of the format said, else in general."""
    lines = text.splitlines()
    special = [line for line in lines if line[:1] == "[" and "Error opening" not in line]
    general = [line for line in lines if line.startswith(("Error", "file:"))]
    words = ffmpeg.last_words((special or general)[-1:])
    return words.replace(f"file:{path}: ", "")
