"""What ffmpeg says of a file when it opens it, read: streams, sizes, times, or why it cannot.

There is no ffprobe here, which not every ffmpeg brings along.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from avsync import ffmpeg

_STREAM = re.compile(r"^\s*Stream #0:(\d+).*?: (Video|Audio): (.*)$")
_SIZE = re.compile(r"[ ,](\d{1,5})x(\d{1,5})[ ,\[]")
_PIXEL_ASPECT = re.compile(r"\[?SAR (\d+):(\d+)")
_ROTATION = re.compile(r"rotation of (-?[\d.]+) degrees")
_DURATION = re.compile(r"Duration: (?:N/A|(\d+):(\d+):([\d.]+))(?:, start: (-?[\d.]+))?")


@dataclass(frozen=True, slots=True)
class VideoStream:
    """A moving picture as it is shown: upright, with square pixels."""

    index: int  # of the stream in the container
    width: int  # pixels
    height: int  # pixels


@dataclass(frozen=True, slots=True)
class AudioStream:
    """The sound track that is heard."""

    index: int  # of the stream in the container


def streams(text: str) -> list[tuple[int, str, str]]:
    """(index, kind, description with its side data) of each video and audio stream."""
    found_so_far: list[tuple[int, str, str]] = []
    for line in text.splitlines():
        if found := _STREAM.match(line):
            found_so_far.append((int(found[1]), found[2], found[3]))
        elif found_so_far and "Stream #" not in line:
            index, kind, rest = found_so_far[-1]
            found_so_far[-1] = index, kind, f"{rest}\n{line}"
    return found_so_far


def video_stream(index: int, rest: str) -> VideoStream | None:
    """The picture as it is shown; None where no size is said."""
    size = _SIZE.search(rest)
    if size is None:
        return None
    width, height = int(size[1]), int(size[2])
    aspect = _PIXEL_ASPECT.search(rest)
    if aspect and int(aspect[1]) and int(aspect[2]):
        width = round(width * Fraction(int(aspect[1]), int(aspect[2])))
    rotation = _ROTATION.search(rest)
    if rotation and round(float(rotation[1])) % 180 == 90:
        width, height = height, width
    return VideoStream(index, width, height)


def times(text: str) -> tuple[float | None, float]:
    """Duration, None where it is not said, and start, in seconds."""
    found = _DURATION.search(text)
    if found is None:
        return None, 0.0
    start = float(found[4] or 0.0)
    if found[1] is None:  # a recording that was never closed
        return None, start
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]), start


def cause(text: str, path: Path | str) -> str:
    """Why ffmpeg could not open a file: what a reader of the format said, else in general."""
    lines = text.splitlines()
    special = [line for line in lines if line[:1] == "[" and "Error opening" not in line]
    general = [line for line in lines if line.startswith(("Error", "file:"))]
    words = ffmpeg.last_words((special or general)[-1:])
    return words.replace(f"file:{path}: ", "")
