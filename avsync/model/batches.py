"""Batches of crops and of MFCC, embedded by threads while the next are being made."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from avsync.system.resources import cores
from avsync.timebase import WINDOW_HOPS

if TYPE_CHECKING:  # torch is imported by the threads that need it: meanwhile faces are found
    import torch

    from avsync.model.networks import Streams

FRAMES_PER_BATCH = 128
HOPS_PER_BATCH = 512
_one_speaks = Lock()
Crop = NDArray[np.uint8]
Embedded = NDArray[np.float32]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What embeds, and with how much of the machine.

    Attributes
    ----------
    streams : Streams
        A network, ready for use.
    device : str
        cpu or cuda.
    threads : int
        Of the processor, that it may use.
    """

    streams: "Streams"
    device: str = "cpu"
    threads: int = field(default_factory=cores)


Loading = Callable[[], EmbeddingModel]  # waits until it is there


class Batches:
    """Embeds batches of crops or MFCC in threads, while the next are being made.

    Each batch has one thread to itself, so that embeddings are the same, down to the last bit,
    however many there are. On a GPU nothing waits for an answer before the end of a track.

    Parameters
    ----------
    network : callable
        Waits until it is loaded; is called by the threads.
    threads : int
        That embed at once.
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
        """Embed the windows of consecutive crops; waits while too many batches do.

        Returns
        -------
        Future[torch.Tensor]
            Their embeddings, on the device.
        """
        return self._submit(self._embed_video, crops)

    def fill(self, done: NDArray[Any], mfcc: NDArray[np.float32]) -> "Future[None]":
        """Write the embeddings of sounds into an array; waits likewise.

        Parameters
        ----------
        done : numpy.ndarray
            (N, D) to be filled.
        mfcc : numpy.ndarray
            (S, 13) from the first sound on, S at least N + 19.
        """
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
            done[:] = as_array(network.streams.embed_audio(_on_device(mfcc, network.device)))


def as_array(embeddings: "torch.Tensor") -> Embedded:
    """Embeddings on any device, as numpy has them; waits for them."""
    return np.asarray(embeddings.float().cpu().numpy())


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
