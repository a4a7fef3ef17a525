"""A line is found where there is one, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest
from avsync.drift import find_stretch, stretched
from talking_face import write_talking_face
from timeline import run

from avsync.detect import DetectOptions, open_tools
from avsync.fix import FixOptions, fix
from avsync.judge import FaceTrack, Seen
from avsync.timebase import STEPS_PER_FRAME, WINDOW_FRAMES, WINDOW_STEPS

DIMENSIONS = 24
STEPS_ALIKE = 12  # neighbouring sounds resemble each other, as real embeddings do


def made(seconds: float, *, match: float = 0.5, offset_steps: int = 0, seed: int = 0) -> Seen:
    """Pictures that resemble their sounds by `match`, with the sound late by `offset_steps`."""
    rng = np.random.default_rng(seed)
    frames, steps = round(25 * seconds), round(100 * seconds)
    kernel = np.hanning(STEPS_ALIKE + 2)
    raw = rng.standard_normal((steps + WINDOW_STEPS, DIMENSIONS))
    sounds = np.apply_along_axis(np.convolve, 0, raw, kernel, "same")[: steps - WINDOW_STEPS]
    sounds /= np.linalg.norm(sounds, axis=1, keepdims=True)
    said = np.arange(frames - WINDOW_FRAMES + 1) * STEPS_PER_FRAME + offset_steps
    noise = rng.standard_normal((len(said), DIMENSIONS))
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    pictures = match * sounds[np.clip(said, 0, len(sounds) - 1)] + (1 - match) * noise
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    boxes = np.tile(np.float32([80, 60, 50, 50]), (frames, 1))
    track = FaceTrack(0, boxes, pictures.astype(np.float32))
    return Seen([track], sounds.astype(np.float32), np.ones(steps, bool), frames)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("seconds", "offset_steps"), [(12, 0), (40, 30), (90, -55)])
def test_a_constant_offset_is_no_drift(seconds: float, offset_steps: int, seed: int) -> None:
    seen = made(seconds, match=0.35, offset_steps=offset_steps, seed=seed)
    assert find_stretch(seen, 1.0) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_a_strangers_sound_has_no_line(seed: int) -> None:
    assert find_stretch(made(40, match=0.0, seed=seed), 1.0) == 1.0


@pytest.mark.parametrize(
    "stretch", [24 / 25, 25 / 24, 24 / 25 / 1.001, 25 / 24 * 1.001, 1.001, 0.9985, 1.0006]
)
def test_a_line_is_found(stretch: float) -> None:
    """To within 10 ms at the ends."""
    seen = stretched(made(90, offset_steps=20), 1 / stretch)
    assert find_stretch(seen, 1.0) == pytest.approx(stretch, abs=0.02 / 90)


def test_too_short_for_a_line() -> None:
    assert find_stretch(stretched(made(6), 25 / 24), 1.0) == 1.0


def test_nobody_to_be_seen() -> None:
    seen = made(12)
    assert find_stretch(Seen([], seen.audio, seen.sounding, seen.frame_count), 1.0) == 1.0


@pytest.mark.slow
def test_a_film_sped_up_is_put_right(tmp_path: Path) -> None:
    """The picture of 24 fps played at 25, the sound not: it runs away by 40 ms a second."""
    natural, wrong, out = (tmp_path / name for name in ("natural.mkv", "wrong.mkv", "out.mkv"))
    write_talking_face(natural, seconds=20, size=(320, 180), frames_per_second=24)
    faster = ("-bsf:v", "setts=ts=TS*24/25")
    run("-i", natural, "-c", "copy", *faster, wrong)
    look = DetectOptions(faces="hog")
    report = fix(wrong, out, FixOptions(look), tools=open_tools(look))
    assert report.status == "fixed" and report.method == "resample", report.reasons
    assert report.drift_ppm == pytest.approx(-1e6 / 24, rel=0.05)
    assert report.residual_ms is not None and abs(report.residual_ms) <= 20
