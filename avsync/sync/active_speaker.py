"""Stage 5b: who speaks: of several faces the one whose lips fit, block by block (numpy only).

The speaker is not known before the offset is, nor the offset before the speaker. So each candidate
offset gets its own speaker: under it, in each block of time, the face that fits best around that
time is taken. A wrong offset is favoured by this as much as the right one, so that nothing is
decided before everything is added up. Listeners, posters and faces in the wings drop out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from avsync.sync.blocks import BLOCK_FRAMES, DistanceBlocks, distance_blocks, gains
from avsync.timebase import FRAMES_PER_SECOND
from avsync.tracks import EmbeddedClip, FaceTrack, all_tracks

REACH_SECONDS = 2.0  # to either side: a turn of talk, long enough to tell lips that fit
MIN_WIDTH = 0.5  # share of the shifts that must be judged for a block to have a median
MOST_CELLS = 2_000_000  # of a table: long files with a wide search get longer blocks


@dataclass(frozen=True, slots=True)
class ActiveSpeaker:
    """Blocks of a film in which, at each offset, the face counts that fits it best.

    Attributes
    ----------
    blocks : DistanceBlocks
        Levelled: all have the same median.
    who : numpy.ndarray
        (K, shifts) number of the track.
    level : float
        That median, a distance.
    """

    blocks: DistanceBlocks
    who: NDArray[np.int16]
    level: float

    def shares(self, best: NDArray[np.int64], track_count: int) -> list[float]:
        """Each track's share of the evidence.

        Parameters
        ----------
        best : numpy.ndarray
            (K,) index of the minimum in each block.
        track_count : int
            Of all tracks that are seen.

        Returns
        -------
        list of float
            They sum to 1, or are all 0.
        """
        rows = np.arange(len(best))
        gained = gains(self.level, self.blocks.sums[rows, best], self.blocks.counts[rows, best])
        shares = np.bincount(self.who[rows, best], gained, track_count).clip(min=0)
        return [float(share) for share in shares / max(float(shares.sum()), 1e-9)]


def distance_table(looks: Sequence[EmbeddedClip], max_shift: int) -> ActiveSpeaker | None:
    """One table of the blocks of all faces in all looks; None where there are none.

    Parameters
    ----------
    looks : sequence of EmbeddedClip
        At the file, in time.
    max_shift : int
        Hops of 10 ms to either side.
    """
    faces = all_tracks(looks)
    frames = sum(len(track.video) for _, track in faces)
    times = -(-frames * (2 * max_shift + 1) // (MOST_CELLS * BLOCK_FRAMES))
    frames_each = BLOCK_FRAMES * max(1, times)
    return select_active_speaker([blocks_of(*face, max_shift, frames_each) for face in faces])


def distance_table_of(
    seen: EmbeddedClip, track: FaceTrack, number: int, max_shift: int
) -> ActiveSpeaker | None:
    """The same of one face.

    Parameters
    ----------
    seen : EmbeddedClip
        The look at the file in which it is.
    track : FaceTrack
        The face.
    number : int
        Of the track among all that are seen.
    max_shift : int
        Hops of 10 ms to either side.
    """
    active = select_active_speaker([blocks_of(seen, track, max_shift, BLOCK_FRAMES)])
    return active and replace(active, who=np.full_like(active.who, number))


def blocks_of(
    seen: EmbeddedClip, track: FaceTrack, max_shift: int, frames_each: int
) -> DistanceBlocks:
    """Distances of a face to the sounds around it, on the timeline of the file.

    Parameters
    ----------
    seen : EmbeddedClip
        The look at the file in which it is.
    track : FaceTrack
        The face.
    max_shift : int
        Hops of 10 ms to either side.
    frames_each : int
        Of a block, at 25 fps.
    """
    near = distance_blocks(track.video, seen.audio, track.first_frame, max_shift, frames_each)
    return replace(near, numbers=near.numbers + seen.first_frame // frames_each)


def select_active_speaker(tracks: Sequence[DistanceBlocks]) -> ActiveSpeaker | None:
    """Choose between faces: see the head of this module."""
    medians = [_medians(track) for track in tracks]
    if not sum(map(len, medians)):
        return None
    level = float(np.median(np.concatenate(medians)))
    numbers = np.unique(np.concatenate([track.numbers for track in tracks]))
    sums, counts = np.zeros((2, len(numbers), tracks[0].sums.shape[1]), np.float32)
    best, who = np.full_like(sums, -np.inf), np.zeros(sums.shape, np.int16)
    for number, (uneven, median) in enumerate(zip(tracks, medians, strict=True)):
        track = _levelled(uneven, median, level)
        rows = np.searchsorted(numbers, track.numbers)
        fit = _fit(track, level)
        better = fit > best[rows]
        for table, own in ((best, fit), (sums, track.sums), (counts, track.counts), (who, number)):
            table[rows] = np.where(better, own, table[rows])
    return ActiveSpeaker(DistanceBlocks(numbers, tracks[0].frames_each, sums, counts), who, level)


def _medians(track: DistanceBlocks) -> NDArray[np.float32]:
    """(K,) median distance of each block; where it has few shifts, that of the track."""
    judged = track.counts > 0
    if not judged.any():
        return np.zeros(len(judged), np.float32)
    means = np.where(judged, track.sums / np.maximum(track.counts, 1), np.nan)
    wide = judged.mean(axis=1) > MIN_WIDTH
    medians = np.full(len(means), np.nanmedian(means), np.float32)
    medians[wide] = np.nanmedian(means[wide], axis=1)
    return medians


def _levelled(track: DistanceBlocks, medians: NDArray[np.float32], level: float) -> DistanceBlocks:
    """Distances moved so that each block has the same median.

    Some pictures are far from every sound. That says nothing of any offset, but would favour some
    where the sound ends before the picture, or where faces take turns.
    """
    return replace(track, sums=track.sums + (level - medians)[:, None] * track.counts)


def _fit(track: DistanceBlocks, level: float) -> NDArray[np.float32]:
    """(K, shifts) how well a face fits each offset around each block, in units of its noise."""
    gained = gains(level, track.sums, track.counts)
    judged = track.counts > 0
    noise = float(np.sqrt(np.mean(gained[judged] ** 2))) if judged.any() else 1.0
    reach = round(REACH_SECONDS * FRAMES_PER_SECOND / track.frames_each)
    total, count = (_around(track.numbers, table, reach) for table in (gained, track.counts))
    fit = total / (np.sqrt(np.maximum(count, 1)) * (noise + 1e-9))
    return np.where(judged, fit, -np.inf).astype(np.float32)


def _around(
    numbers: NDArray[np.int64], values: NDArray[np.float32], reach: int
) -> NDArray[np.float64]:
    """(K, shifts) sums over the blocks whose numbers lie within `reach`."""
    running = np.zeros((len(values) + 1, values.shape[1]))
    values.cumsum(axis=0, dtype=np.float64, out=running[1:])
    first = np.searchsorted(numbers, numbers - reach, "left")
    last = np.searchsorted(numbers, numbers + reach, "right")
    return np.asarray(running[last] - running[first])
