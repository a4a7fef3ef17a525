"""Training: what it learns, that it resumes exactly, and what bad data gets."""

from pathlib import Path

import numpy as np
import pytest
import torch

from avsync import weights
from avsync.errors import DataError, WeightsError
from avsync.features import WINDOW_SAMPLES
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE
from avsync.training.augment import augment_frames, augment_samples, plain_frames
from avsync.training.batches import Batches
from avsync.training.calibrate import fit
from avsync.training.clips import Clip, Source, find_sources
from avsync.training.evaluate import REACH, distances, is_right, smoothed
from avsync.training.objectives import Multiway
from avsync.training.recipe import split
from avsync.training.train import TrainOptions, train

WIDE = 114  # pixels of a cached crop
SECONDS = 3


def _clip(seed: int, speaker: str = "somebody", offset_ms: float = 0.0) -> Clip:
    """A made clip: a bright bar opens in the picture as loud as the sound is."""
    rng = np.random.default_rng(seed)
    count = SECONDS * FRAMES_PER_SECOND
    loud = np.convolve(rng.random(count + 8), np.hanning(5), "valid")[:count]
    loud = (loud - loud.min()) / np.ptp(loud)
    frames = rng.integers(60, 90, (count, WIDE, WIDE)).astype(np.uint8)
    for frame, opening in zip(frames, loud, strict=True):
        half = 2 + int(20 * opening)
        frame[57 - half : 57 + half, 37:77] = 230
    envelope = np.interp(np.arange(SECONDS * SAMPLE_RATE) / SAMPLE_RATE,
                         (np.arange(count) + 0.5) / FRAMES_PER_SECOND, loud)  # fmt: skip
    tone = np.sin(2 * np.pi * 440 * np.arange(len(envelope)) / SAMPLE_RATE)
    samples = (20000 * envelope**2 * tone + 50 * rng.normal(size=len(tone))).astype(np.int16)
    return Clip(Source(Path(f"{seed}.mp4"), speaker, "made", offset_ms), frames, samples, 0)


def _options(**changes: object) -> TrainOptions:
    values: dict[str, object] = {"steps": 6, "windows": 40, "n_way": 20, "checkpoint_every": 2}
    return TrainOptions(**{**values, **changes})  # type: ignore[arg-type]


