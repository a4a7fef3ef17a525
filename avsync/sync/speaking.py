"""Stage 5h: what each frame of a face tells by itself of whether it is heard (numpy only).

By how much its lips fit the sound at their offset better than the sounds around it, how much of
that sound is more than silence, and whether lips move at all. `turns` reads frames together.
"""

import numpy as np
from numpy.typing import NDArray

from avsync.sync.blocks import nearby_distances
from avsync.timebase import HOPS_PER_FRAME, WINDOW_FRAMES, WINDOW_HOPS
from avsync.tracks import EmbeddedClip, FaceTrack

FEATURES = ("fit", "depth", "distance", "sounding", "motion")
AROUND_HOPS = 100  # to either side: the sounds that a face is compared with
CHUNK_FRAMES = 500  # that are compared at once
SHARPNESS = 8.0  # of the soft minimum of distances
MOTION_FRAMES = 15  # over which lips are seen to move
MIDDLE = WINDOW_FRAMES // 2  # frame of its window that an embedding stands for


def features(
    seen: EmbeddedClip, track: FaceTrack, shifts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What a face tells of whether it is heard, frame by frame.

    Parameters
    ----------
    seen : EmbeddedClip
        The look at the file in which it is.
    track : FaceTrack
        The face.
    shifts : numpy.ndarray
        (V,) hops of 10 ms after each picture at which its sound lies.

    Returns
    -------
    numpy.ndarray
        (T, 5): `FEATURES`; of what has no sound, zeros.
    """
    count = len(track.video)
    rows = [
        _compared(seen, track, shifts[first : first + CHUNK_FRAMES], first)
        for first in range(0, count, CHUNK_FRAMES)
    ]
    table = np.concatenate([np.zeros((0, len(FEATURES)), np.float32), *rows])
    table[:, 4] = _motion(track.video)
    frames = np.clip(np.arange(len(track.boxes)) - MIDDLE, 0, max(0, count - 1))
    return table[frames] if count else np.zeros((len(track.boxes), len(FEATURES)), np.float32)


def _compared(
    seen: EmbeddedClip, track: FaceTrack, shifts: NDArray[np.int64], first: int
) -> NDArray[np.float32]:
    """(R, 5) of so many windows from `first` on; motion is left 0."""
    table = np.zeros((len(shifts), len(FEATURES)), np.float32)
    pictures = np.asarray(track.video[first : first + len(shifts)], np.float32)
    hops = (track.first_frame + first + np.arange(len(shifts))) * HOPS_PER_FRAME + shifts
    middle = int(np.median(shifts))
    reach = AROUND_HOPS + int(np.abs(shifts - middle).max(initial=0))
    start = (track.first_frame + first) * HOPS_PER_FRAME + middle - reach
    near = nearby_distances(pictures, seen.audio, start, 2 * reach + 1)
    own = near[np.arange(len(shifts)), shifts - middle + reach]
    judged = np.isfinite(own)
    if not judged.any():
        return table
    near, own = near[judged], own[judged]
    soft = -np.log(np.nanmean(np.exp(-SHARPNESS * near), axis=1)) / SHARPNESS
    heard = _share(seen.sounding, hops[judged])
    table[judged, 0] = (soft - own) * heard
    table[judged, 1] = (np.nanmedian(near, axis=1) - own) * heard
    table[judged, 2] = own * heard
    table[judged, 3] = heard
    return table


def _share(sounding: NDArray[np.bool_], hops: NDArray[np.int64]) -> NDArray[np.float32]:
    """Of the 0.2 s from each hop on, in how much something is heard."""
    running = np.concatenate([[0], np.cumsum(sounding)])
    ends = np.clip(np.stack([hops, hops + WINDOW_HOPS]), 0, len(sounding))
    return np.asarray((running[ends[1]] - running[ends[0]]) / WINDOW_HOPS, np.float32)


def _motion(video: NDArray[np.floating]) -> NDArray[np.float32]:
    """(V,) how much lips move around each window: how far embeddings lie from the one before."""
    if len(video) < 2:
        return np.zeros(len(video), np.float32)
    steps = np.linalg.norm(np.diff(np.asarray(video, np.float32), axis=0), axis=1)
    steps = np.concatenate([steps[:1], steps])
    running = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(len(steps))
    first = np.maximum(at - MOTION_FRAMES // 2, 0)
    last = np.minimum(at + MOTION_FRAMES // 2 + 1, len(steps))
    return np.asarray((running[last] - running[first]) / (last - first), np.float32)
