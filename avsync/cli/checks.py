"""What avsync needs, what of it is here, and what to do about the rest."""

import os
from dataclasses import dataclass
from importlib import metadata

from avsync.errors import AvsyncError, ToolMissingError
from avsync.faces import backends, detectors
from avsync.media import ffmpeg, programs
from avsync.model import weights


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    subject: str
    found: bool
    detail: str  # what is there, or what to do
    needed: bool = True  # avsync cannot work without it


def examine() -> list[Check]:
    """Look at everything; never raises an AvsyncError."""
    return [_ffmpeg(), _device(), _onnxruntime(), *_faces(), *_weights(), _cache()]


def _ffmpeg() -> Check:
    try:
        version = ffmpeg.version()
        found = f"{programs.ffmpeg_for('')} ({version})"
        works = version != programs.UNKNOWN
        return Check("ffmpeg", works, "; ".join((found, *programs.notes_on(""))))
    except ToolMissingError as error:
        return Check("ffmpeg", False, str(error))


def _device() -> Check:
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return Check("torch", True, f"{torch.__version__} on {name}, {torch.get_num_threads()} threads")


def _onnxruntime() -> Check:
    try:
        return Check("onnxruntime", True, metadata.version("onnxruntime"))
    except metadata.PackageNotFoundError:
        why = "not installed: short films take twice as long; pip install onnxruntime"
        return Check("onnxruntime", False, why, needed=False)


def _faces() -> list[Check]:
    folder = detectors.checkpoints_folder()
    findings = []
    for name, spec in backends.DETECTORS.items():
        if detectors.comes_along(name):
            detail = "comes with avsync"
        elif detectors.is_ready(name):
            detail = f"in {folder}"
        else:
            detail = (
                f"downloaded on first use of --faces {name}, or place {_names(spec)} in {folder}"
            )
        findings.append(Check(f"faces: {name}", detectors.is_ready(name), detail, needed=False))
    return findings


def _names(spec: backends.DetectorSpec) -> str:
    return " and ".join(file.url for file in spec.files)


def _weights() -> list[Check]:
    findings = []
    for name, needed in (("default", True), ("syncnet_v2", False)):
        try:
            path = weights.find(name)
            weights.verify(name)
            findings.append(Check(f"weights: {name}", True, os.fspath(path), needed))
        except AvsyncError as error:
            findings.append(Check(f"weights: {name}", False, str(error), needed))
    return findings


def _cache() -> Check:
    folder = weights.cache_folder()
    nearest = next(p for p in (folder, *folder.parents) if os.path.exists(p))
    writable = os.path.isdir(nearest) and os.access(nearest, os.W_OK)
    detail = str(folder) if writable else f"{folder} cannot be written; set AVSYNC_CACHE"
    return Check("cache", writable, detail, needed=False)
