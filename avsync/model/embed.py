"""Stage 4: crops and MFCC become embeddings, in batches, while the video streams by.

Nothing here waits for the network before something is to be embedded, so that it may still be
loading while the first pictures are looked at.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.crops import CropGeometry, crop
from avsync.faces.tracking import FacesInFrame
from avsync.model.batches import (
    FRAMES_PER_BATCH,
    HOPS_PER_BATCH,
    Batches,
    Crop,
    EmbeddingModel,
    Loading,
)
from avsync.model.runtimes import Embedded, Waiting
from avsync.timebase import WINDOW_FRAMES, WINDOW_HOPS
from avsync.tracks import FaceTrack

STORED_BATCHES = 64  # each of 32 windows
LONG_FRAMES, LONG_HOPS = 15_000, 60_000  # ten minutes


@dataclass(slots=True)
class _OpenTrack:
    """A track that is still being seen: crops wait here until they make a batch."""

    first_frame: int
    boxes: list[Box] = field(default_factory=list)
    waiting: list[Crop] = field(default_factory=list)
    done: deque[Future[Waiting]] = field(default_factory=deque)
    stored: list[Embedded] = field(default_factory=list)

    def embed(self, batches: Batches) -> None:
        """Embed the windows that are complete; the last four frames belong to the next, too."""
        if len(self.waiting) >= WINDOW_FRAMES:
            self.done.append(batches.embed(self.waiting))
            self.waiting = self.waiting[1 - WINDOW_FRAMES :]
        if len(self.done) > 2 * STORED_BATCHES:
            self._store(STORED_BATCHES)

    def close(self, size: int) -> FaceTrack:
        """Wait for what is being embedded; of long tracks it is kept in half precision."""
        boxes = np.array([(b.x, b.y, b.width, b.height) for b in self.boxes], np.float32)
        count = max(0, len(boxes) - WINDOW_FRAMES + 1)
        if self.done:
            self._store(len(self.done))
        video = np.empty((count, size), np.float16 if count > LONG_FRAMES else np.float32)
        first = 0
        for rows in self.stored:
            video[first : first + len(rows)] = rows
            first += len(rows)
        return FaceTrack(self.first_frame, boxes, video)

    def _store(self, batches: int) -> None:
        """Put the oldest together: thousands of small arrays would leave memory in pieces."""
        self.stored.append(np.concatenate([self.done.popleft().result()() for _ in range(batches)]))


def embed_tracks(
    seen: Iterable[FacesInFrame], geometry: CropGeometry, network: Loading, threads: int
) -> list[FaceTrack]:
    """Embed every face track of a stream of frames, in order of appearance.

    Parameters
    ----------
    seen : iterable of FacesInFrame
        Frames in order, with their faces.
    geometry : CropGeometry
        How the network wants its crops.
    network : callable
        Waits until it is loaded.
    threads : int
        That may embed at once.
    """
    tracks: dict[int, _OpenTrack] = {}
    ended: dict[int, _OpenTrack] = {}
    with Batches(network, threads) as batches:
        for faces in seen:
            for number, box in faces.boxes.items():
                track = tracks.setdefault(number, _OpenTrack(faces.index))
                _add(track, faces, box, geometry)
                if len(track.waiting) == FRAMES_PER_BATCH:
                    track.embed(batches)
            for number in [n for n in tracks if n not in faces.boxes]:
                tracks[number].embed(batches)
                ended[number] = tracks.pop(number)
        for number, track in tracks.items():
            track.embed(batches)
            ended[number] = track
        size = network().runtime.embedding_size
        return [ended[number].close(size) for number in sorted(ended)]


def embed_crops(crops: Sequence[Crop], network: EmbeddingModel) -> Embedded:
    """Embed the crops of one face, frame by frame.

    Parameters
    ----------
    crops : sequence of numpy.ndarray
        T of them, of consecutive frames.
    network : EmbeddingModel
        What embeds.

    Returns
    -------
    numpy.ndarray
        (max(0, T - 4), D) float32: one window of 5 frames starts at each frame.
    """
    step = FRAMES_PER_BATCH - WINDOW_FRAMES + 1
    starts = range(0, len(crops) - WINDOW_FRAMES + 1, step)
    with Batches(lambda: network, network.threads) as batches:
        done = [batches.embed(list(crops[first : first + FRAMES_PER_BATCH])) for first in starts]
        arrays = [future.result()() for future in done]
    size = network.runtime.embedding_size
    return np.concatenate([np.zeros((0, size), np.float32), *arrays])


def embed_sound(mfcc: NDArray[np.float32], network: EmbeddingModel) -> NDArray[Any]:
    """Embed sound: one window of 0.2 s starts at each 10 ms.

    Filled in place, so as not to be there twice.

    Parameters
    ----------
    mfcc : numpy.ndarray
        (S, 13).
    network : EmbeddingModel
        What embeds.

    Returns
    -------
    numpy.ndarray
        (max(0, S - 19), D); of more than ten minutes in half precision: an hour is 180 MB then.
    """
    count = max(0, len(mfcc) - WINDOW_HOPS + 1)
    kind = np.float16 if count > LONG_HOPS else np.float32
    done = np.empty((count, network.runtime.embedding_size), kind)
    with Batches(lambda: network, network.threads) as batches:
        parts = [
            batches.fill(done[first : first + HOPS_PER_BATCH], mfcc[first:])
            for first in range(0, count, HOPS_PER_BATCH)
        ]
        for part in parts:
            part.result()
    return done


def _add(track: _OpenTrack, faces: FacesInFrame, box: Box, geometry: CropGeometry) -> None:
    track.boxes.append(box)
    track.waiting.append(crop(faces.frame, box, geometry))
