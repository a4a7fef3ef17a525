"""YuNet, run by onnxruntime: the boxes of OpenCV's FaceDetectorYN in a third of its time.

Wu, W., Peng, H., Yu, S.: YuNet: a tiny millisecond-level face detector. Machine Intelligence
Research 20, 2023.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.system.onnx import open_graph

STRIDES = (8, 16, 32)  # pixels from one cell of a layer of answers to the next
MULTIPLE = 32  # of which sides of a picture must be
MOST_OVERLAP = 0.3  # intersection over union of two faces
# The graph is for pictures of 640 x 640: two sizes of its input, and what leaves them open.
FIXED_SIDE = b"\x0a\x03\x08\x80\x05"
OPEN_SIDES = b"\x0a\x03\x12\x01h", b"\x0a\x03\x12\x01w"


def open_yunet(path: Path, min_score: float) -> Callable[[NDArray[np.uint8]], list[list[float]]]:
    """What tells x1, y1, x2, y2, score of each face in a (H, W, 3) BGR picture, the best first.

    Parameters
    ----------
    path : Path
        `face_detection_yunet_2023mar.onnx`.
    min_score : float
        Of a face, from 0 to 1.

    Raises
    ------
    ImportError
        Where there is no onnxruntime.
    """
    session = open_graph(path.read_bytes().replace(2 * FIXED_SIDE, b"".join(OPEN_SIDES)))
    names = [f"{what}_{stride}" for stride in STRIDES for what in ("cls", "obj", "bbox")]

    def corners(picture: NDArray[np.uint8]) -> list[list[float]]:
        height, width = picture.shape[:2]
        right, below = -width % MULTIPLE, -height % MULTIPLE
        whole = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT)
        blob = np.ascontiguousarray(whole.transpose(2, 0, 1)[None], np.float32)
        answers = session.run(names, {"input": blob})
        layers = [
            _boxes(answers[3 * k : 3 * k + 3], stride, whole.shape[1])
            for k, stride in enumerate(STRIDES)
        ]
        boxes = np.concatenate(layers)
        return _distinct(boxes[boxes[:, 4] >= min_score], min_score)

    return corners


def _boxes(answers: Sequence[Any], stride: int, width: int) -> NDArray[np.float32]:
    """(N, 5) x1, y1, x2, y2, score of a layer of answers, one for each cell."""
    classes, objects, shapes = (np.asarray(answer[0], np.float32) for answer in answers)
    rows, columns = np.divmod(np.arange(len(shapes), dtype=np.float32), width // stride)
    scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
    centres = (np.stack([columns, rows], axis=1) + shapes[:, :2]) * stride
    halves = np.exp(shapes[:, 2:]) * (stride / 2)
    return np.concatenate([centres - halves, centres + halves, scores[:, None]], axis=1)


def _distinct(boxes: NDArray[np.float32], min_score: float) -> list[list[float]]:
    """Without those that a better one overlaps; OpenCV compares them in whole pixels."""
    if not len(boxes):
        return []
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], axis=1).astype(int)
    kept = cv2.dnn.NMSBoxes(sides.tolist(), boxes[:, 4].tolist(), min_score, MOST_OVERLAP)
    found: list[list[float]] = boxes[np.asarray(kept, int).ravel()].tolist()
    return found
