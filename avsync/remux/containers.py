"""What containers can and cannot hold, and what keeps ffmpeg from changing them."""

from collections.abc import Iterable
from pathlib import Path

from avsync.media.container import Inventory
from avsync.media.streams import Stream, disposition_option

EDIT_LISTS = frozenset({".mp4", ".m4v", ".mov", ".3gp", ".3g2"})
NO_START_TIMES = frozenset({".avi", ".mxf"})  # where a stream can only begin at the beginning
MATROSKA = frozenset({".mkv", ".mka"})
MIME_TYPES = {"mjpeg": "image/jpeg", "png": "image/png"}
# Tracks that the muxer makes itself, from tags and chapters.
GIVEN_ANEW = frozenset({"tmcd", "text"})
COVER = "COVER"  # with an index behind: stands for the file that holds a cover picture


def is_made_anew(stream: Stream, suffix: str) -> bool:
    """Time code and chapter tracks of QuickTime: kept twice, they would be in the file twice."""
    return suffix in EDIT_LISTS and stream.kind == "Data" and stream.tag in GIVEN_ANEW


def cannot_hold(suffix: str, streams: Iterable[Stream]) -> str:
    """That a container has no place for some streams, and which one has."""
    words = " and ".join(f"its {what_is(stream)} ({stream.codec})" for stream in streams)
    raw = any(stream.codec.startswith("pcm_") for stream in streams)
    better = ".mov or .mkv" if raw and suffix not in (".mov", ".avi") else ".mkv"
    return f"{suffix} cannot hold {words}: name an output in {better}"


def what_is(stream: Stream) -> str:
    """A stream in a word."""
    return {"Video": "picture", "Audio": "sound"}.get(stream.kind, stream.kind.lower())


def described(kept: list[Stream], suffix: str) -> list[str]:
    """Dispositions, which ffmpeg otherwise adds to, and track names, which it otherwise loses."""
    options: list[str] = []
    for place, stream in enumerate(kept):
        if stream.kind in ("Video", "Audio", "Subtitle"):
            options += [f"-disposition:{place}", disposition_option(stream.dispositions)]
        if suffix in EDIT_LISTS and "name" in stream.tags and "title" not in stream.tags:
            options += [f"-metadata:s:{place}", f"title={stream.tags['name']}"]
        if suffix == ".avi":
            options += _for_avi(place, stream)
    return options


def _for_avi(place: int, stream: Stream) -> list[str]:
    """The form of H.264 that AVI wants, and a clock that ticks twice a picture.

    ffmpeg chose such a clock by itself up to version 7. From its successors' ticks of the input,
    readers take a delay of two pictures, as B-frames have, for one of two ticks.
    """
    options = [f"-bsf:{place}", "h264_mp4toannexb"] if stream.codec == "h264" else []
    if stream.kind == "Video" and (rate := stream.frames_per_second):
        options += [f"-time_base:{place}", f"{rate.denominator}/{2 * rate.numerator}"]
    return options


def attached(covers: list[Stream], first_place: int) -> list[str]:
    """Covers as attachments of Matroska: copied as streams they would become a second film."""
    options: list[str] = []
    for place, cover in enumerate(covers, first_place):
        kind = MIME_TYPES.get(cover.codec, f"image/{cover.codec}")
        name = cover.tags.get("filename", f"cover.{kind.split('/')[1].replace('jpeg', 'jpg')}")
        options += ["-attach", f"{COVER}{cover.index}"]
        options += [f"-metadata:s:{place}", f"filename={name}"]
        options += [f"-metadata:s:{place}", f"mimetype={cover.tags.get('mimetype', kind)}"]
    return options


def container_options(inventory: Inventory, suffix: str) -> list[str]:
    """What a container needs to stay what it was."""
    if suffix not in EDIT_LISTS:
        return []
    flags = "+faststart" if _is_fast_start(inventory.path) else ""
    if any(key.startswith("com.") for key in inventory.tags):  # as phones write them
        flags += "+use_metadata_tags"
    return ["-movflags", flags] if flags else []


def _is_fast_start(path: Path) -> bool:
    """Whether the index of an MP4 comes before its media, so that it plays while it loads."""
    with path.open("rb") as file:
        for _ in range(16):
            header = file.read(16)
            size, name = int.from_bytes(header[:4], "big"), header[4:8]
            if size == 1:
                size = int.from_bytes(header[8:], "big")
            if name in (b"moov", b"mdat") or size < 8:
                return name == b"moov"
            file.seek(size - len(header), 1)
    return False
