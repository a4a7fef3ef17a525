"""What a weights file is: config + tensors + provenance, written and read strictly.

A file of our own is a safetensors file whose header carries a JSON text under the key `avsync`:
the network's configuration (with the crop it wants), how confidence is calibrated, where it comes
from, and a SHA-256 over all of it. It cannot run code. `syncnet_v2.model`, the public SyncNet
checkpoint, is read with `weights_only=True`.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from avsync.errors import WeightsError
from avsync.faces.crops import CropGeometry
from avsync.model.config import PERFECT_MATCH_CONFIG, ModelConfig
from avsync.system.atomic import write_whole

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from torch import Tensor, nn

Tensors = dict[str, NDArray[Any]]
FORMAT = 1

_one_without_warnings = Lock()


def save(
    path: Path,
    config: "DataclassInstance",
    tensors: "dict[str, Tensor]",
    calibration: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write a weights file whole or not at all; kernels are rounded to half precision.

    Parameters
    ----------
    path : Path
        Of the file.
    config : DataclassInstance
        Dataclass of what the network is.
    tensors : dict of str to torch.Tensor
        The network's, by name.
    calibration : dict of str to any
        Of confidence; empty: none.
    provenance : dict of str to any
        Where it comes from; as JSON can say it.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {name: _compact(tensor) for name, tensor in tensors.items()}
    header: dict[str, Any] = {
        "format": FORMAT,
        "config": asdict(config),
        "calibration": calibration,
        "provenance": provenance,
    }
    header = json.loads(json.dumps(header))  # as it will be read: JSON's keys are text
    header["sha256"] = _digest(header, arrays)
    data = to_bytes(arrays, metadata={"avsync": json.dumps(header, sort_keys=True)})
    write_whole(path, data)


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a weights file of our own, without loading its tensors.

    Raises
    ------
    WeightsError
        For any other file.
    """
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if size > 1 << 24:
                raise ValueError
            text = json.loads(file.read(size))["__metadata__"]["avsync"]
        header: dict[str, Any] = dict(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: not a weights file of avsync, or damaged") from error
    if header.get("format") != FORMAT:
        raise WeightsError(f"{path}: format {header.get('format')}; update avsync to read it")
    return header


def _compact(tensor: "Tensor") -> NDArray[Any]:
    """Kernels in half precision, half the size; statistics and scales as they are."""
    kept = tensor.detach().cpu()
    return (kept.half() if kept.dim() > 1 else kept).contiguous().numpy()


def read(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Header and tensors of any weights file.

    Raises
    ------
    WeightsError
        For what is none, or damaged.
    """
    return read_own(path) if is_own(path) else _read_syncnet(path)


def is_own(path: Path) -> bool:
    """Whether a file is a safetensors file."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def read_own(path: Path) -> tuple[dict[str, Any], Tensors]:
    """Header and tensors of a file that `save` wrote.

    Raises
    ------
    WeightsError
        For any other, or a damaged one.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    header = read_header(path)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path}: damaged: {error}; get the file again") from error
    stated = header.pop("sha256", None)
    if _digest(header, tensors) != stated:
        raise WeightsError(f"{path}: damaged (wrong checksum); get the file again")
    return header, tensors


def _read_syncnet(path: Path) -> tuple[dict[str, Any], Tensors]:
    import warnings

    import torch

    foreign = f"{path}: neither a weights file of avsync nor SyncNet's; see: avsync weights list"
    try:
        # Of pickles that torch did not write. Filters are the process's: one thread at a time.
        with _one_without_warnings, warnings.catch_warnings(action="ignore"):
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # there is little that foreign bytes cannot make it raise
        raise WeightsError(foreign) from error
    if not isinstance(tensors, dict) or "netcnnlip.0.weight" not in tensors:
        raise WeightsError(foreign)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    return {"config": asdict(PERFECT_MATCH_CONFIG)}, arrays


def config_of(path: Path, values: dict[str, Any]) -> ModelConfig:
    """A network's configuration as a file holds it.

    Raises
    ------
    WeightsError
        For the configuration of another version.
    """
    try:
        return ModelConfig(**{**values, "geometry": CropGeometry(**values["geometry"])})
    except (TypeError, KeyError) as error:
        raise WeightsError(f"{path}: a configuration this version does not know") from error


def _digest(header: dict[str, Any], tensors: Tensors) -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} torch.{tensor.dtype} {tensor.shape}".encode())
        digest.update(tensor.astype(tensor.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def fill(path: Path, network: "nn.Module", tensors: Tensors) -> None:
    """Put a file's tensors into its network: every one, no other, right shapes.

    Raises
    ------
    WeightsError
        Where they do not fit.
    """
    import torch

    try:
        network.load_state_dict(
            {name: torch.as_tensor(array) for name, array in tensors.items()}, strict=True
        )
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path}: its tensors do not fit its network: {why}") from error
