"""Faces on their side or their head, in files that do not say so, are measured upright."""

import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from talking_face import frames, speech
from timeline import run

import avsync
from avsync import DetectOptions, FixOptions, turning
from avsync.report import SyncReport
from avsync.tools import open_tools
from avsync.turning import as_shown, turn_needed, turned

DEMO = REPOSITORY / "docs" / "talking.mp4"
LATE_MS = 120.0
WAYS = {  # ffmpeg's, and how far clockwise it must be undone
    "transpose=1": (270, "the face lies on its side"),
    "transpose=2": (90, "the face lies on its side"),
    "hflip,vflip": (180, "the face stands on its head"),
}
SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono")


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The demo turned all ways, without a word on it in the file."""
    folder = tmp_path_factory.mktemp("lying")
    paths = {way: folder / f"{degrees}.mp4" for way, (degrees, _) in WAYS.items()}
    for way, path in paths.items():
        run("-i", DEMO, "-vf", way, "-c:a", "copy", path)
    return paths


@pytest.fixture(scope="module")
def upright() -> SyncReport:
    """What is told of the demo as it is."""
    return avsync.detect(DEMO, DetectOptions(faces="hog"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("faces", ["hog", "yunet"])
def test_a_face_that_lies_is_measured_upright(
    lying: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    way: str,
    faces: str,
) -> None:
    if faces == "yunet":
        shared = request.getfixturevalue("shared")
        monkeypatch.setenv("TORCH_HOME", str(shared / "torch_home"))
    degrees, says = WAYS[way]
    report = avsync.detect(lying[way], DetectOptions(faces=faces))
    assert report.offset_ms == pytest.approx(-LATE_MS, abs=20), report.reasons
    note = f"{says}: the picture was looked at turned by {degrees} degrees clockwise"
    assert note in report.warnings and note in report.to_text()
    assert report.looked_seconds == report.duration_seconds == 8.0


@pytest.mark.parametrize("way", WAYS)
def test_faces_are_where_they_are_in_the_picture_as_it_is(
    lying: dict[str, Path], upright: SyncReport, way: str
) -> None:
    (face,) = avsync.detect(lying[way], DetectOptions(faces="hog")).tracks
    (known,) = upright.tracks
    left, top, width, height = known.box
    right, bottom = 640 - left - width, 360 - top - height
    expected = {
        "transpose=1": (bottom, left, height, width),
        "transpose=2": (top, right, height, width),
        "hflip,vflip": (right, bottom, width, height),
    }
    assert face.box == pytest.approx(expected[way], abs=8)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_boxes_are_turned_back(degrees: int) -> None:
    picture = np.zeros((50, 80, 3), np.uint8)
    picture[10:30, 60:72] = 255
    rows, columns = np.nonzero(turned(picture, degrees)[..., 0])
    edges = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    top, bottom, left, right = (float(edge) for edge in edges)
    box = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    shown = as_shown(np.array([box, box], np.float32), degrees, 80, 50)
    assert shown.tolist() == [[66, 20, 12, 20]] * 2


def test_where_there_is_an_answer_nothing_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "turn_needed", lambda kept: pytest.fail("looked for a turn"))
    assert avsync.detect(DEMO, DetectOptions(faces="hog")).status == "ok"


def test_upright_faces_without_an_answer_are_not_turned(tmp_path: Path) -> None:
    mute = tmp_path / "mute.mp4"
    run(*SILENCE, "-i", DEMO, "-map", "1:v", "-map", "0:a", "-c:v", "copy", "-t", "3", mute)
    report = avsync.detect(mute, DetectOptions(faces="hog"))
    assert report.reasons == ("the sound is silent",)
    assert not any("turned" in warning for warning in report.warnings)


def test_a_lying_face_without_an_answer_is_said_to_lie(
    lying: dict[str, Path], tmp_path: Path
) -> None:
    path = tmp_path / "mute.mp4"
    run(*SILENCE, "-i", lying["transpose=1"], "-map", "1:v", "-map", "0:a", "-c:v", "copy",
        "-t", "3", path)  # fmt: skip
    report = avsync.detect(path, DetectOptions(faces="hog"))
    assert report.reasons == ("the sound is silent",)
    assert any(warning.startswith("the face lies on its side") for warning in report.warnings)


def test_where_detectors_find_lying_faces_the_first_reason_stays(
    lying: dict[str, Path], shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(shared / "torch_home"))
    path = tmp_path / "foreign.mp4"
    run("-i", lying["transpose=1"], "-c:v", "copy", "-af", "areverse", path)
    report = avsync.detect(path, DetectOptions(faces="yunet"))
    assert report.status == "undetermined" and len(report.tracks) == 1
    assert report.reasons[1:] == ("turned by 270 degrees clockwise, it tells no more",)


def test_how_faces_lie_is_told_by_few_pictures() -> None:
    kept = list(frames(speech(), 1, 3.0))
    assert turn_needed(kept) == 0
    for degrees in (90, 180, 270):
        assert turn_needed([turned(picture, degrees) for picture in kept]) == 360 - degrees
    assert turn_needed([np.full((360, 640, 3), 90, np.uint8)] * 3) == 0
    assert turn_needed([]) == 0


def test_without_hog_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlib", None)
    assert turn_needed([turned(picture, 90) for picture in frames(speech(), 1, 2.0)]) == 0


@pytest.mark.slow
def test_a_file_whose_face_lies_is_put_right(lying: dict[str, Path], tmp_path: Path) -> None:
    options = DetectOptions(faces="hog")
    report = avsync.fix(
        lying["transpose=2"],
        tmp_path / "out.mp4",
        FixOptions(options),
        tools=open_tools(options),
    )
    assert report.status == "fixed", report.reasons
    assert report.residual_ms == pytest.approx(0, abs=20)
