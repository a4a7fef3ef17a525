"""Weights by their names: found, fetched, checked, and loaded into their network."""

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avsync.errors import WeightsError
from avsync.model import weights_file
from avsync.model.config import PERFECT_MATCH_CONFIG, ModelConfig
from avsync.model.weights_file import Tensors
from avsync.system.downloads import (
    RemoteFile,
    fetch,
    is_intact,
    sha256_of,
    shipped_folder,
    user_cache,
)
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from avsync.model.networks import Streams

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


@dataclass(frozen=True, slots=True)
class WeightsFacts:
    """What a weights file says of its network.

    Attributes
    ----------
    name : str
        Of the file, without its suffix.
    path : Path
        Of the file.
    sha256 : str
        Of the file, hexadecimal.
    config : ModelConfig
        What the network is, and how it wants its crops.
    calibration : dict of str to any
        Of confidence, see `avsync.sync.confidence.Calibration.of`; empty: never calibrated.
    provenance : dict of str to any
        Data, options, accuracy; whatever its training said.
    """

    name: str
    path: Path
    sha256: str
    config: ModelConfig
    calibration: dict[str, Any]
    provenance: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Weights(WeightsFacts):
    """A network of torch's, ready for use, and what its file says of it.

    Attributes
    ----------
    name, path, sha256, config, calibration, provenance : various
        As of `WeightsFacts`.
    streams : Streams
        The network.
    """

    streams: "Streams"


def cache_folder() -> Path:
    """Where fetched weights are kept: AVSYNC_CACHE, or the user's cache folder."""
    wanted = os.environ.get("AVSYNC_CACHE")
    return Path(wanted) if wanted else user_cache("avsync")


def find(wanted: str) -> Path:
    """Path of the weights called `default`, `syncnet_v2`, or by a path.

    Raises
    ------
    WeightsError
        Where there are none; says the next step.
    """
    if wanted == "default":
        path, cure = shipped_folder() / DEFAULT_NAME, "reinstall avsync"
    elif wanted == "syncnet_v2":
        path, cure = cache_folder() / SYNCNET_V2.name, "run: avsync weights fetch syncnet_v2"
    else:
        path, cure = Path(wanted), "name default, syncnet_v2 or an existing file"
    if not os.path.isfile(path):
        raise WeightsError(f"weights {wanted}: {path} is not there; {cure}")
    if wanted == "syncnet_v2" and not is_intact(path, SYNCNET_V2):
        raise WeightsError(f"{path}: damaged (wrong checksum); delete it, then {cure}")
    return path


def fetch_syncnet_v2(progress: Progress = silent) -> Path:
    """Download the public SyncNet checkpoint into the cache, unless it is there and intact.

    Raises
    ------
    DownloadError
        Where it cannot be had.
    """
    return fetch(SYNCNET_V2, cache_folder(), progress)


def read(wanted: str = "default") -> tuple[WeightsFacts, Tensors]:
    """What a weights file says, and its tensors, without building a network.

    Parameters
    ----------
    wanted : str, optional
        As for `find`.

    Raises
    ------
    WeightsError
        For a file that is absent, damaged, or of another program.
    """
    path = find(wanted)
    header, tensors = weights_file.read(path)
    facts = WeightsFacts(
        path.stem,
        path,
        sha256_of(path),
        weights_file.config_of(path, header["config"]),
        header.get("calibration", {}),
        header.get("provenance", {}),
    )
    return facts, tensors


def load(wanted: str = "default", device: str = "cpu") -> Weights:
    """Build the network of a weights file, strictly: every tensor, no other, right shapes.

    Parameters
    ----------
    wanted : str, optional
        As for `find`.
    device : str, optional
        cpu or cuda.

    Raises
    ------
    WeightsError
        For a file that is absent, damaged, or of another program.
    """
    facts, tensors = read(wanted)
    from avsync.model.networks import build

    streams = build(facts.config)
    weights_file.fill(facts.path, streams, tensors)
    streams.to(device).eval()
    known = {field.name: getattr(facts, field.name) for field in fields(facts)}
    return Weights(**known, streams=streams)


def verify(wanted: str) -> Path:
    """Check a weights file from end to end without building its network; returns its path.

    Raises
    ------
    WeightsError
        Where it is absent, damaged, or of another program.
    """
    path = find(wanted)
    if wanted != "syncnet_v2":  # that one has been compared with its published checksum
        weights_file.read(path)
    return path


def config_of(path: Path) -> ModelConfig:
    """What the network of a weights file is, told without loading it.

    Raises
    ------
    WeightsError
        For a damaged file.
    """
    if not weights_file.is_own(path):
        return PERFECT_MATCH_CONFIG
    return weights_file.config_of(path, weights_file.read_header(path).get("config", {}))
