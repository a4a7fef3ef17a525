"""The default network on onnxruntime.

Its graph, exported from its own code without any weights (`tests/make_graphs.py`), lies beside this
module, and is run with the tensors of any weights file of that network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import WeightsError
from avsync.model.config import DEFAULT_CONFIG
from avsync.model.runtimes import Embedded, RuntimeName, Waiting
from avsync.system.onnx import open_graph

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

COUNTERS = "num_batches_tracked"  # are of use to training alone


@dataclass(frozen=True, slots=True)
class OnnxRuntime:
    """The default network, run by onnxruntime on the processor.

    Attributes
    ----------
    video, audio : onnxruntime.InferenceSession
        Of either stream.
    tensors : dict of str to numpy.ndarray
        Which the sessions use where they are.
    name : str
        onnx.
    embedding_size : int
        D.
    """

    video: "InferenceSession"
    audio: "InferenceSession"
    tensors: Mapping[str, Embedded] = field(repr=False)
    name: RuntimeName = "onnx"
    embedding_size: int = DEFAULT_CONFIG.embedding_size

    @classmethod
    def of(cls, path: Path, tensors: Mapping[str, NDArray[Any]]) -> "OnnxRuntime":
        """The network with a file's tensors. Raises WeightsError where they do not fit."""
        whole = {
            name: np.ascontiguousarray(tensor, np.float32)
            for name, tensor in tensors.items()
            if not name.endswith(COUNTERS)
        }
        video = {name: tensor for name, tensor in whole.items() if name.startswith("video.")}
        audio = {name: tensor for name, tensor in whole.items() if name not in video}
        return cls(_session("video", path, video), _session("audio", path, audio), whole)

    def use_one_thread(self) -> None:
        """It has one for each call."""

    def embed_video(self, crops: NDArray[np.uint8]) -> Waiting:
        """(T, 88, 88) -> (T - 4, 256); nothing is left to wait for."""
        (embeddings,) = self.video.run(None, {"frames": crops})
        return lambda: embeddings

    def embed_audio(self, mfcc: NDArray[np.float32]) -> Embedded:
        """(S, 13) -> (S - 19, 256)."""
        (embeddings,) = self.audio.run(None, {"mfcc": mfcc})
        return np.asarray(embeddings)


def graph(stream: str) -> bytes:
    """The graph of a stream of the default network, without weights: `video` or `audio`."""
    name = f"default-{stream}.onnx"
    return (resources.files("avsync") / "model" / name).read_bytes()


def _session(stream: str, path: Path, tensors: Mapping[str, Embedded]) -> "InferenceSession":
    try:
        return open_graph(graph(stream), tensors)
    except ImportError:
        raise
    except Exception as error:  # it has a dozen kinds, below Exception
        why = " ".join(str(error).split())
        raise WeightsError(f"{path}: its tensors do not fit its network: {why}") from error
