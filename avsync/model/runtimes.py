"""What a network runs on: torch, or onnxruntime, which is there in a tenth of the time.

Importing torch and building a network takes longer than measuring a short clip. Torch is quicker
where it counts in half precision, which pays for itself on longer films, and is what GPUs and other
networks than the default one need.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.model.config import DEFAULT_CONFIG, ModelConfig
from avsync.system.resources import has_gpu

if TYPE_CHECKING:
    from avsync.model.networks import Streams

RuntimeName = Literal["torch", "onnx"]
Embedded = NDArray[np.float32]
Waiting = Callable[[], Embedded]  # waits for what a device is still working at

ONNX_SECONDS = 60.0  # of film, up to which torch takes longer to load than it would save
_one_speaks = threading.Lock()
_told = threading.local()


class Runtime(Protocol):
    """What embeds."""

    @property
    def name(self) -> RuntimeName:
        """That stands in reports."""

    @property
    def embedding_size(self) -> int:
        """D."""

    def use_one_thread(self) -> None:
        """Keep to the thread that calls: others embed beside it."""

    def embed_video(self, crops: NDArray[np.uint8]) -> Waiting:
        """(T, pixels, pixels[, 3]) -> (T - 4, D), without waiting for a GPU."""

    def embed_audio(self, mfcc: NDArray[np.float32]) -> Embedded:
        """(S, 13) -> (S - 19, D)."""


def choose(
    wanted: str, config: ModelConfig, device: str, film_seconds: float | None
) -> RuntimeName:
    """The runtime that answers first, or the one that is wanted.

    The same film gets the same one, alone or among many.

    Parameters
    ----------
    wanted : str
        auto, torch or onnx.
    config : ModelConfig
        Of the network.
    device : str
        auto, cpu or cuda.
    film_seconds : float or None
        How long the film is, as far as is known.

    Raises
    ------
    UsageError
        Where the network or the device is none for onnxruntime, or it is not installed.
    """
    if wanted == "torch":
        return "torch"
    fault = _fault(config, device)
    if wanted == "onnx":
        if fault:
            raise UsageError(f"{fault}; choose auto or torch", "runtime", wanted)
        return "onnx"
    is_short = film_seconds is not None and film_seconds <= ONNX_SECONDS
    return "onnx" if is_short and not fault else "torch"


def is_on_gpu(device: str) -> bool:
    """Whether a network would run on a GPU: told without torch."""
    return device == "cuda" or (device == "auto" and has_gpu())


def _fault(config: ModelConfig, device: str) -> str:
    """Why onnxruntime cannot run a network; empty: it can."""
    if config != DEFAULT_CONFIG:
        return "only the default network has a graph for onnxruntime"
    if is_on_gpu(device):
        return "GPUs need torch"
    return "" if find_spec("onnxruntime") else "onnxruntime is not installed"


@dataclass(frozen=True, slots=True)
class TorchRuntime:
    """A network of torch's.

    Attributes
    ----------
    streams : Streams
        Ready for use, on the device.
    device : str
        cpu or cuda.
    name : str
        torch.
    """

    streams: "Streams"
    device: str = "cpu"
    name: RuntimeName = "torch"

    @property
    def embedding_size(self) -> int:
        """D."""
        return self.streams.config.embedding_size

    def use_one_thread(self) -> None:
        """Let this thread of torch's have one of its own.

        Torch takes what was last said for all threads that are yet to come: the usual is said
        after.
        """
        import torch

        if getattr(_told, "once", False):
            return
        _told.once = True
        with _one_speaks:
            usual = torch.get_num_threads()
            torch.set_num_threads(1)
            last = threading.Thread(target=torch.set_num_threads, args=(usual,))
            last.start()
            last.join()

    def embed_video(self, crops: NDArray[np.uint8]) -> Waiting:
        """(T, pixels, pixels[, 3]) -> (T - 4, D), without waiting for a GPU."""
        import torch

        from avsync.model.optimize import precision_of

        frames = self._on_device(crops)
        with torch.inference_mode(), precision_of(self.streams, torch.device(self.device)):
            embeddings = self.streams.embed_video(frames)
        return lambda: np.asarray(embeddings.float().cpu().numpy())

    def embed_audio(self, mfcc: NDArray[np.float32]) -> Embedded:
        """(S, 13) -> (S - 19, D)."""
        import torch

        with torch.inference_mode():
            embeddings = self.streams.embed_audio(self._on_device(mfcc))
        return np.asarray(embeddings.float().cpu().numpy())

    def _on_device(self, array: NDArray[Any]) -> Any:
        import torch

        values = torch.from_numpy(array)
        if self.device == "cuda":  # from pinned memory a copy holds nobody up
            values = values.pin_memory().to(self.device, non_blocking=True)
        return values
