"""Faces that lie on their side or stand on their head, in files that do not say so."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, Command
from timeline import run

from avsync.faces.turning import TURNS, as_shown, turn_needed, turned

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late
FILTERS = {90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}  # what turns back


@pytest.mark.slow
@pytest.mark.parametrize("faces", ["yunet", "hog"])  # the first sees lying faces, too
@pytest.mark.parametrize("degrees", FILTERS)
def test_a_face_that_lies_is_looked_at_upright(
    avsync: Command, tmp_path: Path, degrees: int, faces: str
) -> None:
    path = tmp_path / "lying.mp4"
    run("-i", TALKING, "-vf", FILTERS[degrees], "-c:a", "copy", path)
    done = avsync("detect", path, "--json", "--faces", faces)
    report = json.loads(done.stdout)
    assert report["status"] == "ok"
    assert report["offset_ms"] == pytest.approx(-120, abs=20)
    how = f"turned by {degrees} degrees clockwise"
    assert how in " ".join(report["warnings"])
    heard = json.loads(avsync("speakers", path, "--json", "--faces", faces).stdout)
    assert how in " ".join(heard["warnings"])
    spoken = sum(one["end_seconds"] - one["start_seconds"] for one in heard["segments"])
    assert spoken > 4, "of 8 s"


def test_an_upright_face_and_a_picture_without_one_are_left_as_they_are(tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    run("-i", TALKING, "-frames:v", "1", still)
    picture = np.asarray(cv2.imread(str(still)), np.uint8)
    assert turn_needed([picture] * 3) == 0
    assert turn_needed([np.zeros_like(picture)] * 3) == 0
    assert turn_needed([]) == 0
    for degrees in TURNS:
        assert turn_needed([turned(picture, 360 - degrees)] * 3) == degrees


@pytest.mark.parametrize("degrees", [0, *TURNS])
def test_boxes_are_told_where_they_are_shown(degrees: int) -> None:
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[20:50, 100:110] = 255  # a box of 10 x 30 around (105, 35)
    rows, columns = np.nonzero(turned(picture, degrees)[..., 0])
    found = np.array(
        [[columns.mean() + 0.5, rows.mean() + 0.5, np.ptp(columns) + 1, np.ptp(rows) + 1]],
        np.float32,
    )
    assert as_shown(found, degrees, 160, 120)[0] == pytest.approx([105, 35, 10, 30])
