"""The detectors there are: where their files are, how they are opened, how their boxes lie."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import BoxCorrection
from avsync.system.downloads import RemoteFile

Find = Callable[[NDArray[np.uint8]], list[list[float]]]  # see `DetectorSpec.open`

MIN_SCORE = 0.6  # of a face, for detectors that state a probability
_one_quiet_opening = Lock()  # the level at which OpenCV speaks is the process's


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """A detector: what it is called, the files it needs, how its boxes lie.

    Attributes
    ----------
    title : str
        For people.
    files : tuple of RemoteFile
        That it needs.
    calibration : BoxCorrection
        From its boxes to canonical ones.
    open : callable
        Its files -> what tells x1, y1, x2, y2, score of each face in a (H, W, 3) BGR picture, the
        best first.
    large_pixels : float or None
        See `FaceDetector`.
    """

    title: str
    files: tuple[RemoteFile, ...]
    calibration: BoxCorrection
    open: Callable[[list[Path]], Find]
    large_pixels: float | None = None


def _open_yunet(paths: list[Path]) -> Find:
    # The network that face-alignment wraps, called without importing torch and numba for it.
    from avsync.faces.yunet import open_yunet

    try:
        return open_yunet(paths[0], MIN_SCORE)
    except ImportError:  # without onnxruntime
        return open_opencv_yunet(paths[0])


def open_opencv_yunet(path: Path) -> Find:
    """YuNet as OpenCV runs it; the faces are the same."""
    import cv2

    logging = cv2.utils.logging
    with _one_quiet_opening:  # of a graph engine that warns
        level = logging.setLogLevel(logging.LOG_LEVEL_ERROR)
        try:
            network = cv2.FaceDetectorYN.create(str(path), "", (0, 0), MIN_SCORE, 0.3)
        finally:
            logging.setLogLevel(level)

    def corners(picture: NDArray[np.uint8]) -> list[list[float]]:
        height, width = picture.shape[:2]
        network.setInputSize((width, height))
        faces: Any = network.detect(picture)[1]
        if faces is None:
            return []
        return [[x, y, x + w, y + h, score] for x, y, w, h, *_, score in faces.tolist()]

    return corners


def _open_hog(paths: list[Path]) -> Find:
    import cv2
    import dlib

    detector = dlib.get_frontal_face_detector()

    def corners(picture: NDArray[np.uint8]) -> list[list[float]]:
        # It sees faces from 80 pixels on; doubling small pictures finds those of 40.
        double = max(picture.shape[:2]) <= 400
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        faces, scores, _ = detector.run(grey, int(double), 0.0)
        return [
            [r.left(), r.top(), r.right() + 1, r.bottom() + 1, s]
            for r, s in zip(faces, scores, strict=True)
        ]

    return corners


def _open_with_face_alignment(module: str, **options: Any) -> Callable[[list[Path]], Find]:
    def open_it(paths: list[Path]) -> Find:
        import importlib

        import torch

        found = importlib.import_module(f"face_alignment.detection.{module}")
        names = ("path_to_detector", "path_to_anchor")
        files = {name: str(path) for name, path in zip(names, paths, strict=False)}
        device = "cuda" if torch.cuda.is_available() else "cpu"
        detector = found.FaceDetector(device=device, **files, **options)

        def corners(picture: NDArray[np.uint8]) -> list[list[float]]:
            faces = [list(map(float, f)) for f in detector.detect_from_image(picture[..., ::-1])]
            return sorted((f for f in faces if f[-1] >= MIN_SCORE), key=lambda f: -f[-1])

        return corners

    return open_it


_FACE_ALIGNMENT = "https://www.adrianbulat.com/downloads/python-fan"
_BLAZEFACE = "https://github.com/hollance/BlazeFace-PyTorch/blob/master"
_OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models"

# Medians over 319 frames of 90 clips of many speakers, against YuNet. S3FD and RetinaFace learnt
# from the same annotations as YuNet and are taken to draw the same boxes: that is not measured.
DETECTORS: dict[str, DetectorSpec] = {
    "yunet": DetectorSpec(
        "YuNet",
        (
            RemoteFile(
                "face_detection_yunet_2023mar.onnx",
                f"{_OPENCV_ZOO}/face_detection_yunet/face_detection_yunet_2023mar.onnx",
                "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            ),
        ),
        BoxCorrection(),
        _open_yunet,
        # In 920 looks at half the size, boxes moved by 0.2 % and grew by 1 %; 7 faces were missed.
        large_pixels=96,
    ),
    "hog": DetectorSpec("HOG", (), BoxCorrection(width=1.11, height=0.828, dy=0.048), _open_hog),
    "sfd": DetectorSpec(
        "S3FD",
        (
            RemoteFile(
                "s3fd-619a316812.pth",
                f"{_FACE_ALIGNMENT}/s3fd-619a316812.pth",
                "619a31681264d3f7f7fc7a16a42cbbe8b23f31a256f75a366e5a1bcd59b33543",
            ),
        ),
        BoxCorrection(),
        _open_with_face_alignment("sfd"),
    ),
    "blazeface": DetectorSpec(
        "BlazeFace",
        (
            RemoteFile(
                "blazefaceback.pth",
                f"{_BLAZEFACE}/blazefaceback.pth?raw=true",
                "e2c03bb3ae45e769eaaa0a7cc7d4f61f54a5e3fbae6367d870166702e7022b11",
            ),
            RemoteFile(
                "anchorsback.npy",
                f"{_BLAZEFACE}/anchorsback.npy?raw=true",
                "a10bb2fb93ab54ca426d6c750bfc3aad685028a16dcf231357d03694f261fd95",
            ),
        ),
        BoxCorrection(width=1.126, height=0.837, dy=0.069),
        _open_with_face_alignment("blazeface", back_model=True),
    ),
    "retinaface": DetectorSpec(
        "RetinaFace",
        (
            RemoteFile(
                "retinaface_mobilenet0.25.pth",
                f"{_FACE_ALIGNMENT}/retinaface_mobilenet0.25.pth",
                "",
            ),
        ),
        BoxCorrection(),
        _open_with_face_alignment("retinaface"),
    ),
}
