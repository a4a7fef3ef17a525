"""Stage 1b: a media file becomes frames at 25 fps and samples at 16 kHz on one timeline.

Time zero of both is the start of the container, so a stream that starts late is late here too.
Dropping start times would make a file that was mended by shifting a stream measure as unmended.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsync.media import ffmpeg, packets
from avsync.media.channels import to_mono
from avsync.media.decoder_stamps import MICROSECONDS, DecoderStamps
from avsync.media.frame_grid import STILL_SECONDS, nearest_frames
from avsync.media.listing import BESIDE_SECONDS
from avsync.media.placement import cut, placed_samples
from avsync.media.probe import MediaInfo
from avsync.media.streams import VideoStream
from avsync.media.timeline import Placer
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE, exact_div

if TYPE_CHECKING:  # --help needs no OpenCV
    from avsync.media.frames import Frame

MAX_SIDE = 1280  # pixels; larger pictures are made smaller while decoding
SEEK_BEFORE_SECONDS = (0.5, 4.0, 15.0, 60.0)  # of what is to be read
CODEC_SECONDS = 0.2  # of sound, or a few frames, until a decoder is right after a seek
SAMPLES_PER_CHUNK = 10 * SAMPLE_RATE
SAMPLES_PER_FRAME = exact_div(SAMPLE_RATE, FRAMES_PER_SECOND)
# Where the size changes inside a film, filters that began anew would forget their time.
UNBROKEN = {"reinit_filter": 0}
RAW_SOUND = {"format": "s16le", "acodec": "pcm_s16le", "flush_packets": 0}  # in large pieces

# The fps filter shows at time t the last frame stamped before t + 20 ms. Taking half the time since
# the frame before off each stamp makes that the frame nearest to t, at any rate and a varying one.
# A frame after a long pause is left alone: what stood so long was a still, to be held to its end.
NEAREST_FRAME = (
    f"PTS+if(lt(T-PREV_INT,{STILL_SECONDS}),{0.5 / FRAMES_PER_SECOND}-(T-PREV_INT)/2,0)/TB"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file.

    Attributes
    ----------
    first_frame : int
        At 25 fps, from the file's time zero on.
    frame_count : int or None
        Frames at 25 fps; None: to the end.
    """

    first_frame: int = 0
    frame_count: int | None = None

    @property
    def start_seconds(self) -> float:
        """After time zero."""
        return self.first_frame / FRAMES_PER_SECOND


WHOLE = Span()


