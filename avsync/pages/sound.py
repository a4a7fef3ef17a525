"""The sound that a page carries, so that the cure can be heard without writing a file.

A browser that opens a page from the disk does not let it touch the samples of a video beside it.
So the page has a copy of its own: what avsync heard, in Opus, of short files all of it, of long
ones a few stretches.
"""

import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.errors import AvsyncError
from avsync.media import ffmpeg
from avsync.pipeline.taps import HeardSound
from avsync.timebase import SAMPLE_RATE

MOST_SECONDS = 150.0  # that a page carries: half a megabyte
CODECS = (  # Opus says itself how much of its beginning is to be dropped
    ("webm", "audio/webm", ("-c:a", "libopus", "-b:a", "24k", "-compression_level", "5")),
    ("flac", "audio/flac", ("-c:a", "flac", "-compression_level", "12")),
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a film whose sound the page carries."""

    start_seconds: float  # in the film
    end_seconds: float
    at_seconds: float  # in the copy


@dataclass(frozen=True, slots=True)
class SoundCopy:
    """Encoded sound, and which parts of the film it has."""

    kind: str  # MIME
    data: bytes
    stretches: tuple[Stretch, ...]


def copy_of(sounds: Sequence[HeardSound]) -> SoundCopy | None:
    """As much of what was heard as a page can carry; None where there is none, or no encoder."""
    pieces = list(_shared_out(sounds))
    if not pieces:
        return None
    stretches, at = [], 0.0
    for start, samples in pieces:
        seconds = len(samples) / SAMPLE_RATE
        stretches.append(Stretch(round(start, 3), round(start + seconds, 3), round(at, 4)))
        at += seconds
    joined = np.concatenate([samples for _, samples in pieces])
    for suffix, kind, options in CODECS:
        try:
            return SoundCopy(kind, _encoded(joined, suffix, options), tuple(stretches))
        except AvsyncError:
            continue  # not every ffmpeg has it
    return None


def _shared_out(sounds: Sequence[HeardSound]) -> Iterator[tuple[float, NDArray[np.int16]]]:
    """(start in seconds, samples): an even share of each look."""
    share = round(MOST_SECONDS / max(1, len(sounds)) * SAMPLE_RATE)
    for sound in sounds:
        if len(sound.samples):
            yield sound.start_seconds, sound.samples[:share]


def _encoded(samples: NDArray[np.int16], suffix: str, options: Sequence[str]) -> bytes:
    """Raises AvsyncError where ffmpeg cannot."""
    with tempfile.TemporaryDirectory(prefix="avsync-") as folder:
        source, target = Path(folder) / "heard.wav", Path(folder) / f"heard.{suffix}"
        with wave.open(str(source), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        plain = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
        argv = ["-i", ffmpeg.input_url(source), *plain, *options, ffmpeg.input_url(target)]
        ffmpeg.write_file(argv, source, lambda _: None)
        return target.read_bytes()
