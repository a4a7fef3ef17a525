"""What is in a container: every stream, by what `ffmpeg -i` says. Works without ffprobe."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from avsync import ffmpeg, packets
from avsync.errors import MediaError

# As ffmpeg prints them, behind the description of a stream; its options want them with underscores.
DISPOSITIONS = frozenset(
    (
        *("default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "captions"),
        *("hearing impaired", "visual impaired", "clean effects", "attached pic", "metadata"),
        *("timed thumbnails", "non-diegetic", "descriptions", "dependent", "still image"),
    )
)
SAMPLE_SECONDS = 30  # of packets that tell a bit rate where the container does not

_STREAM = re.compile(
    r"^\s*Stream #0:(\d+)(?:\[(\w+)\])?(?:\(\w+\))?: "
    r"(Video|Audio|Subtitle|Data|Attachment|Unknown): (.*)$"
)
_FORM = re.compile(r"^Input #0, (\S+), from ", re.MULTILINE)
_START = re.compile(r"Duration: (?:N/A|(\d+):(\d+):([\d.]+))(?:, start: (-?[\d.]+))?")
_PAIR = re.compile(r"^(\s+)(\S[^:]*?)\s*: (.*)$")
_TAG = re.compile(r"\((\S+) / 0x[0-9A-F]{8}\)")
_RATE, _KILOBITS = re.compile(r"(\d+) Hz"), re.compile(r"(\d+) kb/s")


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a container."""

    index: int
    number: int  # by which the container knows it, else the index
    kind: str  # Video, Audio, Subtitle, Data, Attachment, Unknown
    codec: str  # as ffmpeg calls it
    tag: str  # four letters by which the container calls the codec; empty where it does not
    dispositions: tuple[str, ...]
    sample_rate: int | None  # Hz, of sound
    bits_per_second: int | None  # None where the container does not say
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def is_cover(self) -> bool:
        """Whether it is a still picture that belongs to the file, not a film."""
        return "attached pic" in self.dispositions


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
    inventory = parse(Path(path), ffmpeg.banner(path))
    if not inventory.streams:
        raise MediaError(f"{path}: not a media file that ffmpeg can read")
    return inventory


def parse(path: Path, text: str) -> Inventory:
    """Read what `ffmpeg -i` prints."""
    streams: dict[int, Stream] = {}
    tags: dict[str, str] = {}
    here = tags
    duration, start, has_chapters = None, 0.0, False
    for line in text.splitlines():
        if found := _STREAM.match(line):
            index = int(found[1])
            streams.setdefault(index, _stream(index, found[2], found[3], found[4]))
            here = streams[index].tags
        elif "Chapter" in line or "Program " in line:
            has_chapters |= "Chapter" in line
            here = {}  # their tags are kept as they are
        elif times := _START.search(line):
            start = float(times[4] or 0.0)
            if times[1] is not None:
                duration = int(times[1]) * 3600 + int(times[2]) * 60 + float(times[3])
        elif pair := _PAIR.match(line):
            here.setdefault(pair[2], pair[3])
    ordered = tuple(streams[index] for index in sorted(streams))
    form = _FORM.search(text)
    return Inventory(path, form[1] if form else "", duration, start, ordered, tags, has_chapters)


def measured_bitrate(path: Path, index: int) -> int | None:
    """Bits per second of the first half minute of a stream; None where it has no packets."""
    sizes, last = 0, 0.0
    for seconds, size in packets.ends_and_sizes(path, index, SAMPLE_SECONDS):
        sizes, last = sizes + size, max(last, seconds)
    return round(8 * sizes / last) if last > 0 else None


def disposition_option(names: Iterable[str]) -> str:
    """The value of ffmpeg's -disposition."""
    return "+".join(re.sub(r"[ -]", "_", name) for name in names) or "0"


def _stream(index: int, number: str | None, kind: str, rest: str) -> Stream:
    codec = re.match(r"\w*", rest)
    tag, rate, kilobits = _TAG.search(rest), _RATE.search(rest), _KILOBITS.search(rest)
    said = re.findall(r"\(([a-z -]+)\)", rest)
    return Stream(
        index,
        int(number, 0) if number else index,
        kind,
        codec[0] if codec else "",
        tag[1] if tag else "",
        tuple(name for name in said if name in DISPOSITIONS),
        int(rate[1]) if rate else None,
        1000 * int(kilobits[1]) if kilobits else None,
    )
