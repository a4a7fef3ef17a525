"""The chain on whole files: known offsets come back, whatever the container does with time."""

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from talking_face import write_talking_face

import avsync
from avsync.media import ffmpeg
from avsync.model import weights

ZERO_TOLERANCE_MS = 20  # half a frame: of what is known to be the offset, in step or not


def _offset(path: Path, **options: object) -> float:
    report = avsync.detect(path, avsync.DetectOptions(**options))  # type: ignore[arg-type]
    assert report.offset_ms is not None, report.reasons
    return report.offset_ms


def _ffmpeg(*argv: str | Path) -> None:
    words = [ffmpeg.find_ffmpeg(), "-nostdin", "-v", "error", "-y", *map(str, argv)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def in_step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made talking face whose sound is in step, at 60 fps so that other rates can be made."""
    path = tmp_path_factory.mktemp("made") / "in_step.mp4"
    write_talking_face(path, seconds=8.0, frames_per_second=60)
    return path


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30", "50", "60"])
@pytest.mark.parametrize("faces", ["hog", "yunet"])
def test_a_made_face_in_step_measures_so(tmp_path: Path, rate: str, faces: str) -> None:
    """Zero is zero: nothing is taken off what is measured, here or below."""
    path = tmp_path / "in_step.mp4"
    write_talking_face(path, seconds=6.0, frames_per_second=Fraction(rate))
    assert _offset(path, faces=faces) == pytest.approx(0, abs=ZERO_TOLERANCE_MS)


@pytest.mark.parametrize("early_ms", [-900.0, -330.0, -125.0, 85.0, 400.0, 900.0])
def test_a_known_shift_comes_back(tmp_path: Path, early_ms: float) -> None:
    path = tmp_path / "shifted.mp4"
    write_talking_face(path, seconds=8.0, frames_per_second=60, sound_early_ms=early_ms)
    assert _offset(path, max_offset_seconds=1.5) == pytest.approx(early_ms, abs=ZERO_TOLERANCE_MS)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".ts"])
def test_sound_that_starts_late_in_the_container_only(
    in_step: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"late{suffix}"
    _ffmpeg("-i", in_step, "-itsoffset", "0.2", "-i", in_step, "-map", "0:v", "-map", "1:a",
            "-c", "copy", path)  # fmt: skip
    assert _offset(path) == pytest.approx(-200, abs=ZERO_TOLERANCE_MS)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_picture_that_starts_late_in_the_container_only(
    in_step: Path, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"late{suffix}"
    _ffmpeg("-i", in_step, "-itsoffset", "0.16", "-i", in_step, "-map", "1:v", "-map", "0:a",
            "-c", "copy", path)  # fmt: skip
    assert _offset(path) == pytest.approx(160, abs=ZERO_TOLERANCE_MS)


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "50"])
def test_frame_rates(in_step: Path, tmp_path: Path, rate: str) -> None:
    path = tmp_path / "rate.mp4"
    _ffmpeg("-i", in_step, "-vf", f"fps={rate}", "-c:a", "copy", path)
    assert _offset(path) == pytest.approx(0, abs=ZERO_TOLERANCE_MS)


def test_variable_frame_rate(in_step: Path, tmp_path: Path) -> None:
    path = tmp_path / "vfr.mkv"
    _ffmpeg("-i", in_step, "-vf", "select='mod(n,3)+lt(mod(n,120),60)'", "-fps_mode", "vfr",
            "-c:a", "copy", path)  # fmt: skip
    assert _offset(path) == pytest.approx(0, abs=ZERO_TOLERANCE_MS)


def test_the_real_clip(shared: Path) -> None:
    """SyncNet's published example: upstream's own readings are 3, 4 and 5 frames early."""
    for faces in ("yunet", "hog"):
        assert 100 <= _offset(shared / "clips" / "example.avi", faces=faces) <= 220
    assert 100 <= _offset(shared / "clips" / "example.avi", cropped=True) <= 220


def test_upstream_scoring_of_the_generated_checkpoint(shared: Path, tmp_path: Path) -> None:
    import torch
    from syncnet_checkpoint import checkpoint

    path = tmp_path / "syncnet.pth"
    torch.save(checkpoint(), path)
    options = avsync.DetectOptions(weights=str(path), cropped=True, upstream_scoring=True)
    report = avsync.detect(shared / "clips" / "example.avi", options)
    assert report.upstream is not None
    assert report.upstream.lse_d == pytest.approx(1321.01, abs=0.01)
    assert report.upstream.lse_c == pytest.approx(0.749, abs=0.001)
    assert report.upstream.offset_frames == 15
    assert "LSE-D and LSE-C of syncnet weights are not on SyncNet's scale" in report.to_text()


def test_figures_of_other_weights_than_syncnets_are_said_to_be_on_no_scale_of_its(
    in_step: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warnings(**options: object) -> str:
        report = avsync.detect(in_step, avsync.DetectOptions(**options))  # type: ignore[arg-type]
        return " / ".join(report.warnings)

    assert "avsync-default weights are not on SyncNet's scale" in warnings(upstream_scoring=True)
    assert "scale" not in warnings()
    ours = weights.sha256_of(weights.find("default"))
    monkeypatch.setattr(weights, "SYNCNET_V2", replace(weights.SYNCNET_V2, sha256=ours))
    path = tmp_path / "under another name.safetensors"
    path.symlink_to(weights.find("default"))
    assert "scale" not in warnings(upstream_scoring=True, weights=str(path))
