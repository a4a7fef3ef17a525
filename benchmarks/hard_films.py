"""Films of many people, one after the other, all in step."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from hard_material import GOOD, SECONDS, Clip, moved
from numpy.typing import NDArray

from avsync.media.decode import read_frames, read_samples
from avsync.media.ffmpeg import find_ffmpeg
from avsync.media.probe import probe
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

WIDTH, HEIGHT = 640, 360  # pixels


def compile_clips(clips: Sequence[Clip], output: Path) -> NDArray[np.float64]:
    """One picture after another into `output`, and their sound, each clip put in step with it.

    Frames and samples are those that avsync itself reads, so that nothing creeps at the joints.
    """
    sounds = []
    with writing_frames(output) as pipe:
        for clip in clips:
            info = probe(clip.path)
            count = 0
            for frame in islice(read_frames(info), round(SECONDS * FRAMES_PER_SECOND)):
                pipe.write(letterboxed(frame).tobytes())
                count += 1
            sound = moved(np.concatenate([*read_samples(info)]), round(clip.offset_ms))
            length = count * SAMPLE_RATE // FRAMES_PER_SECOND
            sounds.append(np.pad(sound[:length], (0, max(0, length - len(sound)))))
    return np.concatenate(sounds).astype(np.float64)


@contextmanager
def writing_frames(output: Path) -> Iterator[IO[bytes]]:
    """A pipe into which raw frames of a film are written."""
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "25")
    argv = [find_ffmpeg(), "-y", "-loglevel", "error", *raw, "-i", "pipe:", *GOOD, str(output)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin
        yield process.stdin
        process.stdin.close()
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, argv)


def letterboxed(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture in the middle of one of the size of a film."""
    height, width = frame.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    width, height = round(width * scale), round(height * scale)
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    film = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    film[top : top + height, left : left + width] = small
    return film
