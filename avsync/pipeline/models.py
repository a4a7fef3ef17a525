"""The network of a weights file on a runtime: what takes long to load.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from avsync.errors import ToolMissingError, UsageError
from avsync.pipeline.options import DetectOptions

if TYPE_CHECKING:
    from avsync.model.batches import EmbeddingModel
    from avsync.model.runtimes import Runtime, RuntimeName
    from avsync.model.weights import WeightsFacts
    from avsync.sync.confidence import Calibration


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What takes a second to load where it is torch's: the network.

    Attributes
    ----------
    weights : WeightsFacts
        What their file says.
    calibration : Calibration
        Of confidence.
    network : EmbeddingModel
        What embeds.
    notes : tuple of str
        Warnings for every report.
    """

    weights: "WeightsFacts"
    calibration: "Calibration"
    network: "EmbeddingModel"
    notes: tuple[str, ...]


def load_model(options: DetectOptions, threads: int, runtime: "RuntimeName") -> LoadedModel:
    """Load weights onto a runtime.

    Parameters
    ----------
    options : DetectOptions
        Which weights, on which device.
    threads : int
        That may embed at once.
    runtime : str
        torch or onnx.

    Raises
    ------
    AvsyncError
        Where weights or runtime cannot be had.
    """
    from avsync.model import weights, weights_file
    from avsync.model.batches import EmbeddingModel
    from avsync.sync.confidence import Calibration

    notes: list[str] = []
    facts, loaded = _on_torch(options) if runtime == "torch" else _on_onnx(options, notes)
    calibration = facts.calibration
    borrowed = not calibration
    if borrowed:
        calibration = weights_file.read_header(weights.find("default"))["calibration"]
        notes.append("confidence is calibrated for the default weights, not for these")
    if options.upstream_scoring and facts.sha256 != weights.SYNCNET_V2.sha256:
        notes.append(
            f"LSE-D and LSE-C of {facts.name} weights are not on SyncNet's scale: compare them "
            "with none that were published; those of --weights syncnet_v2 are"
        )
    network = EmbeddingModel(loaded, threads)
    return LoadedModel(facts, Calibration.of(calibration, borrowed), network, tuple(notes))


def _on_torch(options: DetectOptions) -> "tuple[WeightsFacts, Runtime]":
    from avsync.model import weights
    from avsync.model.optimize import for_inference
    from avsync.model.runtimes import TorchRuntime

    device = device_of(options.device)
    loaded = weights.load(options.weights, device)
    return loaded, TorchRuntime(for_inference(loaded.streams), device)


def _on_onnx(options: DetectOptions, notes: list[str]) -> "tuple[WeightsFacts, Runtime]":
    """Where it is installed and does not work, nobody asked for it, and torch does: on that."""
    from avsync.model import weights
    from avsync.model.onnx_runtime import OnnxRuntime

    facts, tensors = weights.read(options.weights)
    try:
        return facts, OnnxRuntime.of(facts.path, tensors)
    except ImportError as error:
        why = f"onnxruntime cannot be loaded ({' '.join(str(error).split())})"
        if options.runtime == "onnx":
            raise ToolMissingError(f"{why}: reinstall it, or choose another runtime") from error
        notes.append(f"{why}: torch was used, which takes longer")
        return _on_torch(options)


def device_of(wanted: str) -> str:
    """`cpu` or `cuda`; raises UsageError for a device that is not there."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("not here; choose auto or cpu", "device", wanted)
    return wanted
