"""Training: what it learns, that it resumes exactly, that several processes agree."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from made_clips import TONE_HERTZ, made_clip

from avsync.errors import DataError, WeightsError
from avsync.model import weights
from avsync.model.config import PERFECT_MATCH_CONFIG, SMALL_CONFIG
from avsync.model.perfect_match import PerfectMatchStreams
from avsync.speech import WINDOW_SAMPLES
from avsync.sync.confidence import FEATURE_COUNT
from avsync.training.accuracy import REACH, distances, is_right, score, smoothed
from avsync.training.augment import _lower_rate, augment_frames, augment_samples, plain_frames
from avsync.training.batches import Batches
from avsync.training.clips import PreparedClip, split
from avsync.training.options import TrainOptions
from avsync.training.train import train

PIXELS = SMALL_CONFIG.geometry.pixels


def _options(**changes: object) -> TrainOptions:
    values: dict[str, object] = {"config": "small", "steps": 6, "windows": 40, "n_way": 20}
    return TrainOptions(**{**values, **changes})  # type: ignore[arg-type]


def _same(a: Path, b: Path) -> bool:
    one, two = weights.load(str(a)).streams, weights.load(str(b)).streams
    assert isinstance(one, torch.nn.Module) and isinstance(two, torch.nn.Module)
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


class _Killed(Exception):
    """A run that ends in the middle."""


def _killed_at(step: int) -> object:
    def progress(what: str, done: float, total: float | None) -> None:
        if done == step:
            raise _Killed

    return progress


@pytest.mark.parametrize("objective", ["multiway", "contrastive", "avenet"])
def test_a_killed_run_resumes_to_the_same_weights(tmp_path: Path, objective: str) -> None:
    clips = [made_clip(tmp_path, seed) for seed in range(4)]
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    options = _options(objective=objective, n_way=5)
    train(clips, [], whole, options, {})
    with pytest.raises(_Killed):
        train(clips, [], parts, options, {}, 0.0, progress=_killed_at(5))  # type: ignore[arg-type]
    assert not parts.exists() and parts.with_suffix(".checkpoint").exists()
    train(clips, [], parts, options, {})
    assert _same(whole, parts)
    assert not parts.with_suffix(".checkpoint").exists()


def test_a_checkpoint_of_other_options_is_refused(tmp_path: Path) -> None:
    clips, output = [made_clip(tmp_path, 1)], tmp_path / "a.safetensors"
    with pytest.raises(_Killed):
        train(clips, [], output, _options(), {}, 0.0, progress=_killed_at(3))  # type: ignore[arg-type]
    with pytest.raises(DataError, match="other options"):
        train(clips, [], output, _options(seed=1), {})
    checkpoint = output.with_suffix(".checkpoint")
    older = torch.load(checkpoint, weights_only=True)
    del older["options"]["margin"]  # as a version wrote it that knew no such option
    torch.save(older, checkpoint)
    train(clips, [], output, _options(), {})
    assert output.exists()


@pytest.mark.slow
def test_kill_9_loses_no_more_than_since_the_last_checkpoint(tmp_path: Path) -> None:
    folder = _prepared(tmp_path)
    output = tmp_path / "a.safetensors"
    argv = [
        sys.executable, "-m", "avsync", "train", str(folder), "--config", "small", "-o",
        str(output), "--steps", "100000", "--windows", "40", "--checkpoint-every", "0.5", "-q",
    ]  # fmt: skip
    checkpoint, steps = output.with_suffix(".checkpoint"), []
    for _ in range(2):
        process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
        started = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == started:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        steps.append(torch.load(checkpoint, weights_only=True)["step"])
    assert 0 < steps[0] < steps[1]
    assert not output.exists()


@pytest.mark.slow
def test_processes_of_torchrun_learn_as_one(tmp_path: Path) -> None:
    folder, output = _prepared(tmp_path), tmp_path / "a.safetensors"
    argv = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone",
        "-m", "avsync", "train", str(folder), "--config", "small", "-o", str(output),
        "--steps", "4", "--windows", "40",
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("clips to learn from") == 1
    loaded = weights.load(str(output))
    assert loaded.provenance["options"]["steps"] == 4
    assert loaded.provenance["processes"] == 2


@pytest.mark.slow
def test_matching_is_learnt_on_made_clips(tmp_path: Path) -> None:
    clips = [made_clip(tmp_path, seed) for seed in range(12)]
    held_out = [made_clip(tmp_path, seed, f"{seed}") for seed in range(100, 106)]
    options = _options(steps=120, windows=80, learning_rate=2e-3, averaging_steps=10)
    accuracy = train(clips, held_out, tmp_path / "a.safetensors", options, {})
    assert accuracy is not None
    assert accuracy.by_frames[15] > 0.6  # chance: 3 of 31
    assert accuracy.clips == 1.0
    kept = weights.load(str(tmp_path / "a.safetensors"))
    assert len(kept.calibration["coefficients"]) == FEATURE_COUNT
    assert kept.provenance["accuracy"]["clips"] == 1.0


def test_the_papers_network_can_be_trained(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path, pixels = tmp_path / "a.npz", round(PERFECT_MATCH_CONFIG.geometry.pixels * 1.3)
    frames = rng.integers(0, 255, (16, pixels, pixels, 3)).astype(np.uint8)
    np.savez(path, frames=frames, samples=rng.integers(-999, 999, 16000).astype(np.int16))
    source = made_clip(tmp_path, 1).source
    options = _options(config="perfect-match", steps=1, windows=12, similarity="inverse-distance")
    output = tmp_path / "pm.safetensors"
    train([PreparedClip(source, path, 0, 16, 16000)], [], output, options, {})
    assert isinstance(weights.load(str(output)).streams, PerfectMatchStreams)


def test_windows_of_several_clips_are_those_of_each() -> None:
    torch.manual_seed(0)
    streams = PerfectMatchStreams().eval()
    frames = torch.randint(0, 255, (14, 224, 224, 3), dtype=torch.uint8)
    with torch.inference_mode():
        together = streams.embed_videos(frames, [6, 8])
        apart = torch.cat([streams.embed_video(frames[:6]), streams.embed_video(frames[6:])])
    assert together.shape == (2 + 4, 1024)
    assert torch.allclose(together, apart, atol=1e-3 * float(apart.abs().max()))


def test_batches_depend_on_seed_and_step_only(tmp_path: Path) -> None:
    clips = [made_clip(tmp_path, seed, f"speaker {seed % 2}") for seed in range(3)]
    batches = Batches(clips, PIXELS, 40, 20, seed=5)
    again, other = Batches(clips, PIXELS, 40, 20, seed=5)[7], batches[8]
    one = batches[7]
    assert torch.equal(one.frames, again.frames) and torch.equal(one.sounds, again.sounds)
    assert not torch.equal(one.sounds, other.sounds)
    assert len(one.sounds) == sum(one.lengths) and len(one.frames) == sum(one.frame_counts)


def test_a_known_offset_is_removed(tmp_path: Path) -> None:
    """The sound of an early clip lies before its picture; training takes it from there."""
    early, late = (made_clip(tmp_path, 1, offset_ms=ms) for ms in (80.0, -80.0))
    assert early.sound_hop(50) == 50 * 4 - 8
    assert late.sound_hop(50) == 50 * 4 + 8
    assert early.valid_windows.start == 2
    last = late.valid_windows.stop - 1
    assert (late.sound_hop(last) + 19) * 160 + WINDOW_SAMPLES <= late.sample_count


@pytest.mark.parametrize("colour", [False, True])
def test_augmentation_keeps_shape_type_and_time(tmp_path: Path, colour: bool) -> None:
    clip, other = made_clip(tmp_path, 3), made_clip(tmp_path, 4).samples
    frames, samples = clip.frames[:24], clip.samples
    wide = np.repeat(frames[..., None], 3, axis=3) if colour else frames
    for seed in range(20):
        rng = np.random.default_rng(seed)
        out = augment_frames(wide, PIXELS, rng)
        assert out.shape == (24, PIXELS, PIXELS, *wide.shape[3:]) and out.dtype == np.uint8
        sound = augment_samples(samples, other, rng)
        assert sound.shape == samples.shape and np.isfinite(sound).all()
        clean = np.abs(np.fft.rfft(samples.astype(float)))
        assert clean.argmax() == TONE_HERTZ * 3  # the tone is where it was


def test_a_lower_rate_shows_the_frame_nearest_in_time() -> None:
    clip = np.arange(48, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    late = []
    for seed in range(50):
        shown = _lower_rate(clip, np.random.default_rng(seed))[:, 0, 0].astype(int)
        assert len(shown) == 48 and len(set(shown)) <= 20 / 25 * 48 + 1
        late.append(np.arange(48) - shown)
        assert np.abs(late[-1]).max() <= 25 / 8 / 2 + 1
    assert abs(np.mean(late)) < 0.1  # neither early nor late


def test_plain_frames_are_the_middle(tmp_path: Path) -> None:
    wide = made_clip(tmp_path, 1).frames
    first = (wide.shape[1] - PIXELS) // 2
    middle = wide[:, first : first + PIXELS, first : first + PIXELS]
    assert np.array_equal(plain_frames(wide, PIXELS), middle)


def test_the_protocol_masks_and_tolerates_one_frame() -> None:
    rows = np.full((3, 2 * REACH + 1), 1.0, np.float32)
    rows[0, REACH + 1] = rows[1, REACH + 2] = 0.0
    rows[2, :REACH] = np.nan
    rows[2, REACH] = 0.5
    assert is_right(rows).tolist() == [True, False, True]
    assert smoothed(rows, 3)[1, REACH + 1] == pytest.approx(2 / 3)


def test_accuracy_counts_windows_and_clips() -> None:
    right, wrong = np.full((2, 30, 2 * REACH + 1), 1.0, np.float32)
    right[:, REACH] = 0.0
    wrong[:, 0] = 0.0
    measured = score([right, wrong[:10]])
    assert measured.by_frames == dict.fromkeys((5, 7, 9, 11, 13, 15), 0.75)
    assert measured.by_frames_per_clip == dict.fromkeys((5, 7, 9, 11, 13, 15), 0.5)
    assert (measured.clips, measured.clip_count, measured.window_count) == (0.5, 2, 40)


def test_longer_inputs_average_neighbouring_windows() -> None:
    """15 frames are 11 windows: a lone right answer among wrong ones is outvoted."""
    rows = np.full((40, 2 * REACH + 1), 1.0, np.float32)
    rows[:, 3] = 0.5
    rows[20, REACH] = 0.0
    measured = score([rows])
    assert measured.by_frames[5] == pytest.approx(1 / 40)
    assert measured.by_frames[15] == 0.0


def test_distances_outside_the_clip_are_masked(tmp_path: Path) -> None:
    from avsync.model.networks import DefaultStreams

    rows = distances(DefaultStreams(SMALL_CONFIG), made_clip(tmp_path, 1))
    assert np.isnan(rows[0, :REACH]).all() and np.isfinite(rows[0, REACH:]).all()
    assert np.isnan(rows[-1, REACH + 1 :]).all()


def test_speakers_are_held_out_whole(tmp_path: Path) -> None:
    clips = [made_clip(tmp_path, seed, f"speaker {seed % 3}") for seed in range(9)]
    learning, held_out = split(clips, {"speaker 1"})
    assert {c.source.speaker for c in learning} == {"speaker 0", "speaker 2"}
    assert len(learning) + len(held_out) == 9


def test_no_clip_long_enough(tmp_path: Path) -> None:
    clip = made_clip(tmp_path, 1)
    short = PreparedClip(clip.source, clip.prepared, 0, 8, clip.sample_count)
    with pytest.raises(DataError, match="no clip"):
        train([short], [], tmp_path / "a.safetensors", _options(), {})


def test_weights_of_another_network_are_no_start(tmp_path: Path) -> None:
    from syncnet_checkpoint import checkpoint

    path = tmp_path / "syncnet.pth"
    torch.save(checkpoint(), path)
    with pytest.raises(WeightsError, match="not of the network small"):
        options = _options(start=str(path))
        train([made_clip(tmp_path, 1)], [], tmp_path / "a.safetensors", options, {})


def test_no_steps_keep_the_weights_and_calibrate(tmp_path: Path) -> None:
    clips = [made_clip(tmp_path, seed, f"{seed}") for seed in range(4)]
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    train(clips, [], first, _options(steps=2), {"data": ["made"]})
    train(clips, clips, second, _options(steps=0, start=str(first)), {})
    assert _same(first, second)
    kept = weights.load(str(second))
    assert kept.calibration["examples"] > 0
    assert kept.provenance["data"] == ["made"]  # they still come from where they came from


def _prepared(tmp_path: Path) -> Path:
    """A prepared folder of made clips."""
    from avsync.training.prepare import COLUMNS

    folder = tmp_path / "prepared"
    folder.mkdir()
    rows = ["\t".join(COLUMNS)]
    for seed in range(3):
        clip = made_clip(folder, seed)
        facts = {
            "frame_count": clip.frame_count, "sample_count": clip.sample_count,
            "first_frame": 0, "picture_height": 0, "face_height": 0.0, "why": "",
        }  # fmt: skip
        np.savez(clip.prepared, frames=clip.frames, samples=clip.samples, **facts)  # type: ignore[arg-type]
        rows.append("\t".join((f"{seed}.npz", f"{seed}.mp4", "a", "made", "", "0", "", "")))
    (folder / "index.tsv").write_text("\n".join(rows) + "\n")
    return folder
