"""Weights files: config + tensors + provenance, found by name, checked before use.

A file of our own is a safetensors file whose header carries a JSON text under the key `avsync`:
the network's configuration (with the crop it wants), how confidence is calibrated, where it comes
from, and a SHA-256 over all of it. It cannot run code. `syncnet_v2.model`, the public SyncNet
checkpoint, is read with `weights_only=True`.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from avsync.errors import WeightsError
from avsync.faces.crops import SYNCNET_GEOMETRY, CropGeometry
from avsync.model import weights
from avsync.system.atomic import write_whole
from avsync.system.downloads import RemoteFile, fetch, is_intact, sha256_of, user_cache
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from torch import Tensor

    from avsync.model.networks import ModelConfig, Streams

FORMAT = 1
DEFAULT_NAME = "avsync-default.safetensors"
SYNCNET_V2 = RemoteFile(
    "syncnet_v2.model",
    "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model",
    "961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
)

KNOWN = {
    "default": "avsync's own network, comes with avsync",
    "syncnet_v2": "SyncNet's public checkpoint (Chung and Zisserman)",
}


_one_without_warnings = Lock()


@dataclass(frozen=True, slots=True)
class Weights:
    """A network ready for use, and what its file says of it."""

    name: str
    path: Path
    sha256: str  # of the file
    streams: "Streams"
    calibration: dict[str, Any]  # of confidence; empty: never calibrated
    provenance: dict[str, Any]

    @property
    def config(self) -> "ModelConfig":
        """What the network is, and how it wants its crops."""
        return self.streams.config


def cache_folder() -> Path:
    """Where fetched weights are kept: AVSYNC_CACHE, or the user's cache folder."""
    wanted = os.environ.get("AVSYNC_CACHE")
    return Path(wanted) if wanted else user_cache("avsync")


def shipped_folder() -> Path:
    """The folder of the weights that come with avsync: in the wheel, or in the repository."""
    package = Path(str(resources.files("avsync")))
    inside = package / "weights"
    return inside if inside.is_dir() else package.parent / "weights"


def find(wanted: str) -> Path:
    """Path of the weights called `default`, `syncnet_v2`, or by a path.

    Raises WeightsError, with the next step, where there are none.
    """
    if wanted == "default":
        path, cure = shipped_folder() / DEFAULT_NAME, "reinstall avsync"
    elif wanted == "syncnet_v2":
        path, cure = cache_folder() / SYNCNET_V2.name, "run: avsync weights fetch syncnet_v2"
    else:
        path, cure = Path(wanted), "name default, syncnet_v2 or an existing file"
    if not os.path.isfile(path):
        raise WeightsError(f"--weights {wanted}: {path} is not there; {cure}")
    if wanted == "syncnet_v2" and not is_intact(path, SYNCNET_V2):
        raise WeightsError(f"{path}: damaged (wrong checksum); delete it, then {cure}")
    return path


def fetch_syncnet_v2(progress: Progress = silent) -> Path:
    """Download the public SyncNet checkpoint into the cache, unless it is there and intact."""
    return fetch(SYNCNET_V2, cache_folder(), progress)


def load(wanted: str = "default", device: str = "cpu") -> Weights:
    """Build the network of a weights file, strictly: every tensor, no other, right shapes.

    Raises WeightsError for a file that is absent, damaged, or of another program.
    """
    path = find(wanted)
    header, tensors = _read(path)
    from avsync.model.networks import build

    streams = build(config_of(path, header["config"]))
    try:
        streams.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path}: its tensors do not fit its network: {why}") from error
    streams.to(device).eval()
    return Weights(
        path.stem,
        path,
        sha256_of(path),
        streams,
        header.get("calibration", {}),
        header.get("provenance", {}),
    )


def verify(wanted: str) -> Path:
    """Check a weights file from end to end without building its network; returns its path.

    Raises WeightsError where it is absent, damaged, or of another program.
    """
    path = find(wanted)
    if wanted != "syncnet_v2":  # that one has been compared with its published checksum
        _read(path)
    return path


def save(
    path: Path,
    config: "DataclassInstance",
    tensors: "dict[str, Tensor]",
    calibration: dict[str, Any],
    provenance: dict[str, Any],
) -> None:
    """Write a weights file whole or not at all; kernels are rounded to half precision."""
    from safetensors.torch import save as to_bytes

    tensors = {name: _compact(tensor.detach().cpu()) for name, tensor in tensors.items()}
    header: dict[str, Any] = {
        "format": FORMAT,
        "config": asdict(config),
        "calibration": calibration,
        "provenance": provenance,
    }
    header = json.loads(json.dumps(header))  # as it will be read: JSON's keys are text
    header["sha256"] = _digest(header, tensors)
    data = to_bytes(tensors, metadata={"avsync": json.dumps(header, sort_keys=True)})
    write_whole(path, data)


def read_header(path: Path) -> dict[str, Any]:
    """The JSON header of a weights file of our own, without loading its tensors."""
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


def _compact(tensor: "Tensor") -> "Tensor":
    """Kernels in half precision, half the size; statistics and scales as they are."""
    return (tensor.half() if tensor.dim() > 1 else tensor).contiguous()


def _read(path: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    return read_own(path) if is_own(path) else _read_syncnet(path)


def is_own(path: Path) -> bool:
    """Whether a file is a safetensors file."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def read_own(path: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    """Header and tensors of a file that `save` wrote; raises WeightsError for any other."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{path}: damaged: {error}; get the file again") from error
    stated = header.pop("sha256", None)
    if _digest(header, tensors) != stated:
        raise WeightsError(f"{path}: damaged (wrong checksum); get the file again")
    return header, tensors


def _read_syncnet(path: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    import warnings

    import torch

    from avsync.model.networks import PERFECT_MATCH_CONFIG

    foreign = f"{path}: neither a weights file of avsync nor SyncNet's; see: avsync weights list"
    try:
        # Of pickles that torch did not write. Filters are the process's: one thread at a time.
        with _one_without_warnings, warnings.catch_warnings(action="ignore"):
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # there is little that foreign bytes cannot make it raise
        raise WeightsError(foreign) from error
    if not isinstance(tensors, dict) or "netcnnlip.0.weight" not in tensors:
        raise WeightsError(foreign)
    return {"config": asdict(PERFECT_MATCH_CONFIG)}, tensors


def config_of(path: Path, values: dict[str, Any]) -> "ModelConfig":
    """A network's configuration as `path` holds it; raises WeightsError for another's."""
    from avsync.faces.crops import CropGeometry
    from avsync.model.networks import ModelConfig

    try:
        return ModelConfig(**{**values, "geometry": CropGeometry(**values["geometry"])})
    except (TypeError, KeyError) as error:
        raise WeightsError(f"{path}: a configuration this version does not know") from error


def _digest(header: dict[str, Any], tensors: "dict[str, Tensor]") -> str:
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().astype(tensor.numpy().dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def geometry_of(path: Path) -> CropGeometry:
    """How the network of a weights file wants its crops, told without loading it.

    Raises WeightsError for a damaged file.
    """
    if not weights.is_own(path):
        return SYNCNET_GEOMETRY
    try:
        return CropGeometry(**weights.read_header(path)["config"]["geometry"])
    except (TypeError, KeyError) as error:
        raise WeightsError(f"{path}: a configuration this version does not know") from error
