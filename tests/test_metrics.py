"""The metric counts as the command does, keeps torchmetrics' contract, and does without it."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from numpy.typing import NDArray
from timeline import run
from torchmetrics import Metric, MetricCollection

import avsync
from avsync.metrics import LipSyncError

TALKING = REPOSITORY / "docs" / "talking.mp4"
Arrays = tuple[NDArray[np.uint8], NDArray[np.int16]]


def _arrays(start: float, seconds: float) -> Arrays:
    """Pictures and sound of a part of the clip."""
    part = ("-ss", str(start), "-t", str(seconds), "-i", TALKING)
    raw = run(*part, "-f", "rawvideo", "-pix_fmt", "rgb24", "-").stdout
    sound = run(*part, "-f", "s16le", "-ac", "1", "-ar", "16000", "-").stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, 360, 640, 3), np.frombuffer(sound, np.int16)


@pytest.fixture(scope="module")
def clips() -> list[Arrays]:
    nobody = np.zeros((50, 64, 64, 3), np.uint8), np.zeros(32_000, np.int16)
    return [_arrays(0, 3), _arrays(3, 3), nobody]


@pytest.fixture(scope="module")
def metric(clips: list[Arrays]) -> LipSyncError:
    """Updated with all three clips, one of them without a face."""
    metric = LipSyncError()
    for video, audio in clips:
        metric.update(video, audio)
    return metric


def test_it_counts_as_detect_does(metric: LipSyncError, clips: list[Arrays]) -> None:
    options = avsync.DetectOptions(upstream_scoring=True)
    pipeline = avsync.Pipeline(options)
    found = [pipeline.detect(avsync.Clip(*clip, 25, 16_000)).upstream for clip in clips]
    scores = [one for one in found if one]
    assert len(scores) == 2
    told = metric.compute()
    assert told["lse_d"].item() == pytest.approx(np.mean([s.lse_d for s in scores]), abs=1e-9)
    assert told["lse_c"].item() == pytest.approx(np.mean([s.lse_c for s in scores]), abs=1e-9)
    assert (told["scored"].item(), told["clips"].item()) == (2, 3)


def test_tensors_and_orders_of_axes_make_no_difference(
    metric: LipSyncError, clips: list[Arrays]
) -> None:
    video, audio = clips[0]
    channels_first = torch.from_numpy(video.copy()).permute(0, 3, 1, 2)
    floats = torch.from_numpy(audio.astype(np.float32) / 32767)
    one, other = metric.measure(video, audio), metric.measure(channels_first, floats)
    assert one.upstream == other.upstream


def test_parts_are_merged_and_forgotten(metric: LipSyncError, clips: list[Arrays]) -> None:
    one, other = LipSyncError(), LipSyncError()
    one.update(*clips[0])
    other.update(*clips[1])
    other.update(*clips[2])
    one.merge_state(other)
    whole, merged = metric.compute(), one.compute()
    assert all(torch.isclose(whole[name], merged[name]) for name in whole)
    one.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):  # as torchmetrics has it
        told = one.compute()
    assert told["clips"].item() == 0 and torch.isnan(told["lse_d"])


def test_it_keeps_torchmetrics_contract(metric: LipSyncError, clips: list[Arrays]) -> None:
    assert isinstance(metric, Metric)
    for again in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric)), metric.clone()):
        assert again.compute()["lse_d"] == metric.compute()["lse_d"]
        again.update(*clips[0])  # it loads what it needs again
        assert again.clips == 4
    collection = MetricCollection({"sync": LipSyncError()})
    batch = collection(*clips[0])  # forward: of this clip alone
    collection.update(*clips[1])
    assert batch["lse_d"] == metric.measure(*clips[0]).upstream.lse_d  # type: ignore[union-attr]
    assert collection.compute()["clips"] == 2
    assert metric.state_dict() == {}  # states are not of a checkpoint, unless asked for


def test_arrays_that_make_no_sense_are_refused(metric: LipSyncError) -> None:
    before = metric.compute()["clips"].item()
    with pytest.raises(avsync.UsageError, match="frames"):
        metric.update(np.zeros((5, 8, 8), np.uint8), np.zeros(100))
    assert metric.compute()["clips"].item() == before


WITHOUT = """
import sys
sys.modules["torchmetrics"] = None  # as where it is not installed
import numpy as np
from avsync.metrics import LipSyncError
video, audio = (np.load(path) for path in sys.argv[1:])
metric, other = LipSyncError(), LipSyncError()
metric.update(video, audio)
other.update(video, audio)
metric.merge_state(other)
print({name: value.item() for name, value in metric.compute().items()})
metric.reset()
print(metric.compute()["clips"].item())
"""


def test_without_torchmetrics_it_is_the_same(
    metric: LipSyncError, clips: list[Arrays], tmp_path: Path
) -> None:
    paths = [tmp_path / "video.npy", tmp_path / "audio.npy"]
    for path, array in zip(paths, clips[0], strict=True):
        np.save(path, array)
    argv = [sys.executable, "-c", WITHOUT, *paths]
    done = subprocess.run(argv, capture_output=True, text=True)
    scores = metric.measure(*clips[0]).upstream
    assert scores
    told = {"lse_d": scores.lse_d, "lse_c": scores.lse_c, "scored": 2, "clips": 2}
    assert done.stdout.splitlines() == [str(told), "0"], done.stderr
