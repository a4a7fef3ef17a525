"""Stage 4: crops and MFCC become embeddings, in batches, while the video streams by.

Nothing here waits for the network before something is to be embedded, so that it may still be
loading while the first pictures are looked at.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.crops import CropGeometry, crop
from avsync.faces.tracking import FacesInFrame
from avsync.system.resources import cores
from avsync.timebase import WINDOW_FRAMES, WINDOW_HOPS
from avsync.tracks import FaceTrack

if TYPE_CHECKING:  # torch is imported by the threads that need it: meanwhile faces are found
    import torch

    from avsync.model.networks import Streams

FRAMES_PER_BATCH = 128
HOPS_PER_BATCH = 512
LONG_FRAMES, LONG_HOPS = 15_000, 60_000  # ten minutes

_one_speaks = Lock()

Crop = NDArray[np.uint8]
Embedded = NDArray[np.float32]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What embeds, and how many threads of the processor it may use."""

    streams: "Streams"
    device: str = "cpu"
    threads: int = field(default_factory=cores)


Loading = Callable[[], EmbeddingModel]  # waits until it is there


@dataclass(slots=True)
class _OpenTrack:
    """A track that is still being seen: crops wait here until they make a batch."""

    first_frame: int
    boxes: list[Box] = field(default_factory=list)
    waiting: list[Crop] = field(default_factory=list)
    done: "deque[Future[torch.Tensor]]" = field(default_factory=deque)

    def embed(self, batches: "_Batches") -> None:
        """Embed the windows that are complete; the last four frames belong to the next, too."""
        if len(self.waiting) >= WINDOW_FRAMES:
            self.done.append(batches.embed(self.waiting))
            self.waiting = self.waiting[1 - WINDOW_FRAMES :]

    def close(self, size: int) -> FaceTrack:
        """Wait for what is being embedded; of long tracks it is kept in half precision."""
        boxes = np.array([(b.x, b.y, b.width, b.height) for b in self.boxes], np.float32)
        count = max(0, len(boxes) - WINDOW_FRAMES + 1)
        video = np.empty((count, size), np.float16 if count > LONG_FRAMES else np.float32)
        step = FRAMES_PER_BATCH - WINDOW_FRAMES + 1
        for first in range(0, count, step):
            video[first : first + step] = _array(self.done.popleft().result())
        return FaceTrack(self.first_frame, boxes, video)


class _Batches:
    """Embeds batches of crops or MFCC in threads, while the next are being made.

    Each batch has one thread to itself, so that embeddings are the same, down to the last bit,
    however many there are. On a GPU nothing waits for an answer before the end of a track.
    """

    def __init__(self, network: Loading, threads: int) -> None:
        self._network = network
        self._pool = ThreadPoolExecutor(threads, "embed", _on_one_thread)
        self._room = BoundedSemaphore(4 * threads)  # crops of a long film must not pile up

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def embed(self, crops: list[Crop]) -> "Future[torch.Tensor]":
        """Their windows' embeddings, on the device; waits while too many batches do."""
        return self._submit(self._embed_video, crops)

    def fill(self, done: NDArray[Any], mfcc: NDArray[np.float32]) -> "Future[None]":
        """Write the embeddings of the sounds that start at the first hops; waits likewise."""
        return self._submit(self._embed_audio, done, mfcc[: len(done) + WINDOW_HOPS - 1])

    def _submit(self, work: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> "Future[R]":
        self._room.acquire()
        future = self._pool.submit(work, *arguments, **named)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _embed_video(self, crops: list[Crop]) -> "torch.Tensor":
        import torch

        from avsync.model.optimize import precision_of

        network = self._network()
        frames = _on_device(np.stack(crops), network.device)
        with torch.inference_mode(), precision_of(network.streams, torch.device(network.device)):
            return network.streams.embed_video(frames)

    def _embed_audio(self, done: NDArray[Any], mfcc: NDArray[np.float32]) -> None:
        import torch

        network = self._network()
        with torch.inference_mode():
            done[:] = _array(network.streams.embed_audio(_on_device(mfcc, network.device)))


def embed_tracks(
    seen: Iterable[FacesInFrame], geometry: CropGeometry, network: Loading, threads: int
) -> list[FaceTrack]:
    """Embed every face track of a stream of frames, in order of appearance."""
    tracks: dict[int, _OpenTrack] = {}
    ended: dict[int, _OpenTrack] = {}
    with _Batches(network, threads) as batches:
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
        size = network().streams.config.embedding_size
        return [ended[number].close(size) for number in sorted(ended)]


def embed_crops(crops: Sequence[Crop], network: EmbeddingModel) -> Embedded:
    """Embed the crops of one face, frame by frame -> (max(0, T - 4), D)."""
    step = FRAMES_PER_BATCH - WINDOW_FRAMES + 1
    starts = range(0, len(crops) - WINDOW_FRAMES + 1, step)
    with _Batches(lambda: network, network.threads) as batches:
        done = [batches.embed(list(crops[first : first + FRAMES_PER_BATCH])) for first in starts]
        arrays = [_array(future.result()) for future in done]
    size = network.streams.config.embedding_size
    return np.concatenate([np.zeros((0, size), np.float32), *arrays])


def embed_sound(mfcc: NDArray[np.float32], network: EmbeddingModel) -> NDArray[Any]:
    """(S, 13) MFCC -> (max(0, S - 19), D): one window starts at each 10 ms.

    Of long sounds in half precision: an hour is 180 MB then. Filled in place, so as not to be
    there twice.
    """
    count = max(0, len(mfcc) - WINDOW_HOPS + 1)
    kind = np.float16 if count > LONG_HOPS else np.float32
    done = np.empty((count, network.streams.config.embedding_size), kind)
    with _Batches(lambda: network, network.threads) as batches:
        parts = [
            batches.fill(done[first : first + HOPS_PER_BATCH], mfcc[first:])
            for first in range(0, count, HOPS_PER_BATCH)
        ]
        for part in parts:
            part.result()
    return done


def _on_one_thread() -> None:
    """Let this thread of torch's have one of its own.

    Torch takes what was last said for all threads that are yet to come: the usual is said after.
    """
    import torch

    with _one_speaks:
        usual = torch.get_num_threads()
        torch.set_num_threads(1)
        last = Thread(target=torch.set_num_threads, args=(usual,))
        last.start()
        last.join()


def _on_device(array: NDArray[Any], device: str) -> "torch.Tensor":
    import torch

    values = torch.from_numpy(array)
    if device == "cuda":  # from pinned memory a copy holds nobody up
        values = values.pin_memory().to(device, non_blocking=True)
    return values


def _add(track: _OpenTrack, faces: FacesInFrame, box: Box, geometry: CropGeometry) -> None:
    track.boxes.append(box)
    track.waiting.append(crop(faces.frame, box, geometry))


def _array(embeddings: "torch.Tensor") -> Embedded:
    return np.asarray(embeddings.float().cpu().numpy())
