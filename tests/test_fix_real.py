"""detect -> fix -> detect on real clips of speakers that the weights have never seen."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REPOSITORY
from fixes import (
    clips_of,
    cut,
    foreign_fates,
    move_samples,
    repeat,
    run_away,
    spread,
    try_fix,
)

from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.remux.fix import fix
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.timebase import FRAME_MS

pytestmark = pytest.mark.slow

AVI = ("-c:v", "mpeg4", "-q:v", "3", "-c:a", "libmp3lame")
SHORT_SECONDS = 7.0
END_SECONDS = 8.0  # of a long clip, from either end


@pytest.fixture(scope="module")
def pipeline(shared: Path) -> Iterator[Pipeline]:
    """Weights and YuNet, loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(shared / "torch_home"))
        yield Pipeline(DetectOptions())


def development_clips(shared: Path, most_seconds: float) -> list[Path]:
    manifest = shared / "corpus" / "manifest.tsv"
    speakers = REPOSITORY / "weights" / "dev-speakers.txt"
    return clips_of(manifest, speakers, most_seconds=most_seconds)


@pytest.mark.parametrize(
    ("kind", "early_ms"), [("mp4", -240.0), ("mkv", 370.0), ("ts", -370.0), ("avi", 240.0)]
)
def test_a_fixed_clip_measures_as_right_in_every_container(
    shared: Path, pipeline: Pipeline, tmp_path: Path, kind: str, early_ms: float
) -> None:
    clip = development_clips(shared, SHORT_SECONDS)[0]
    moved, out = tmp_path / f"moved.{kind}", tmp_path / f"fixed.{kind}"
    move_samples(clip, moved, early_ms, *(AVI if kind == "avi" else ()))
    report = fix(moved, out, pipeline=pipeline)
    assert report.status == "fixed", report.reasons
    assert report.method == ("encode" if kind == "avi" else "copy")
    after = detect(out, pipeline=pipeline)
    assert after.offset_ms is not None and abs(after.offset_ms) <= 20


def test_what_was_moved_on_purpose_is_put_back(
    shared: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    """`benchmarks/fixes.py` does so with twenty clips, and longer ones."""
    clips = spread(development_clips(shared, SHORT_SECONDS), 4)
    assert len({clip.name for clip in clips}) == 4
    for clip, early_ms in zip(clips, (-640.0, 330.0, -330.0, 640.0), strict=True):
        trial = try_fix(clip, early_ms, tmp_path, pipeline)
        assert trial.status == "fixed", trial
        assert trial.own_ms is not None and trial.found_ms is not None, trial
        assert abs(trial.found_ms - trial.own_ms - early_ms) <= FRAME_MS, trial
        assert trial.residual_ms is not None and abs(trial.residual_ms) <= FRAME_MS, trial
        assert trial.true_ms is not None and abs(trial.true_ms) <= FRAME_MS, trial
        assert not trial.is_worse, trial


def test_wrong_speech_and_two_voices_at_once_are_never_fixed(
    shared: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    faces = spread(development_clips(shared, SHORT_SECONDS), 5)
    fates = dict(foreign_fates(faces, tmp_path, pipeline))
    assert len(fates) == 10
    refused = ("undetermined", "unverified")
    assert {name: said for name, said in fates.items() if not said.startswith(refused)} == {}
    assert not list(tmp_path.glob("*.out.*"))


@pytest.mark.parametrize(
    ("stretch", "keep_pitch", "times"), [(25 / 24, False, 1), (1.001, True, 3)]
)
def test_real_speech_that_runs_away_is_caught(
    shared: Path, pipeline: Pipeline, tmp_path: Path, stretch: float, keep_pitch: bool, times: int
) -> None:
    """Film speed over 30 s, and a clock that is 1000 ppm slow over 90 s: right at both ends."""
    names = ("clip.mp4", "wrong.mp4", "out.mp4", "piece.mp4")
    clip, wrong, out, piece = (tmp_path / name for name in names)
    repeat(shared / "corpus" / "wild" / "DH-FaceVid-1K_105369_563275.mp4", clip, times)
    given = run_away(clip, wrong, stretch)
    options = FixOptions(remux=RemuxOptions(keep_pitch=keep_pitch))
    report = fix(wrong, out, options, pipeline=pipeline)
    assert report.status == "fixed" and report.method == "resample", report.reasons
    assert report.drift_ppm == pytest.approx(-1e6 * (1 - 1 / given), rel=0.05, abs=300)
    assert report.before and report.before.duration_seconds
    for start in (0.0, report.before.duration_seconds - END_SECONDS - 0.5):
        cut(out, piece, start, END_SECONDS)
        after = detect(piece, pipeline=pipeline).offset_ms
        assert after is not None and abs(after) <= FRAME_MS, (start, after)
