"""Stage 5b: who speaks: of several faces the one whose lips fit, stretch by stretch (numpy only).

The speaker is not known before the offset is, nor the offset before the speaker. So each candidate
offset gets its own speaker: under it, in each stretch of time, the face that fits best around that
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
MIN_WIDTH = 0.5  # share of the shifts that must be judged for a stretch to have a median
MOST_CELLS = 2_000_000  # of a table: long files with a wide search get longer stretches


@dataclass(frozen=True, slots=True)
class ActiveSpeaker:
    """Stretches of a film in which, at each offset, the face counts that fits it best."""

    blocks: DistanceBlocks  # levelled
    who: NDArray[np.int16]  # (K, shifts): number of the track
    level: float  # median distance of every stretch

    def shares(self, best: NDArray[np.int64], track_count: int) -> list[float]:
        """Each track's share of the evidence, where stretch k has its minimum at `best[k]`."""
        rows = np.arange(len(best))
        gained = gains(self.level, self.blocks.sums[rows, best], self.blocks.counts[rows, best])
        shares = np.bincount(self.who[rows, best], gained, track_count).clip(min=0)
        return [float(share) for share in shares / max(float(shares.sum()), 1e-9)]


def distance_table(looks: Sequence[EmbeddedClip], max_shift: int) -> ActiveSpeaker | None:
    """One table of the stretches of all faces in all looks; None where there are none."""
    faces = all_tracks(looks)
    frames = sum(len(track.video) for _, track in faces)
    times = -(-frames * (2 * max_shift + 1) // (MOST_CELLS * BLOCK_FRAMES))
    frames_each = BLOCK_FRAMES * max(1, times)
    return select_active_speaker([blocks_of(*face, max_shift, frames_each) for face in faces])


def distance_table_of(
    seen: EmbeddedClip, track: FaceTrack, number: int, max_shift: int
) -> ActiveSpeaker | None:
    """The same of one face, which is track `number` of all that are seen."""
    active = select_active_speaker([blocks_of(seen, track, max_shift, BLOCK_FRAMES)])
    return active and replace(active, who=np.full_like(active.who, number))


def blocks_of(
    seen: EmbeddedClip, track: FaceTrack, max_shift: int, frames_each: int
) -> DistanceBlocks:
    """Distances of a face to the sounds around it, on the timeline of the file."""
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
    """(K,) median distance of each stretch; where it has few shifts, that of the track."""
    judged = track.counts > 0
    if not judged.any():
        return np.zeros(len(judged), np.float32)
    means = np.where(judged, track.sums / np.maximum(track.counts, 1), np.nan)
    wide = judged.mean(axis=1) > MIN_WIDTH
    medians = np.full(len(means), np.nanmedian(means), np.float32)
    medians[wide] = np.nanmedian(means[wide], axis=1)
    return medians


def _levelled(track: DistanceBlocks, medians: NDArray[np.float32], level: float) -> DistanceBlocks:
    """Distances moved so that each stretch has the same median.

    Some pictures are far from every sound. That says nothing of any offset, but would favour some
    where the sound ends before the picture, or where faces take turns.
    """
    return replace(track, sums=track.sums + (level - medians)[:, None] * track.counts)


def _fit(track: DistanceBlocks, level: float) -> NDArray[np.float32]:
    """(K, shifts) how well a face fits each offset around each stretch, in units of its noise."""
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
    """(K, shifts) sums over the stretches whose numbers lie within `reach`."""
    running = np.zeros((len(values) + 1, values.shape[1]))
    values.cumsum(axis=0, dtype=np.float64, out=running[1:])
    first = np.searchsorted(numbers, numbers - reach, "left")
    last = np.searchsorted(numbers, numbers + reach, "right")
    return np.asarray(running[last] - running[first])
