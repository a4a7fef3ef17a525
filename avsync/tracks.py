"""What is seen and heard, embedded: face tracks, and the sound beside them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.timebase import FRAMES_PER_SECOND, WINDOW_HOPS

TOGETHER_SECONDS = 2.0  # that faces must be seen at once to be compared with each other


@dataclass(frozen=True, slots=True)
class IndexedRows:
    """Rows of an array in another order, copied only where asked for: an hour's are 180 MB.

    Attributes
    ----------
    rows : array
        (S, D).
    order : numpy.ndarray
        (N,) which of them come, one after the other.
    """

    rows: "Sounds"
    order: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, part: Any) -> NDArray[Any]:
        return self.rows[self.order[part]]


Sounds = NDArray[Any] | IndexedRows  # (S, D): one window starts at each 10 ms


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One face, from when it appears until it is gone, embedded.

    Attributes
    ----------
    first_frame : int
        At 25 fps, since the look at the file began.
    boxes : numpy.ndarray
        (T, 4) centre x, centre y, width, height, in the source's pixels.
    video : numpy.ndarray
        (max(0, T - 4), D) embeddings: one window of 5 frames starts at each frame.

    Examples
    --------
    >>> FaceTrack(0, np.zeros((9, 4), np.float32), np.zeros((5, 256), np.float32)).first_frame
    0
    """

    first_frame: int
    boxes: NDArray[np.float32]
    video: NDArray[Any]


@dataclass(frozen=True, slots=True)
class EmbeddedClip:
    """What the two streams made of a look at a file: all of it, or a part.

    Attributes
    ----------
    tracks : sequence of FaceTrack
        In order of appearance.
    audio : array
        (S, D) embeddings of the sound: one window of 0.2 s starts at each 10 ms, since the look
        began. Slices of it are numpy arrays.
    sounding : numpy.ndarray
        By 10 ms: whether something is heard.
    frame_count : int
        That were looked at, at 25 fps.
    first_frame : int
        Of the look, on the timeline of the file; a multiple of 10, which are 0.4 s.

    Examples
    --------
    >>> clip = EmbeddedClip([], np.zeros((81, 256)), np.ones(100, bool), frame_count=25)
    >>> np.asarray(clip.audio[:10]).shape
    (10, 256)
    """

    tracks: Sequence[FaceTrack]
    audio: Sounds
    sounding: NDArray[np.bool_]
    frame_count: int
    first_frame: int = 0


def all_tracks(looks: Sequence[EmbeddedClip]) -> list[tuple[EmbeddedClip, FaceTrack]]:
    """The faces of all looks at a file; a face's number is its place in this list."""
    return [(seen, track) for seen in looks for track in seen.tracks]


def seen_at_once(looks: Sequence[EmbeddedClip]) -> list[tuple[int, int]]:
    """Pairs of faces, by their numbers in all looks, that are seen together for some time."""
    return [
        (a, b)
        for (a, (seen, one)), (b, (also, other)) in combinations(enumerate(all_tracks(looks)), 2)
        if seen is also and _frames_shared(one, other) >= TOGETHER_SECONDS * FRAMES_PER_SECOND
    ]


def _frames_shared(a: FaceTrack, b: FaceTrack) -> int:
    last = min(track.first_frame + len(track.boxes) for track in (a, b))
    return last - max(a.first_frame, b.first_frame)


def stretched(seen: EmbeddedClip, stretch: float) -> EmbeddedClip:
    """What would be seen and heard if the sound were `stretch` times as long."""
    if stretch == 1.0:
        return seen
    half = WINDOW_HOPS / 2  # an embedding stands for the middle of its window
    count = round(len(seen.audio) * stretch)
    source = np.rint((np.arange(count) + half) / stretch - half).astype(int)
    source = np.clip(source, 0, max(0, len(seen.audio) - 1))
    audio = IndexedRows(seen.audio, source)
    steps = np.rint(np.arange(round(len(seen.sounding) * stretch)) / stretch).astype(int)
    steps = np.clip(steps, 0, max(0, len(seen.sounding) - 1))
    return replace(seen, audio=audio, sounding=seen.sounding[steps])
