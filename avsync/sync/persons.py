"""Stage 5k: which faces are of one person, where that is plain."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from avsync.timebase import FRAMES_PER_SECOND
from avsync.tracks import FaceTrack

NEXT_FRAMES = FRAMES_PER_SECOND  # at most between a face's end and its next beginning
SAME_PLACE = 0.5  # overlap of the boxes, of their union
SAME_LIPS = 0.94  # cosine of mean embeddings: two people reach it in one case of a thousand


def persons(tracks: Sequence[FaceTrack]) -> list[int]:
    """Number of the person of each face, from 0.

    A face goes on in another that comes next in the same place with the same lips; of two that
    might, in neither.

    Parameters
    ----------
    tracks : sequence of FaceTrack
        In order of appearance, on one timeline.

    Returns
    -------
    list of int
        Of each track.
    """
    who: list[int] = []
    count = 0
    for number, track in enumerate(tracks):
        before = [n for n, other in enumerate(tracks[:number]) if _goes_on(other, track)]
        plain = len(before) == 1 and not any(
            _goes_on(tracks[before[0]], other) for other in tracks if other is not track
        )
        who.append(who[before[0]] if plain else count)
        count += not plain
    return who


def _goes_on(before: FaceTrack, after: FaceTrack) -> bool:
    gap = after.first_frame - before.first_frame - len(before.boxes)
    if not (0 <= gap <= NEXT_FRAMES and len(before.video) and len(after.video)):
        return False
    if _overlap(before.boxes[-1], after.boxes[0]) < SAME_PLACE:
        return False
    a, b = (np.asarray(track.video, np.float32).mean(axis=0) for track in (before, after))
    return float(a @ b) >= SAME_LIPS * float(np.linalg.norm(a) * np.linalg.norm(b))


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Of two boxes (centre x, centre y, width, height), in shares of their union."""
    low = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2)
    high = np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
    shared = float(np.prod(np.maximum(0, high - low)))
    return shared / (float(np.prod(a[2:]) + np.prod(b[2:])) - shared + 1e-9)
