"""Stage 1: a media file becomes frames at 25 fps and samples at 16 kHz on one timeline.

Time zero of both is the start of the container, so a stream that starts late is late here too.
Dropping start times would make a file that was mended by shifting a stream measure as unmended.
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsync import banner, ffmpeg, packets
from avsync.banner import AudioStream, VideoStream, video_stream
from avsync.errors import MediaError
from avsync.inputs import readable
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

if TYPE_CHECKING:  # --help needs no OpenCV
    from avsync.pictures import Frame

MAX_SIDE = 1280  # pixels; larger pictures are made smaller while decoding
SEEK_BEFORE_SECONDS = (0.5, 4.0, 15.0, 60.0)  # of what is to be read
CODEC_SECONDS = 0.2  # of sound, or a few frames, until a decoder is right after a seek
SAMPLES_PER_CHUNK = 10 * SAMPLE_RATE

# The fps filter shows at time t the last frame stamped before t + 20 ms. Taking half the time since
# the frame before off each stamp makes that the frame nearest to t, at any rate and a varying one.
# A frame after a long pause is left alone: what stood so long was a still, to be held to its end.
STILL_SECONDS = 0.12
NEAREST_FRAME = (
    f"PTS+if(lt(T-PREV_INT,{STILL_SECONDS}),{0.5 / FRAMES_PER_SECOND}-(T-PREV_INT)/2,0)/TB"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file, in frames at 25 fps from its time zero on."""

    first_frame: int = 0
    frame_count: int | None = None  # None: to the end

    @property
    def start_seconds(self) -> float:
        """After time zero."""
        return self.first_frame / FRAMES_PER_SECOND


