"""Stage 5j: how surely each face is heard, frame by frame, and the stretches in which it speaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.findings import Segment, offset_at
from avsync.sync.speaking import features
from avsync.sync.turns import TURNS, Observed, speaking_probabilities
from avsync.timebase import FRAMES_PER_SECOND, HOP_MS
from avsync.tracks import EmbeddedClip, FaceTrack

SURE, LIKELY = 0.5, 0.25  # scores: a stretch holds one of the first, and none below the second
PAUSE_FRAMES = 10  # a pause that is shorter ends no stretch
SHORTEST_FRAMES = 5


@dataclass(frozen=True, slots=True)
class FaceOffset:
    """Where the sound of a face lies.

    Attributes
    ----------
    offsets_ms : numpy.ndarray
        (V,) at each of its pictures; positive: the sound is early.
    confidence : float
        Probability that they are within 40 ms of the truth.
    """

    offsets_ms: NDArray[np.float64]
    confidence: float

    @property
    def shifts(self) -> NDArray[np.int64]:
        """(V,) hops of 10 ms after each of its pictures."""
        return np.rint(-self.offsets_ms / HOP_MS).astype(np.int64)

    def at(self, frame: int) -> float:
        """In ms, at a frame of the face; 0 for one that is too short for an embedding."""
        if not len(self.offsets_ms):
            return 0.0
        return round(float(self.offsets_ms[min(frame, len(self.offsets_ms) - 1)]), 1)


def film_offsets(
    segments: Sequence[Segment], seen: EmbeddedClip, track: FaceTrack
) -> NDArray[np.float64]:
    """(V,) offset in ms at each picture of a face, of what is known of the film.

    Parameters
    ----------
    segments : sequence of Segment
        One or more.
    seen : EmbeddedClip
        The look at the film in which the face is.
    track : FaceTrack
        The face.
    """
    first = seen.first_frame + track.first_frame
    times = (np.arange(first, first + len(track.video)) / FRAMES_PER_SECOND).tolist()
    return np.array([offset_at(segments, time) for time in times], np.float64)


def speaking_scores(seen: EmbeddedClip, offsets: Sequence[FaceOffset]) -> list[NDArray[np.float32]]:
    """(T,) of each face: the probability that what is heard is said by it, for each 40 ms."""
    observed = [
        Observed(track.first_frame, TURNS.log_odds(features(seen, track, offset.shifts)))
        for track, offset in zip(seen.tracks, offsets, strict=True)
    ]
    return [
        np.asarray(offset.confidence * found, np.float32)
        for offset, found in zip(offsets, speaking_probabilities(observed), strict=True)
    ]


def stretches(scores: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """(first, end) of each stretch in which a face speaks, by hysteresis.

    Parameters
    ----------
    scores : numpy.ndarray
        (T,) probability of each frame.
    """
    likely = [run for run in runs(scores >= LIKELY) if scores[slice(*run)].max() >= SURE]
    joined: list[tuple[int, int]] = []
    for first, end in likely:
        if joined and first - joined[-1][1] <= PAUSE_FRAMES:
            first = joined.pop()[0]
        joined.append((first, end))
    return ((first, end) for first, end in joined if end - first >= SHORTEST_FRAMES)


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, end) of each stretch in which a mask holds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
