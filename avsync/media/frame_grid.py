"""Frames at any rate become frames on the grid of 25 a second, by where their stamps lie."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from avsync.media.decoder_stamps import DecoderStamps
from avsync.media.timeline import Placer
from avsync.timebase import FRAMES_PER_SECOND

STILL_SECONDS = 0.12  # a frame that stands longer is a still, to be held to its end
T = TypeVar("T")


def nearest_frames(frames: Iterable[T], stamps: DecoderStamps, placer: Placer) -> Iterator[T]:
    """Frame n is the one nearest to n * 40 ms of film time.

    A frame that stands for long is a still, to be held to its end. Frames whose film time goes back
    are left out.

    Parameters
    ----------
    frames : iterable of any
        As they were decoded, at any rate.
    stamps : DecoderStamps
        Of each frame.
    placer : Placer
        Tells their film time.
    """
    number, held, at, step = 0, None, 0.0, 1 / FRAMES_PER_SECOND
    for frame in frames:
        stamp = stamps.next()
        film = placer.place(stamp.stamp_seconds if stamp else None, step)
        if held is not None:
            if film <= at:
                continue
            lasting = film - at
            step = lasting if lasting < STILL_SECONDS else step
            until = film if lasting >= STILL_SECONDS else at + lasting / 2
            while number / FRAMES_PER_SECOND < until:
                yield held
                number += 1
        held, at = frame, film
    while held is not None and number / FRAMES_PER_SECOND < at + step / 2:
        yield held
        number += 1
