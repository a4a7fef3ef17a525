"""What a program that imports avsync does with it."""

import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import REPOSITORY

import avsync

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late
HEAVY = ["cv2", "rich", "torch", "typer"]


def test_importing_is_light_and_warns_of_nothing() -> None:
    code = f"import avsync, sys; print([name for name in {HEAVY} if name in sys.modules])"
    argv = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.fixture(scope="module")
def pipeline() -> avsync.Pipeline:
    return avsync.Pipeline(avsync.DetectOptions(faces="hog", max_offset_seconds=0.5))


def test_a_pipeline_measures_with_its_options(pipeline: avsync.Pipeline) -> None:
    report = pipeline.detect(TALKING)
    assert report.offset_ms == pytest.approx(-120, abs=20)
    assert report == avsync.detect(TALKING, pipeline=pipeline)
    assert avsync.SyncReport.from_dict(json.loads(report.to_json())) == report


def test_a_pipeline_embeds(pipeline: avsync.Pipeline) -> None:
    clip = pipeline.embed(TALKING)
    (track,) = clip.tracks
    assert track.video.shape == (len(track.boxes) - 4, 256)
    sounds = np.asarray(clip.audio[:])
    assert sounds.shape[1] == 256 and len(sounds) == pytest.approx(800, abs=30)
    assert np.linalg.norm(sounds[100].astype(float)) == pytest.approx(1, abs=0.01)