WHOLE = Span()


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is in a file, as far as this program needs to know."""

    path: Path | str  # text: an address
    duration_seconds: float | None  # None where the container does not say
    start_seconds: float  # our time zero: the container's earliest stamp, or up to 40 ms before
    video: VideoStream | None
    audio: AudioStream | None
    has_cover_art: bool  # a still picture that is no video
    audio_tracks: int = 0  # that there are
    video_tracks: int = 0  # that there are, without cover pictures
    audio_track: int | None = None  # the one that was chosen; tracks of a kind count from 1
    video_track: int | None = None

    def require_both(self) -> tuple[VideoStream, AudioStream]:
        """The two streams; raises MediaError where one is missing."""
        if self.video is None:
            what = "only a cover picture, no video" if self.has_cover_art else "no video stream"
            raise MediaError(f"{self.path}: {what}; avsync needs a picture of the speaker")
        if self.audio is None:
            raise MediaError(f"{self.path}: no audio stream; there is no sound to compare with")
        return self.video, self.audio


def probe(
    path: str | os.PathLike[str], audio_track: int | None = None, video_track: int | None = None
) -> MediaInfo:
    """Find the streams of a file. Works without ffprobe, which not every ffmpeg brings along.

    Tracks of a kind count from 1; None is the one that the file calls default, else the first.
    Raises MediaError where the file is missing, not a file, not media, or has no such track.
    """
    path = readable(path)
    opening = packets.open_file(path)
    text = opening.banner
    found = banner.streams(text)
    sounds = [(AudioStream(n), "(default)" in rest) for n, kind, rest in found if kind == "Audio"]
    pictures = [
        (video, "(default)" in rest)
        for n, kind, rest in found
        if kind == "Video" and "(attached pic)" not in rest and (video := video_stream(n, rest))
    ]
    has_cover_art = any("(attached pic)" in rest for _, kind, rest in found if kind == "Video")
    if not sounds and not pictures and not has_cover_art:
        raise MediaError(
            f"{path}: not a media file that ffmpeg can read: {banner.cause(text, path)}"
        )
    audio_track = _chosen(path, "audio", audio_track, [default for _, default in sounds])
    video_track = _chosen(path, "video", video_track, [default for _, default in pictures])
    video = pictures[video_track - 1][0] if video_track else None
    audio = sounds[audio_track - 1][0] if audio_track else None
    duration, start = banner.times(text)
    if video is not None:
        stamp = opening.first_stamp_seconds
        if video.index != opening.index:
            stamp = packets.first_stamp_seconds(path, video.index)
        start = _zero_on_frame_grid(start, stamp)
    counts = len(sounds), len(pictures)
    return MediaInfo(
        path, duration, start, video, audio, has_cover_art, *counts, audio_track, video_track
    )


def _chosen(path: Path | str, kind: str, wanted: int | None, defaults: list[bool]) -> int | None:
    """The number of a track; None where there is none and none was asked for."""
    if wanted is None:
        return defaults.index(True) + 1 if any(defaults) else min(1, len(defaults)) or None
    if wanted > len(defaults):
        raise MediaError(f"{path}: no {kind} track {wanted}; it has {len(defaults)}")
    return wanted


def read_frames(
    info: MediaInfo,
    warnings: list[str] | None = None,
    max_side: int = MAX_SIDE,
    span: Span = WHOLE,
    colour: bool = True,
) -> "Iterator[Frame]":
    """Frames at 25 fps from the start of a span on, each (height, width, 3), BGR, 0..255.

    Where `colour` does not matter, they are planes (see `avsync.pictures`) if their sides are even.
    Frame n of a file is the source frame nearest to n * 40 ms. At most `max_side` pixels a side.
    Raises MediaError where nothing can be decoded.
    """
    video, _ = info.require_both()
    width, height = decoded_size(video, max_side)
    shape: tuple[int, ...] = (height, width, 3)
    pixels = "bgr24"
    if not colour and width % 2 == height % 2 == 0:
        shape, pixels = (height * 3 // 2, width), "yuv420p"
    source = _opened(info, video.index, span)
    start = info.start_seconds + span.start_seconds
    stream = (
        source.filter("setpts", NEAREST_FRAME)
        .filter("fps", FRAMES_PER_SECOND, start_time=f"{start:.6f}")
        .filter("scale", width, height, flags="area" if width < video.width else "bilinear")
        .output("pipe:", format="rawvideo", pix_fmt=pixels, **_at_most(span.frame_count))
    )
    frame_bytes = math.prod(shape)
    for chunk in ffmpeg.read_chunks(stream, frame_bytes, info.path, warnings):
        if len(chunk) == frame_bytes:
            yield np.frombuffer(chunk, np.uint8).reshape(shape)


def read_samples(
    info: MediaInfo, warnings: list[str] | None = None, span: Span = WHOLE
) -> Iterator[NDArray[np.int16]]:
    """Mono sound at 16 kHz from the start of a span on, in pieces of ten seconds.

    A track that starts late is preceded by silence; gaps inside it are filled.
    Raises MediaError where nothing can be decoded.
    """
    _, audio = info.require_both()
    # `async=1` fills and cuts by time stamps, from 20 ms on; a late start becomes leading silence
    # by `first_pts`. That counts in samples of the source, so 0 is the only value to be relied on.
    filling = {"async": 1, "min_hard_comp": 0.02, "first_pts": 0}
    start = info.start_seconds + span.start_seconds
    stream = (
        _opened(info, audio.index, span)
        .filter("asetpts", f"PTS-({start:.6f})/TB")
        .filter("aresample", SAMPLE_RATE, **filling)
    )
    if span.frame_count is not None:
        count = span.frame_count * SAMPLE_RATE // FRAMES_PER_SECOND
        stream = stream.filter("atrim", end_sample=count)
    stream = stream.output("pipe:", format="s16le", acodec="pcm_s16le", ac=1)
    for chunk in ffmpeg.read_chunks(stream, SAMPLES_PER_CHUNK * 2, info.path, warnings):
        yield np.frombuffer(chunk[: len(chunk) // 2 * 2], "<i2")


def _opened(info: MediaInfo, index: int, span: Span) -> Any:
    """A stream of a file for ffmpeg, from some way before a span on, with its time stamps kept."""
    options: dict[str, Any] = {"copyts": None}
    if seconds := _place_before(info, index, span):
        options |= {"ss": f"{seconds:.3f}", "noaccurate_seek": None}
    return ffmpeg.builder().input(ffmpeg.INPUT, **options)[str(index)]


def _place_before(info: MediaInfo, index: int, span: Span) -> float:
    """Seconds to seek to so that all of a span is decoded; 0: no seeking.

    Decoding begins at a key frame. Where a container's index leads to a later one, or it has no
    index, one must look for it further back.
    """
    start = info.start_seconds + span.start_seconds
    for before in SEEK_BEFORE_SECONDS:
        if (place := span.start_seconds - before) <= 0:
            break
        first = packets.first_stamp_seconds(info.path, index, place)
        if first is not None and first <= start - CODEC_SECONDS:
            return place
    return 0.0


def _at_most(frame_count: int | None) -> dict[str, int]:
    return {} if frame_count is None else {"frames:v": frame_count}


def read_still(info: MediaInfo, seconds: float, max_side: int) -> NDArray[np.uint8] | None:
    """A picture near some time after time zero, (height, width, 3) BGR; None: there is none.

    It is the one from which decoding can begin, so that it costs little wherever it lies.
    """
    video, _ = info.require_both()
    width, height = decoded_size(video, max_side)
    # Decoding key frames alone is quicker, but of the last of them some decoders say nothing.
    for only_keys in ({"skip_frame": "nokey"}, {}):
        place = {"ss": f"{seconds:.3f}", "noaccurate_seek": None, "threads": 1, **only_keys}
        stream = (
            ffmpeg.builder()
            .input(ffmpeg.INPUT, **place)[str(video.index)]
            .filter("setpts", "N")  # what is stamped before the place would be dropped
            .filter("scale", width, height, flags="area" if width < video.width else "bilinear")
            .output("pipe:", format="rawvideo", pix_fmt="bgr24", **_at_most(1))
        )
        with suppress(MediaError):
            for chunk in ffmpeg.read_chunks(stream, width * height * 3, info.path):
                if len(chunk) == width * height * 3:
                    return np.frombuffer(chunk, np.uint8).reshape(height, width, 3)
    return None


def decoded_size(video: VideoStream, max_side: int = MAX_SIDE) -> tuple[int, int]:
    """Width and height of the frames that `read_frames` gives."""
    scale = min(1.0, max_side / max(video.width, video.height))
    return max(2, round(video.width * scale)), max(2, round(video.height * scale))


def _zero_on_frame_grid(start: float, first_frame: float | None) -> float:
    """Time zero: the container's start, or just before it, so that the first frame is on the grid.

    A picture at 25 fps that starts off the 40-ms grid would be put out by up to 20 ms all through.
    """
    if first_frame is None:
        return start
    grid = 1_000_000 // FRAMES_PER_SECOND  # microseconds, so that nothing is lost to rounding
    return start - (round(start * 1e6) - round(first_frame * 1e6)) % grid / 1e6
