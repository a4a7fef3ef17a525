"""Face boxes mean the same whichever detector drew them, and there is always a detector."""

import math
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.errors import FaceDetectorError, UsageError
from avsync.faces import backends, detectors
from avsync.faces.boxes import Box
from avsync.faces.detectors import BoxCorrection, checkpoints_folder, is_ready, load_face_detector

PORTRAIT = Path(__file__).parent / "data" / "portrait.png"
TORCH_HOME = Path(__file__).parents[2] / "shared" / "torch_home"


@pytest.fixture
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, avsync without YuNet's file, and nobody at its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/face.onnx"
    spec = backends.DETECTORS["yunet"]
    unreachable = replace(spec, files=(replace(spec.files[0], url=url),))
    monkeypatch.setitem(backends.DETECTORS, "yunet", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(detectors, "shipped_folder", lambda: tmp_path)


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    """One face, not in the middle of the picture."""
    picture = cv2.imread(str(PORTRAIT))
    margin = {"top": 40, "bottom": 120, "left": 160, "right": 60}
    return np.asarray(cv2.copyMakeBorder(picture, **margin, borderType=cv2.BORDER_REPLICATE))


def test_overlap_of_boxes() -> None:
    box = Box(10, 10, 4, 2)
    assert box.overlap(box) == 1
    assert box.overlap(Box(12, 10, 4, 2)) == pytest.approx(1 / 3)
    assert box.overlap(Box(10, 10, 2, 1)) == pytest.approx(1 / 4)
    assert box.overlap(Box(14, 10, 4, 2)) == 0  # they touch
    assert box.overlap(Box(99, 99, 4, 2)) == 0  # far in both directions: no minus times minus
    assert Box(12, 11, 4, 2).overlap(box) == box.overlap(Box(12, 11, 4, 2))


def test_scaling_a_box() -> None:
    assert Box(10, 20, 4, 2).scaled(0.5) == Box(5, 10, 2, 1)


def test_calibration_undoes_the_ways_of_a_detector() -> None:
    canonical = Box(100, 50, 40, 60)
    drawn = Box(100 + 0.1 * 40, 50 - 0.2 * 60, 40 * 1.5, 60 * 0.5)
    undone = BoxCorrection(width=1.5, height=0.5, dx=0.1, dy=-0.2).canonical(drawn)
    for name in ("x", "y", "width", "height"):
        assert getattr(undone, name) == pytest.approx(getattr(canonical, name))


def test_no_calibration_changes_nothing() -> None:
    assert BoxCorrection().canonical(Box(1, 2, 3, 4)) == Box(1, 2, 3, 4)


def test_an_unknown_detector_is_refused_with_the_names_of_the_known() -> None:
    with pytest.raises(UsageError, match="faces=haar: unknown; choose auto, yunet, hog"):
        load_face_detector("haar")


def test_where_torch_keeps_its_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCH_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert checkpoints_folder() == Path("/cache/torch/hub/checkpoints")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert checkpoints_folder() == Path.home() / ".cache/torch/hub/checkpoints"
    monkeypatch.setenv("TORCH_HOME", "/torch")
    assert checkpoints_folder() == Path("/torch/hub/checkpoints")


def test_auto_is_yunet_which_comes_along(
    portrait: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    detector = load_face_detector("auto")
    assert detector.name == "YuNet" and len(detector.find(portrait)) == 1
    assert not os.listdir(tmp_path), "something was fetched"


@pytest.mark.usefixtures("no_network")
def test_a_detector_that_was_asked_for_is_not_replaced() -> None:
    assert not is_ready("yunet")
    with pytest.raises(FaceDetectorError, match=r"^faces yunet: .*refused.*; or use hog$"):
        load_face_detector("yunet")


def test_a_detector_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(FaceDetectorError, match=r"dlib.*reinstall avsync"):
        load_face_detector("hog")


def test_what_comes_along_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert [name for name in backends.DETECTORS if is_ready(name)] == ["yunet", "hog"]


@pytest.mark.parametrize("name", ["yunet", "hog"])
def test_no_face_gives_no_box(name: str) -> None:
    assert load_face_detector(name).find(np.full((120, 160, 3), 90, np.uint8)) == []


@pytest.mark.usefixtures("no_network")
def test_a_file_that_is_damaged_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"half of it")
    with pytest.raises(FaceDetectorError, match=r"refused"):
        load_face_detector()


@pytest.mark.parametrize("name", ["yunet", "blazeface"])
def test_detectors_agree_on_the_face(
    portrait: NDArray[np.uint8],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if name == "blazeface" and not TORCH_HOME.is_dir():
        pytest.skip("needs the files of BlazeFace")
    monkeypatch.setenv("TORCH_HOME", str(TORCH_HOME))
    assert is_ready(name)
    for scale in (1.0, 0.5):
        picture = np.asarray(
            cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        )
        (ours,), (theirs,) = (
            load_face_detector(name).find(picture),
            load_face_detector("hog").find(picture),
        )
        size = max(theirs.width, theirs.height)  # what crops are measured in
        assert max(ours.width, ours.height) == pytest.approx(size, rel=0.2)
        assert math.hypot(ours.x - theirs.x, ours.y - theirs.y) < 0.1 * size
    assert capfd.readouterr() == ("", "")
