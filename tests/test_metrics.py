"""The metric counts as the command does, keeps torchmetrics' contract, and does without it."""

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REPOSITORY, Command
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


def _saved(clip: Arrays, folder: Path) -> list[Path]:
    """Files of pictures and sound."""
    folder.mkdir(exist_ok=True)
    paths = [folder / "video.npy", folder / "audio.npy"]
    for path, array in zip(paths, clip, strict=True):
        np.save(path, array)
    return paths


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


def test_it_equals_the_command(
    avsync: Command, metric: LipSyncError, clips: list[Arrays], tmp_path: Path
) -> None:
    names = [f"{number}.mkv" for number in range(len(clips))]
    for name, (video, audio) in zip(names, clips, strict=True):
        _, height, width, _ = video.shape
        pictures, sound = tmp_path / "pictures.raw", tmp_path / "sound.raw"
        pictures.write_bytes(video.tobytes())
        sound.write_bytes(audio.tobytes())
        run("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25",
            "-i", pictures, "-f", "s16le", "-ac", "1", "-ar", "16000", "-i", sound,
            "-c:v", "ffv1", "-pix_fmt", "bgr0", "-c:a", "pcm_s16le", tmp_path / name)  # fmt: skip
    done = avsync("score", *[tmp_path / name for name in names], "--json", "--weights", "default")
    (group,) = json.loads(done.stdout)["sets"]
    told = metric.compute()
    assert told["lse_d"].item() == pytest.approx(group["lse_d"]["mean"], abs=1e-4)
    assert told["lse_c"].item() == pytest.approx(group["lse_c"]["mean"], abs=1e-4)


def test_a_batch_counts_as_its_clips(metric: LipSyncError, clips: list[Arrays]) -> None:
    lists, stacked, alone = LipSyncError(), LipSyncError(), LipSyncError()
    lists.update([video for video, _ in clips], [audio for _, audio in clips])
    assert all(
        torch.equal(value, lists.compute()[name]) for name, value in metric.compute().items()
    )
    pair = [clips[0], clips[0]]
    stacked.update(
        torch.from_numpy(np.stack([video for video, _ in pair])).permute(0, 1, 4, 2, 3),
        torch.from_numpy(np.stack([audio for _, audio in pair])),
    )
    alone.update(*clips[0])
    assert stacked.clips == 2 and stacked.compute()["lse_d"] == alone.compute()["lse_d"]
    with pytest.raises(avsync.UsageError, match="1 sounds for 2 clips"):
        alone.update([video for video, _ in pair], [clips[0][1]])
    assert alone.clips == 1


WATCHED = """
import os, sys
import numpy as np
from avsync.metrics import LipSyncError

def watch(event, arguments):
    if event == "open" and arguments[0] != os.devnull:
        mode, flags = arguments[1] or "", arguments[2]
        if set(mode) & set("wax+") or flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            print("opened", arguments)
    elif event.startswith(("os.mkdir", "os.rename", "os.link", "os.symlink", "tempfile.", "shutil.",
                           "subprocess.", "os.posix_spawn", "os.fork", "os.exec")):
        print(event, arguments)

sys.addaudithook(watch)
metric = LipSyncError()
metric.update(*(np.load(path) for path in sys.argv[1:]))
print(metric.compute()["scored"].item())
"""


def test_nothing_is_written_and_no_program_run(clips: list[Arrays], tmp_path: Path) -> None:
    argv = [sys.executable, "-B", "-c", WATCHED, *_saved(clips[0], tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["1"], done.stderr


TOGETHER = """
import sys
import numpy as np
from torch import distributed
from avsync.metrics import LipSyncError

rank, meeting, *paths = sys.argv[1:]
distributed.init_process_group("gloo", f"file://{meeting}", rank=int(rank), world_size=2)
metric = LipSyncError()
metric.update(*(np.load(path) for path in paths))
print({name: value.item() for name, value in metric.compute().items()})
distributed.destroy_process_group()
"""


def test_processes_are_summed(clips: list[Arrays], tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TOGETHER, str(rank), tmp_path / "meeting",
             *_saved(clips[rank], tmp_path / str(rank))],
            stdout=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    told = [process.communicate(timeout=300)[0] for process in processes]
    whole = LipSyncError()
    whole.update([video for video, _ in clips[:2]], [audio for _, audio in clips[:2]])
    expected = {name: value.item() for name, value in whole.compute().items()}
    assert told == [f"{expected}\n"] * 2 and expected["scored"] == 2


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
    argv = [sys.executable, "-c", WITHOUT, *_saved(clips[0], tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True)
    scores = metric.measure(*clips[0]).upstream
    assert scores
    told = {"lse_d": scores.lse_d, "lse_c": scores.lse_c, "scored": 2, "clips": 2}
    assert done.stdout.splitlines() == [str(told), "0"], done.stderr
