"""Pictures at 25 fps and sound at 16 kHz become a file that every program reads."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

PICTURE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "17", "-pix_fmt", "yuv420p")
# Without loss, and without the delay that encoders like AAC's put before a sound. Older ffmpegs
# take it for an experiment in MP4.
SOUND = ("-c:a", "flac", "-strict", "-2")


def write_clip(
    draft: Path,
    frames: Iterable[NDArray[np.uint8]],
    samples: NDArray[np.int16],
    path: str | os.PathLike[str],
) -> None:
    """Write an MP4 of H.264 and FLAC; picture and sound begin together.

    Parameters
    ----------
    draft : Path
        The file; nothing may be there yet.
    frames : iterable of numpy.ndarray
        (H, W, 3) BGR each, all of one size; what is odd of it is cut off.
    samples : numpy.ndarray
        (N,) at 16 kHz.
    path : path-like
        Name of the file in messages.

    Raises
    ------
    MediaError
        Where ffmpeg cannot.
    OSError
        Where the system does not let the sound be put beside it.
    """
    pictures = iter(frames)
    first = next(pictures, None)
    if first is None:
        raise MediaError(f"{os.fspath(path)}: there are no pictures for it")
    height, width = (side // 2 * 2 for side in first.shape[:2])
    sound = draft.with_suffix(".raw")
    sound.write_bytes(samples.astype("<i2").tobytes())

    def raw() -> Iterator[bytes]:
        yield first[:height, :width].tobytes()
        yield from (frame[:height, :width].tobytes() for frame in pictures)

    arguments = [
        "-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{width}x{height}",
        "-r", str(FRAMES_PER_SECOND), "-i", "pipe:0",
        "-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", ffmpeg.input_url(sound),
        *PICTURE, *SOUND, "-movflags", "+faststart", ffmpeg.input_url(draft),
    ]  # fmt: skip
    ffmpeg.write_drawn(arguments, raw(), path)
    sound.unlink()