def _same(a: Path, b: Path) -> bool:
    one, two = weights.load(str(a)).streams, weights.load(str(b)).streams
    assert isinstance(one, torch.nn.Module) and isinstance(two, torch.nn.Module)
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    clips = [_clip(seed) for seed in range(4)]
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    train(clips, [], whole, _options(), {})

    def kill(what: str, done: float, total: float | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(clips, [], parts, _options(), {}, progress=kill)
    assert not parts.exists() and parts.with_suffix(".checkpoint").exists()
    train(clips, [], parts, _options(), {})
    assert _same(whole, parts)
    assert not parts.with_suffix(".checkpoint").exists()


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    clips, output = [_clip(1)], tmp_path / "a.safetensors"

    def kill(what: str, done: float, total: float | None) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(clips, [], output, _options(), {}, progress=kill)
    with pytest.raises(DataError, match="other options"):
        train(clips, [], output, _options(seed=1), {})


@pytest.mark.slow
def test_matching_is_learnt_on_made_clips(tmp_path: Path) -> None:
    clips = [_clip(seed) for seed in range(12)]
    held_out = [_clip(seed) for seed in range(100, 106)]
    options = _options(steps=80, windows=80, learning_rate=2e-3)
    accuracy = train(clips, held_out, tmp_path / "a.safetensors", options, {})
    assert accuracy is not None
    assert accuracy.frames_15 > 0.6  # chance: 3 of 31
    assert accuracy.clips == 1.0
    assert weights.load(str(tmp_path / "a.safetensors")).calibration["coefficients"]


@pytest.mark.parametrize("similarity", ["cosine", "inverse-distance"])
def test_the_objective_prefers_pairs_that_belong_together(similarity: str) -> None:
    objective = Multiway(similarity)  # type: ignore[arg-type]
    video = torch.nn.functional.normalize(torch.randn(30, 16), dim=1)
    right = objective(video, video, [10, 20])
    wrong = objective(video, video.roll(3, 0), [10, 20])
    assert right < wrong


def test_clips_of_a_batch_do_not_compete() -> None:
    objective = Multiway()
    video = torch.nn.functional.normalize(torch.randn(12, 16), dim=1)
    apart = (objective(video[:6], video[:6], [6]) + objective(video[6:], video[6:], [6])) / 2
    assert torch.allclose(objective(video, video, [6, 6]), apart)


def test_batches_depend_on_seed_and_step_only() -> None:
    clips = [_clip(seed, f"speaker {seed % 2}") for seed in range(3)]
    batches = Batches(clips, 88, 40, 20, seed=5)
    again, other = Batches(clips, 88, 40, 20, seed=5)[7], batches[8]
    one = batches[7]
    assert torch.equal(one.frames, again.frames) and torch.equal(one.sounds, again.sounds)
    assert not torch.equal(one.sounds, other.sounds)
    assert len(one.sounds) == sum(one.lengths) and len(one.frames) == sum(one.frame_counts)


def test_a_known_offset_is_removed() -> None:
    """The sound of an early clip lies before its picture; training takes it from there."""
    assert _clip(1, offset_ms=80.0).sound_step(50) == 50 * 4 - 8
    assert _clip(1, offset_ms=-80.0).sound_step(50) == 50 * 4 + 8
    early = _clip(1, offset_ms=80.0)
    assert early.valid_windows.start == 2
    last = early.valid_windows.stop - 1
    assert (early.sound_step(last) + 19) * 160 + WINDOW_SAMPLES <= len(early.samples)


def test_augmentation_keeps_shape_type_and_time() -> None:
    clip = _clip(3)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        frames = augment_frames(clip.frames[:24], 88, rng)
        assert frames.shape == (24, 88, 88) and frames.dtype == np.uint8
        sound = augment_samples(clip.samples, _clip(4).samples, rng)
        assert sound.shape == clip.samples.shape and np.isfinite(sound).all()
        clean = np.abs(np.fft.rfft(clip.samples.astype(float)))
        assert clean.argmax() == 440 * SECONDS  # the tone is where it was


def test_plain_frames_are_the_middle() -> None:
    wide = _clip(1).frames
    assert np.array_equal(plain_frames(wide, 88), wide[:, 13:101, 13:101])


def test_the_protocol_masks_and_tolerates_one_frame() -> None:
    rows = np.full((3, 2 * REACH + 1), 1.0, np.float32)
    rows[0, REACH + 1] = rows[1, REACH + 2] = 0.0
    rows[2, :REACH] = np.nan
    rows[2, REACH] = 0.5
    assert is_right(rows).tolist() == [True, False, True]
    assert smoothed(rows, 3)[1, REACH + 1] == pytest.approx(2 / 3)


def test_distances_outside_the_clip_are_masked() -> None:
    from avsync.model import DEFAULT_CONFIG, DefaultStreams

    rows = distances(DefaultStreams(DEFAULT_CONFIG), _clip(1))
    assert np.isnan(rows[0, :REACH]).all() and np.isfinite(rows[0, REACH:]).all()
    assert np.isnan(rows[-1, REACH + 1 :]).all()


def test_calibration_finds_the_probabilities_it_was_made_from() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20000, 5)) * (1, 5, 0.1, 2, 1) + (0, 3, 0, 1, 4)
    score = features @ (0.8, -0.2, 3.0, 0.0, 0.1) - 0.5
    right = rng.random(len(score)) < 1 / (1 + np.exp(-score))
    calibration = fit(features, right)
    confidence = np.array([calibration.confidence(tuple(row)) for row in features])
    assert np.abs(confidence - 1 / (1 + np.exp(-score))).max() < 0.06


def test_speakers_are_held_out_whole() -> None:
    clips = [_clip(seed, f"speaker {seed % 3}") for seed in range(9)]
    learning, held_out = split(clips, {"speaker 1"})
    assert {c.source.speaker for c in learning} == {"speaker 0", "speaker 2"}
    assert len(learning) + len(held_out) == 9


def test_a_manifest_is_read_and_bad_data_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "clips.tsv"
    manifest.write_text(
        "file\tspeaker\tkind\toffset_ms\na/1.mp4\tann\treal\t40\na/2.mp4\tbob\tmismatched\t\n"
    )
    (source,) = find_sources([manifest])
    assert source == Source(tmp_path / "a" / "1.mp4", "ann", "a", 40.0)
    manifest.write_text("name\nx\n")
    with pytest.raises(DataError, match="no column `file`"):
        find_sources([manifest])
    with pytest.raises(DataError, match="no such folder"):
        find_sources([tmp_path / "absent"])
    with pytest.raises(DataError, match="no videos"):
        find_sources([tmp_path / "."] if not any(tmp_path.glob("*.mp4")) else [])


def test_no_clip_long_enough(tmp_path: Path) -> None:
    clip = _clip(1)
    short = Clip(clip.source, clip.frames[:8], clip.samples, 0)
    with pytest.raises(DataError, match="no clip"):
        train([short], [], tmp_path / "a.safetensors", _options(), {})


def test_only_default_weights_are_trained_on(tmp_path: Path) -> None:
    from syncnet_checkpoint import checkpoint

    path = tmp_path / "syncnet.pth"
    torch.save(checkpoint(), path)
    with pytest.raises(WeightsError, match="only the default network"):
        train([_clip(1)], [], tmp_path / "a.safetensors", _options(start=str(path)), {})
