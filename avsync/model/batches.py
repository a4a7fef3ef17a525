"""Batches of crops and of MFCC, embedded by threads while the next are being made."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from typing import Any, ParamSpec, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from avsync.model.runtimes import Runtime, Waiting
from avsync.system.resources import cores
from avsync.timebase import WINDOW_HOPS

FRAMES_PER_BATCH = 36  # small ones are embedded while the next are being seen
HOPS_PER_BATCH = 512
Crop = NDArray[np.uint8]
P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """What embeds, and with how much of the machine.

    Attributes
    ----------
    runtime : Runtime
        A network, ready for use.
    threads : int
        Of the processor, that it may use.
    """

    runtime: Runtime
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
        self._pool = ThreadPoolExecutor(threads, "embed")
        self._room = BoundedSemaphore(4 * threads)  # crops of a long film must not pile up

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def embed(self, crops: list[Crop]) -> Future[Waiting]:
        """Embed the windows of consecutive crops; waits while too many batches do.

        Returns
        -------
        Future[Waiting]
            What gives their embeddings.
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

    def _embed_video(self, crops: list[Crop]) -> Waiting:
        return self._runtime().embed_video(np.stack(crops))

    def _embed_audio(self, done: NDArray[Any], mfcc: NDArray[np.float32]) -> None:
        done[:] = self._runtime().embed_audio(mfcc)

    def _runtime(self) -> Runtime:
        runtime = self._network().runtime
        runtime.use_one_thread()
        return runtime
