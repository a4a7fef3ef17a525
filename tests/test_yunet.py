"""YuNet on onnxruntime finds what OpenCV's FaceDetectorYN finds, in pictures of any size."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from numpy.typing import NDArray

from avsync.faces.backends import MIN_SCORE, open_opencv_yunet
from avsync.faces.yunet import FIXED_SIDE, open_yunet

FILE = REPOSITORY / "weights" / "face_detection_yunet_2023mar.onnx"
PORTRAIT = Path(__file__).parent / "data" / "portrait.png"


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(PORTRAIT)), np.uint8)


def crowd(portrait: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Faces of three sizes in a picture, some of them cut by its edge."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for scale, x, y in ((0.8, 0.02, 0.05), (0.5, 0.5, 0.3), (0.3, 0.85, 0.7)):
        side = min(width, height) / 216 * scale
        face = cv2.resize(portrait, None, fx=side, fy=side, interpolation=cv2.INTER_AREA)
        top, left = round(y * height), round(x * width)
        part = face[: height - top, : width - left]
        picture[top : top + part.shape[0], left : left + part.shape[1]] = part
    return picture


@pytest.mark.parametrize(
    "size", [(640, 360), (320, 180), (641, 479), (224, 224), (97, 301), (31, 33)]
)
def test_both_find_the_same(portrait: NDArray[np.uint8], size: tuple[int, int]) -> None:
    ours, theirs = open_yunet(FILE, MIN_SCORE), open_opencv_yunet(FILE)
    for picture in (crowd(portrait, *size), cv2.resize(portrait, size)):
        found, expected = ours(picture), theirs(picture)
        assert len(found) == len(expected)
        assert np.allclose(found, expected, atol=0.01)
    assert len(ours(crowd(portrait, 640, 360))) >= 2


@pytest.mark.parametrize("min_score", [0.0, 0.3, 0.95])
def test_the_best_come_first_and_none_is_below(
    portrait: NDArray[np.uint8], min_score: float
) -> None:
    scores = [face[-1] for face in open_yunet(FILE, min_score)(crowd(portrait, 320, 180))]
    assert scores == sorted(scores, reverse=True) and all(score >= min_score for score in scores)


def test_nothing_is_found_in_nothing() -> None:
    assert open_yunet(FILE, MIN_SCORE)(np.full((120, 160, 3), 90, np.uint8)) == []


def test_the_size_of_its_input_is_where_it_is_looked_for() -> None:
    assert FILE.read_bytes().count(2 * FIXED_SIDE) == 1
