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
from avsync.system.downloads import at_home, fetch, is_intact
from avsync.system.progress import Progress, silent


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


def load_face_detector(
    wanted: str = "auto", progress: Progress = silent, notes: list[str] | None = None
) -> FaceDetector:
    """A detector, loaded. Files are found in, or fetched into, the torch cache.

    Parameters
    ----------
    wanted : str, optional
        A name of `DETECTORS`; auto: YuNet where its file can be had, else HOG.
    progress : callable, optional
        Is told bytes that are fetched.
    notes : list of str, optional
        Gets a line where auto had to fall back.

    Raises
    ------
    UsageError
        For an unknown name.
    FaceDetectorError
        Where files cannot be had.
    """
    chosen, paths = resolve_detector(wanted, progress, notes)
    spec = DETECTORS[chosen]
    try:
        return _Detector(spec.title, spec.calibration, spec.large_pixels, spec.open(paths))
    except ImportError as error:
        raise FaceDetectorError(f"faces {chosen}: {error}; reinstall avsync") from error


def resolve_detector(
    wanted: str = "auto", progress: Progress = silent, notes: list[str] | None = None
) -> tuple[str, list[Path]]:
    """Which detector is meant, and its files, as for `load_face_detector`, without loading it.

    Returns
    -------
    tuple of (str, list of Path)
        Its name and files.

    Raises
    ------
    UsageError
        For an unknown name.
    FaceDetectorError
        Where files cannot be had.
    """
    if wanted == "auto":
        try:
            return resolve_detector("yunet", progress)
        except FaceDetectorError:
            if notes is not None:
                notes.append("YuNet's file could not be had: faces found by HOG, which needs none")
            return resolve_detector("hog")
    check_name(wanted)
    files = DETECTORS[wanted].files
    try:
        return wanted, [fetch(file, checkpoints_folder(), progress) for file in files]
    except DownloadError as error:
        raise FaceDetectorError(f"faces {wanted}: {error}; or use hog") from error


def check_name(wanted: str) -> None:
    """Refuse what is neither a detector's name nor auto.

    Raises
    ------
    UsageError
        With the names that there are.
    """
    if wanted not in ("auto", *DETECTORS):
        raise UsageError(f"unknown; choose auto, {', '.join(DETECTORS)}", "faces", wanted)


def is_ready(wanted: str) -> bool:
    """Whether a detector's files are all there and intact."""
    return all(is_intact(checkpoints_folder() / f.name, f) for f in DETECTORS[wanted].files)


def checkpoints_folder() -> Path:
    """Where torch and face-alignment keep their weights (as torch.hub says, without torch)."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return at_home(home) / "hub" / "checkpoints"
