"""Pictures at 25 fps and sound at 16 kHz become a file that every program reads."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.media.processes import Work, feed
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

PICTURE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "17", "-pix_fmt", "yuv420p")
# Without loss, and without the delay that encoders like AAC's put before a sound. Older ffmpegs
# take it for an experiment in MP4.
SOUND = ("-c:a", "flac", "-strict", "-2")


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], samples: NDArray[np.int16]) -> None:
    """Write an MP4 of H.264 and FLAC; picture and sound begin together.

    Parameters
    ----------
    path : Path
        Of the file; nothing may be there yet.
    frames : iterable of numpy.ndarray
        (H, W, 3) BGR each, all of one size; what is odd of it is cut off.
    samples : numpy.ndarray
        (N,) at 16 kHz.

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
        raise MediaError(f"{path.name}: cannot be written: there are no pictures for it")
    height, width = (side // 2 * 2 for side in first.shape[:2])
    sound = path.with_suffix(".raw")
    sound.write_bytes(samples.astype("<i2").tobytes())
    work = Work([
        "-hide_banner", "-loglevel", "level+error", "-f", "rawvideo", "-pix_fmt", "bgr24",
        "-s", f"{width}x{height}", "-r", str(FRAMES_PER_SECOND), "-i", "pipe:0",
        "-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", ffmpeg.input_url(sound),
        *PICTURE, *SOUND, "-movflags", "+faststart", ffmpeg.input_url(path),
    ])  # fmt: skip

    def chunks() -> Iterable[bytes]:
        yield np.ascontiguousarray(first[:height, :width]).tobytes()
        for frame in pictures:
            yield np.ascontiguousarray(frame[:height, :width]).tobytes()

    feed(work, chunks())
    sound.unlink()
    if work.status:
        raise MediaError(f"{path.name}: cannot be written: {' | '.join(work.tail)}")
