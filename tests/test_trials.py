"""Trials: what is moved comes back as moved, what is foreign is never right."""

from pathlib import Path

import numpy as np
import pytest
from made_clips import made_clip

from avsync.model.config import SMALL_CONFIG
from avsync.model.networks import DefaultStreams
from avsync.sync.confidence import FEATURE_COUNT, Calibration
from avsync.sync.verdict import SearchOptions, reach_verdict
from avsync.training import answers, trials
from avsync.training.clean import EmbeddedClip
from avsync.training.clips import PreparedClip
from avsync.training.trials import Trials

SIZE = 16
# Sure where a minimum leads by far: made embeddings match perfectly.
CALIBRATION = Calibration((0.0, 0.0, 0.0, 2.0, *((FEATURE_COUNT - 4) * [0.0])), -6.0)


def _perfect(streams: DefaultStreams, clip: PreparedClip) -> EmbeddedClip:
    """As if the streams answered the same for a picture and its sound, off by the clip's own."""
    rng = np.random.default_rng(int(clip.source.path.stem))
    steps = clip.frame_count * 4 - 19
    noise = rng.normal(size=(steps + 39, SIZE))
    smooth = np.stack([np.convolve(c, np.hanning(20), "valid") for c in noise.T], 1)
    sound = smooth / np.linalg.norm(smooth, axis=1, keepdims=True)
    lag = round(-clip.source.offset_ms / 10)
    said = np.clip(np.arange(clip.frame_count - 4) * 4 + lag, 0, len(sound) - 1)
    audio = sound.astype(np.float32)
    return EmbeddedClip(audio[said], audio, np.ones(len(audio), bool), 0)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trials:
    monkeypatch.setattr(trials, "embed_clip", _perfect)
    rng = np.random.default_rng(9)
    monkeypatch.setattr(
        trials, "embed_samples", lambda *_: rng.normal(size=(2900, SIZE)).astype(np.float32)
    )
    clips = [
        made_clip(tmp_path, seed, f"speaker {seed}", offset_ms=20.0 * seed, seconds=6.0)
        for seed in range(4)
    ]
    return Trials(DefaultStreams(SMALL_CONFIG), clips)


@pytest.mark.parametrize("reach_seconds", [1, 3])
@pytest.mark.parametrize("alone", [True, False])
def test_a_moved_sound_is_found_where_it_was_moved(
    made: Trials, reach_seconds: int, alone: bool
) -> None:
    truths = set()
    for number in range(4):
        for _ in range(5):
            trial = made.make(number, 100, reach_seconds, "own", alone)
            offset = trial.offset()
            assert offset is not None
            assert offset.offset_ms == pytest.approx(trial.truth_ms, abs=6)
            assert trial.is_right(offset.offset_ms)
            assert not trial.is_right(offset.offset_ms + 60)
            truths.add(trial.truth_ms)
    assert len(truths) > 10 and max(truths) > 300 and min(truths) < -300


def test_a_clips_own_sound_under_another_is_its_own_still(made: Trials) -> None:
    speech = made.clips[1].samples
    for heard in trials.NOISY:
        noisy = made._noised(1, heard)
        assert len(noisy) == len(speech) and not np.array_equal(noisy, speech)
        assert 0.3 < np.corrcoef(noisy, speech)[0, 1] < 0.99
        trial = made.make(1, 100, 1, heard)
        assert trial.is_right(trial.truth_ms) and not trial.is_right(trial.truth_ms + 60)


def test_a_sweep_has_sounds_of_all_kinds(made: Trials) -> None:
    heard = [trial.heard for _ in range(10) for trial in made.sweep((25, 50), (1, 3), 0.4)]
    foreign = sum(kind not in trials.OWN for kind in heard) / len(heard)
    noisy = sum(kind in trials.NOISY for kind in heard) / len(heard)
    assert foreign == pytest.approx(0.4, abs=0.12)
    assert noisy == pytest.approx(0.6 * trials.NOISY_SHARE, abs=0.1)


@pytest.mark.parametrize("heard", ["stranger", "music", "silence"])
def test_no_answer_is_right_for_a_foreign_sound(made: Trials, heard: trials.Heard) -> None:
    for number in range(4):
        trial = made.make(number, 100, 1, heard, alone=True)
        assert not trial.is_right(trial.truth_ms)
        report = reach_verdict("a", [trial.seen], CALIBRATION, SearchOptions(1))
        assert report.status == "undetermined"
    if heard == "silence":
        assert "silent" in report.reasons[0]


def test_strangers_are_other_speakers(made: Trials) -> None:
    assert all(made._stranger(number) != number for number in range(4) for _ in range(10))


def test_what_is_heard_around_a_clip_is_not_its_own_sound(made: Trials) -> None:
    """It would match, at an offset that is called wrong."""
    for number in range(4):
        own = {row.tobytes() for row in made._sounds[number].audio}
        assert not own & {row.tobytes() for row in made._talk(number, 500).audio}


def test_the_same_seed_makes_the_same_trials(made: Trials) -> None:
    again = Trials(DefaultStreams(SMALL_CONFIG), made.clips)
    for one, other in zip(
        made.sweep((25, 50), (1, 3), 0.5), again.sweep((25, 50), (1, 3), 0.5), strict=True
    ):
        assert (one.heard, one.truth_ms) == (other.heard, other.truth_ms)


def test_an_evaluation_counts_what_detect_would_say(made: Trials) -> None:
    found = answers.answers_to(made, CALIBRATION, lambda *_: None)
    whole = next(row for row in found.by_length if row.name == "whole: 5 s and more")
    assert (whole.trials, whole.speakers, whole.right) == (16, 4, 1.0)
    assert whole.median_error_ms is not None and whole.median_error_ms < 6
    assert [row.name for row in found.by_length if row.name.startswith("cut")] == [
        "cut to 1 s", "cut to 2 s", "cut to 4 s",
    ]  # fmt: skip
    kinds = ("music", "other moment", "silence", "stranger")
    undetermined = {row.name: row.undetermined for row in found.foreign}
    assert undetermined == {f"{kind}, 2 s and more": 1.0 for kind in kinds}
    assert any(row.name == "data: made" for row in found.by_group)
    assert found.sure_and_right == 1.0


@pytest.mark.parametrize(
    ("value", "name"), [(1, "below 2 s"), (2, "2 to 5 s"), (4.9, "2 to 5 s"), (5, "5 s and more")]
)
def test_bands_have_names(value: float, name: str) -> None:
    assert answers._band(value, (2, 5), "s") == name
