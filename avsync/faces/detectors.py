"""Stage 2a: a picture becomes face boxes, whichever detector is at hand.

Detectors draw their boxes differently; each has a calibration to the canonical one.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.errors import DownloadError, FaceDetectorError, UsageError
from avsync.faces.backends import DETECTORS, Find
from avsync.faces.boxes import Box, BoxCorrection
from avsync.system.downloads import RemoteFile, at_home, fetch, is_intact, shipped_folder
from avsync.system.progress import Progress, silent

AUTO = "yunet"  # what is used where nothing is asked for


class FaceDetector(Protocol):
    """Anything that finds faces."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def large_pixels(self) -> float | None:
        """A face with so large a side is found as well at half the size, for less; None: none."""
        ...

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        """Canonical boxes of the faces in a (height, width, 3) BGR picture, best first."""
        ...


@dataclass(frozen=True, slots=True)
class _Detector:
    name: str
    calibration: BoxCorrection
    large_pixels: float | None
    corners: Find  # (x1, y1, x2, y2, score), best first

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        return [
            self.calibration.canonical(Box((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
            for x1, y1, x2, y2, *_ in self.corners(picture)
            if x2 - x1 > 1 and y2 - y1 > 1
        ]


def load_face_detector(wanted: str = "auto", progress: Progress = silent) -> FaceDetector:
    """A detector, loaded. Files that do not come with avsync are fetched into the torch cache.

    Parameters
    ----------
    wanted : str, optional
        A name of `DETECTORS`; auto: YuNet, which comes with avsync.
    progress : callable, optional
        Is told bytes that are fetched.

    Raises
    ------
    UsageError
        For an unknown name.
    FaceDetectorError
        Where files cannot be had.
    """
    paths = detector_files(wanted, progress)
    spec = DETECTORS[meant_by(wanted)]
    try:
        return _Detector(spec.title, spec.calibration, spec.large_pixels, spec.open(paths))
    except ImportError as error:
        raise FaceDetectorError(f"faces {wanted}: {error}; reinstall avsync") from error


def detector_files(wanted: str = "auto", progress: Progress = silent) -> list[Path]:
    """The files of a detector, as for `load_face_detector`, without loading it.

    Raises
    ------
    UsageError
        For an unknown name.
    FaceDetectorError
        Where files cannot be had.
    """
    name = meant_by(wanted)
    try:
        return [_shipped(file) or _fetched(file, progress) for file in DETECTORS[name].files]
    except DownloadError as error:
        raise FaceDetectorError(f"faces {name}: {error}; or use hog") from error


def meant_by(wanted: str) -> str:
    """The name in `DETECTORS` of what was asked for.

    Raises
    ------
    UsageError
        For an unknown name, with those that there are.
    """
    if wanted not in ("auto", *DETECTORS):
        raise UsageError(f"unknown; choose auto, {', '.join(DETECTORS)}", "faces", wanted)
    return AUTO if wanted == "auto" else wanted


def is_ready(wanted: str) -> bool:
    """Whether a detector's files are all there and intact."""
    return all(
        _shipped(file) or is_intact(checkpoints_folder() / file.name, file)
        for file in DETECTORS[wanted].files
    )


def comes_along(wanted: str) -> bool:
    """Whether a detector needs no file but those that come with avsync."""
    return all(map(_shipped, DETECTORS[wanted].files))


def checkpoints_folder() -> Path:
    """Where torch and face-alignment keep their weights (as torch.hub says, without torch)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return at_home(home) / "hub" / "checkpoints"


def _shipped(file: RemoteFile) -> Path | None:
    """Where it lies in avsync itself."""
    path = shipped_folder() / file.name
    return path if is_intact(path, file) else None


def _fetched(file: RemoteFile, progress: Progress) -> Path:
    return fetch(file, checkpoints_folder(), progress)
