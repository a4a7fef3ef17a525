"""How sound tracks are encoded again where they cannot be copied: with what, and how finely."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.media.container import Inventory, measured_bitrate
from avsync.media.streams import Stream
from avsync.remux.filters import sound_filter

LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "truehd", "mlp")
PREFERRED = {"mp3": "libmp3lame", "opus": "libopus", "vorbis": "libvorbis", "mp2": "mp2"}
# Samples that encoders put in front, which a container without start times cannot take back.
PRIMING_SAMPLES = {"libmp3lame": 1105, "aac": 1024, "mp2": 481, "ac3": 256, "eac3": 256}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a sound track is encoded again.

    Attributes
    ----------
    encoder : str
        Name that ffmpeg calls it by.
    bits_per_second : int or None
        None: lossless.
    """

    encoder: str
    bits_per_second: int | None


def encodings_for(inventory: Inventory, streams: Iterable[Stream]) -> dict[int, Encoding]:
    """How streams are encoded, by their index. Raises MediaError where ffmpeg cannot."""
    available = ffmpeg.encoders()
    return {
        stream.index: Encoding(encoder_for(stream, available), _bitrate(inventory.path, stream))
        for stream in streams
    }


def encoder_for(stream: Stream, available: frozenset[str]) -> str:
    """An encoder that makes the codec of a stream. Raises MediaError where ffmpeg has none."""
    for name in (PREFERRED.get(stream.codec), stream.codec):
        if name and name in available:
            return name
    raise MediaError(
        f"ffmpeg has no encoder for the sound's codec, {stream.codec}: leave out --reencode-audio, "
        "or convert the sound first"
    )


def is_lossless(codec: str) -> bool:
    """Whether encoding again loses nothing, and a bit rate means nothing."""
    return codec.startswith(LOSSLESS)


def filtered(
    kept: list[Stream],
    encodings: Mapping[int, Encoding],
    delays: Mapping[int, float],
    stretch: float,
    keep_pitch: bool,
    picture_start_seconds: float,
    primed: bool,
) -> list[str]:
    """Options that filter and encode streams; `primed`: make up for the priming."""
    options: list[str] = []
    for place, stream in enumerate(kept):
        if stream.index not in encodings:
            continue
        encoding, rate = encodings[stream.index], stream.sample_rate or 48_000
        priming = PRIMING_SAMPLES.get(encoding.encoder, 0) / rate if primed else 0.0
        start, delay_ms = picture_start_seconds + priming, 1000 * delays[stream.index]
        filters = sound_filter(delay_ms, stretch, rate, start, keep_pitch)
        if primed and delay_ms < 0:  # MXF leaves out pictures that have no sound
            filters += f",apad=pad_len={round(-delay_ms / 1000 * rate)}"
        options += [f"-filter:{place}", filters, f"-c:{place}", encoding.encoder]
        if encoding.bits_per_second:
            options += [f"-b:{place}", str(encoding.bits_per_second)]
    return options


def _bitrate(path: Path, stream: Stream) -> int | None:
    if is_lossless(stream.codec):
        return None
    return stream.bits_per_second or measured_bitrate(path, stream.index)
