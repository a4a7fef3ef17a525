"""`avsync preview`: a video whose picture was moved, with what it was read from below it."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY, Command
from talking_face import click_and_flash

from avsync.media.ffmpeg import find_ffmpeg
from avsync.media.probe import probe
from avsync.pages.preview import STRIP_HEIGHT
from avsync.pages.strip import LIPS, NOW, WAVE, Strip
from avsync.pipeline.details import Details, FaceDetails
from avsync.pipeline.taps import HeardSound

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late


def _frames(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    found = []
    while (read := capture.read())[0]:
        found.append(read[1])
    return found


@pytest.mark.slow
def test_side_by_side_left_is_as_it_is_and_right_put_right(avsync: Command, tmp_path: Path) -> None:
    whole = tmp_path / "it's.mp4"
    done = avsync("preview", TALKING, "-o", whole, "--side-by-side")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    info = probe(whole)
    assert info.video and (info.video.width, info.video.height) == (1280, 360 + STRIP_HEIGHT)
    assert info.duration_seconds == pytest.approx(8, abs=0.1)
    for half, offset_ms in (("0", -120), ("640", 0)):
        part = tmp_path / f"{half}.mp4"
        crop = ("-vf", f"crop=640:240:{half}:100", "-c:a", "copy")
        argv = [find_ffmpeg(), "-v", "error", "-i", whole, *crop, part]
        subprocess.run(argv, check=True)
        measured = json.loads(avsync("detect", part, "--json").stdout)
        assert measured["offset_ms"] == pytest.approx(offset_ms, abs=15)
    again = avsync("preview", TALKING, "-o", whole)
    assert again.returncode == 1 and "--force" in again.stderr


@pytest.mark.slow
def test_a_part_begins_where_it_was_asked_to(avsync: Command, tmp_path: Path) -> None:
    part = tmp_path / "part.mp4"
    options = ("--start", "2", "--seconds", "4", "--put-right")
    assert avsync("preview", TALKING, "-o", part, *options).returncode == 0
    frames = _frames(part)
    assert len(frames) == 100
    middle = frames[50][-STRIP_HEIGHT:, 320].astype(int)
    assert (np.abs(middle - NOW) < 40).all(-1).mean() > 0.8  # the line of the present
    measured = avsync("detect", part, "--tolerance", "20/20")
    assert measured.returncode == 0, measured.stdout


def test_what_cannot_be_told_is_shown_as_it_is(avsync: Command, tmp_path: Path) -> None:
    video, output = tmp_path / "c.mp4", tmp_path / "shown.mp4"
    click_and_flash(video)
    done = avsync("preview", video, "-o", output)
    assert done.returncode == 3 and len(_frames(output)) == 100
    for option in ("--put-right", "--side-by-side"):
        done = avsync("preview", video, "-o", output, option, "--force")
        assert done.returncode == 1 and "nothing to put right" in done.stderr
    for more in (("-o", tmp_path / "x.gif"), ("-o", output, "--seconds", "0")):
        assert avsync("preview", video, *more).returncode == 2


def test_the_strip_has_the_present_in_its_middle() -> None:
    lips = np.zeros(100, np.float32)
    lips[50:55] = 1  # from 2 s on
    face = FaceDetails(0, np.ones((100, 4), np.float32), lips, None, ())
    peaks = np.zeros(400, np.int16)
    peaks[250:270] = 9000  # at 2.5 s
    empty = np.zeros(0, np.int16)
    sounds = (HeardSound(0.0, peaks, peaks > 0, empty),)
    strip = Strip.of(Details(4.0, ((0.0, 4.0),), None, (face,), sounds))
    for heard_at, seen_at, wave_x, lips_x in ((2.5, 2.0, 200, 200), (2.5, 2.5, 200, 150)):
        drawn = strip.draw(400, 120, heard_at, seen_at)
        columns = [
            np.flatnonzero((drawn[rows] == colour).all(-1).sum(0) > 5)
            for rows, colour in ((slice(0, 55), WAVE), (slice(66, 120), LIPS))
        ]
        assert [int(column.min()) for column in columns] == pytest.approx([wave_x, lips_x], abs=3)
        assert (drawn[:, 200] == NOW).all(-1).mean() > 0.9
