"""Networks that are graphs, run by onnxruntime on the processor."""

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FATAL = 4  # what onnxruntime logs: all else is raised
SWITCH = "ORT_DISABLE_TELEMETRY"
_one_imports = threading.Lock()


def open_graph(
    graph: bytes, tensors: Mapping[str, NDArray[np.float32]] | None = None
) -> "InferenceSession":
    """A graph, ready to be run on the thread that calls.

    Parameters
    ----------
    graph : bytes
        ONNX.
    tensors : dict of str to numpy.ndarray, optional
        That it names and does not hold; used where they are, so somebody must keep them.

    Raises
    ------
    Exception
        Of a dozen kinds, where tensors do not fit.
    ImportError
        Where there is no onnxruntime.
    """
    onnxruntime = _onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = FATAL
    if tensors:
        values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in tensors.values()]
        options.add_external_initializers(list(tensors), values)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _onnxruntime() -> Any:
    """The module; where this imports it, nothing is written to a cache, or sent to its makers.

    It asks the environment when it is imported, which is then as it was: a program that uses avsync
    may think otherwise.
    """
    with _one_imports:
        known = os.environ.get(SWITCH)
        os.environ[SWITCH] = known or "1"
        try:
            import onnxruntime
        finally:
            if known is None:
                del os.environ[SWITCH]
    return onnxruntime
