"""Stage 4: crops and MFCC become embeddings, in batches, while the video streams by."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.boxes import Box
from avsync.faces import FacesInFrame
from avsync.features import CropGeometry, crop
from avsync.model import Streams
from avsync.timebase import WINDOW_FRAMES, WINDOW_STEPS

FRAMES_PER_BATCH = 128
STEPS_PER_BATCH = 2048

Embedded = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TrackEmbeddings:
    """One face track, embedded."""

    first_frame: int  # on the 25-fps timeline
    boxes: NDArray[np.float32]  # (T, 4) centre x, y, width, height; pixels as decoded
    video: Embedded  # (max(0, T - 4), D): one window starts at each frame


@dataclass(slots=True)
class _OpenTrack:
    """A track that is still being seen: crops wait here until they make a batch."""

    first_frame: int
    boxes: list[Box] = field(default_factory=list)
    waiting: list[NDArray[np.uint8]] = field(default_factory=list)
    done: list[Embedded] = field(default_factory=list)

    def embed(self, streams: Streams, device: str) -> None:
        """Embed the windows that are complete; the last four frames belong to the next, too."""
        if len(self.waiting) >= WINDOW_FRAMES:
            frames = torch.from_numpy(np.stack(self.waiting)).to(device)
            self.done.append(_array(streams.embed_video(frames)))
            self.waiting = self.waiting[1 - WINDOW_FRAMES :]

    def close(self, size: int) -> TrackEmbeddings:
        boxes = np.array([(b.x, b.y, b.width, b.height) for b in self.boxes], np.float32)
        video = np.concatenate([np.zeros((0, size), np.float32), *self.done])
        return TrackEmbeddings(self.first_frame, boxes, video)


@torch.inference_mode()
def embed_tracks(
    seen: Iterable[FacesInFrame], streams: Streams, device: str = "cpu"
) -> list[TrackEmbeddings]:
    """Embed every face track of a stream of frames, in order of appearance."""
    geometry, size = streams.config.geometry, streams.config.embedding_size
    tracks: dict[int, _OpenTrack] = {}
    closed: dict[int, TrackEmbeddings] = {}
    for faces in seen:
        for number, box in faces.boxes.items():
            track = tracks.setdefault(number, _OpenTrack(faces.index))
            _add(track, faces, box, geometry)
            if len(track.waiting) == FRAMES_PER_BATCH:
                track.embed(streams, device)
        for number in [n for n in tracks if n not in faces.boxes]:
            tracks[number].embed(streams, device)
            closed[number] = tracks.pop(number).close(size)
    for number, track in tracks.items():
        track.embed(streams, device)
        closed[number] = track.close(size)
    return [closed[number] for number in sorted(closed)]


@torch.inference_mode()
def embed_sound(mfcc: NDArray[np.float32], streams: Streams, device: str = "cpu") -> Embedded:
    """(S, 13) MFCC -> (max(0, S - 19), D): one window starts at each 10 ms.

    On one thread, whatever the machine has: how torch splits these convolutions changes their last
    bits, and an offset must not depend on how many files are measured at once.
    """
    count = max(0, len(mfcc) - WINDOW_STEPS + 1)
    # Filled in place: an hour of sound is 370 MB, which must not be there twice.
    done = np.empty((count, streams.config.embedding_size), np.float32)
    with _one_thread():
        for first in range(0, count, STEPS_PER_BATCH):
            part = torch.from_numpy(mfcc[first : first + STEPS_PER_BATCH + WINDOW_STEPS - 1])
            embedded = _array(streams.embed_audio(part.to(device)))
            done[first : first + len(embedded)] = embedded
    return done


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _add(track: _OpenTrack, faces: FacesInFrame, box: Box, geometry: CropGeometry) -> None:
    track.boxes.append(box)
    track.waiting.append(crop(faces.frame, box, geometry))


def _array(embeddings: torch.Tensor) -> Embedded:
    return np.asarray(embeddings.float().cpu().numpy())
