"""Make the graphs that onnxruntime runs: the default network's own code, exported without weights.

To be run again when `DefaultStreams` changes: python tests/make_graphs.py
"""

import io
import warnings
from importlib import resources
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from avsync.model.config import DEFAULT_CONFIG
from avsync.model.networks import DefaultStreams

OPSET = 17
INPUTS = {
    "video": ("frames", torch.zeros(9, 88, 88, dtype=torch.uint8)),
    "audio": ("mfcc", torch.zeros(30, 13)),
}


class _Video(DefaultStreams):
    forward = DefaultStreams.embed_video


class _Audio(DefaultStreams):
    forward = DefaultStreams.embed_audio


def graph(stream: str) -> bytes:
    """A stream of the default network, whose weights are to come from elsewhere."""
    network = {"video": _Video, "audio": _Audio}[stream](DEFAULT_CONFIG)
    network.eval().requires_grad_(False)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():  # no two are alike, or they would be made one
            tensor.uniform_(0.5, 1.5)
    return without_weights(exported(network, *INPUTS[stream]))


def exported(network: nn.Module, name: str, example: Tensor) -> onnx.ModelProto:
    """Any length is allowed; nothing is folded, so that tensors keep their names."""
    file = io.BytesIO()
    with warnings.catch_warnings():  # that this exporter, whose files are small, is the old one
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (example,), file, dynamo=False, opset_version=OPSET, input_names=[name],
            output_names=["embeddings"], do_constant_folding=False,
            dynamic_axes={name: {0: "length"}, "embeddings": {0: "windows"}},
        )  # fmt: skip
    return onnx.load_from_string(file.getvalue())


def without_weights(model: onnx.ModelProto) -> bytes:
    """Say of each tensor that it is to be had elsewhere."""
    for node in model.graph.node:
        node.ClearField("doc_string")  # where in the code it came from
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "weights"
    return model.SerializeToString(deterministic=True)


def main() -> None:
    """Write both."""
    folder = Path(str(resources.files("avsync"))) / "model"
    for stream in INPUTS:
        (folder / f"default-{stream}.onnx").write_bytes(graph(stream))


if __name__ == "__main__":
    main()