def read_frames(
    info: MediaInfo,
    warnings: list[str] | None = None,
    max_side: int = MAX_SIDE,
    span: Span = WHOLE,
    colour: bool = True,
) -> "Iterator[Frame]":
    """Frames at 25 fps: frame n is the source's frame nearest to n * 40 ms of film time.

    Parameters
    ----------
    info : MediaInfo
        Of the file.
    warnings : list of str, optional
        Gets what ffmpeg said of damage.
    max_side : int, optional
        Pixels; larger pictures are made smaller.
    span : Span, optional
        What of it is read.
    colour : bool, optional
        Where it does not matter, frames are planes if their sides are even, see
        `avsync.media.frames`.

    Yields
    ------
    numpy.ndarray
        (height, width, 3) BGR, or (3/2 height, width) planes, uint8.

    Raises
    ------
    MediaError
        Where nothing can be decoded.
    """
    video = info.require_video()
    width, height = decoded_size(video, max_side)
    shape: tuple[int, ...] = (height, width, 3)
    pixels = "bgr24"
    if not colour and width % 2 == height % 2 == 0:
        shape, pixels = (height * 3 // 2, width), "yuv420p"
    scaling = (width, height), {"flags": "area" if width < video.width else "bilinear"}
    output = {"format": "rawvideo", "pix_fmt": pixels}
    read = _even_frames if info.timeline.is_regular else _placed_frames
    for chunk in read(info, video, span, scaling, output, math.prod(shape), warnings):
        yield np.frombuffer(chunk, np.uint8).reshape(shape)


def _even_frames(
    info: MediaInfo, video: VideoStream, span: Span, scaling: Any, output: dict[str, str],
    frame_bytes: int, warnings: list[str] | None,
) -> Iterator[bytes]:  # fmt: skip
    """Frames that ffmpeg chooses, where all stamps run on evenly."""
    start = info.start_seconds
    (size, flags), limit = scaling, _at_most(span.frame_count)
    stream = (
        _opened(info, video.index, span, **UNBROKEN)
        .filter("settb", MICROSECONDS)
        .filter("setpts", f"PTS-({start:.6f})/TB")
        .filter("setpts", NEAREST_FRAME)
        .filter("fps", FRAMES_PER_SECOND, start_time=span.start_seconds)
        .filter("scale", *size, **flags)
        .output("pipe:", **output, **limit)
    )
    for chunk in ffmpeg.read_chunks(stream, frame_bytes, info.path, warnings):
        if len(chunk) == frame_bytes:
            yield chunk


def _placed_frames(
    info: MediaInfo, video: VideoStream, span: Span, scaling: Any, output: dict[str, str],
    frame_bytes: int, warnings: list[str] | None,
) -> Iterator[bytes]:  # fmt: skip
    """Frames that are chosen here, as all of them come, where stamps do not run on evenly."""
    size, flags = scaling
    stamps = DecoderStamps()
    stream = (
        _opened(info, video.index, WHOLE, **UNBROKEN)
        .filter("scale", *size, **flags)
        .filter("settb", MICROSECONDS)
        .filter("showinfo")
        .filter("settb", f"1/{FRAMES_PER_SECOND}")
        .filter("setpts", "N")
        .filter("fps", FRAMES_PER_SECOND)  # forgets for how long a frame was to be shown
        .output("pipe:", **output)
    )
    chunks = ffmpeg.read_chunks(stream, frame_bytes, info.path, warnings, stamps)
    whole = (chunk for chunk in chunks if len(chunk) == frame_bytes)
    placer = Placer(info.timeline, video.index)
    last = None if span.frame_count is None else span.first_frame + span.frame_count
    yield from islice(nearest_frames(whole, stamps, placer), span.first_frame, last)


def read_samples(
    info: MediaInfo, warnings: list[str] | None = None, span: Span = WHOLE
) -> Iterator[NDArray[np.int16]]:
    """Mono sound at 16 kHz, its first sample at the start of the span.

    A track that starts late is preceded by silence; gaps inside it are filled.

    Parameters
    ----------
    info : MediaInfo
        Of the file.
    warnings : list of str, optional
        Gets what ffmpeg said of damage, and where there is no sound, or it comes twice.
    span : Span, optional
        What of it is read.

    Yields
    ------
    numpy.ndarray
        (N,) int16, N as it comes.

    Raises
    ------
    MediaError
        Where nothing can be decoded.
    """
    audio = info.require_audio()
    stamps = DecoderStamps()
    place = span if info.timeline.is_regular else WHOLE
    stream = (
        _opened(info, audio.index, place)
        .filter("asettb", MICROSECONDS)
        .filter("ashowinfo")
        .output("pipe:", ac=audio.channels, ar=SAMPLE_RATE, **RAW_SOUND)
    )
    size = SAMPLES_PER_CHUNK * 2 * audio.channels
    pieces = ffmpeg.read_chunks(stream, size, info.path, warnings, stamps)
    chunks = (_interleaved(piece, audio.channels) for piece in pieces)
    placer = Placer(info.timeline, audio.index, place.start_seconds)
    samples = to_mono(placed_samples(chunks, stamps, placer, [] if warnings is None else warnings))
    skipped = (span.first_frame - place.first_frame) * SAMPLES_PER_FRAME
    count = None if span.frame_count is None else span.frame_count * SAMPLES_PER_FRAME
    yield from cut(samples, skipped, count)


def _opened(info: MediaInfo, index: int, span: Span, **options: Any) -> Any:
    """A stream of a file for ffmpeg, from some way before a span on, with its time stamps kept."""
    options |= {"copyts": None, "itsoffset": f"{BESIDE_SECONDS:f}"}
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


def _interleaved(piece: bytes, channels: int) -> NDArray[np.int16]:
    """Bytes of 16-bit samples -> (N, channels)."""
    whole = len(piece) // (2 * channels) * 2 * channels
    return np.frombuffer(piece[:whole], "<i2").reshape(-1, channels)


def decoded_size(video: VideoStream, max_side: int = MAX_SIDE) -> tuple[int, int]:
    """Width and height of the frames that `read_frames` gives."""
    return fitted(video.width, video.height, max_side)


def fitted(width: int, height: int, max_side: int) -> tuple[int, int]:
    """Width and height of a picture that is made smaller, where it has to be."""
    scale = min(1.0, max_side / max(width, height))
    return max(2, round(width * scale)), max(2, round(height * scale))
