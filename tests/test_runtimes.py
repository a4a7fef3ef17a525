"""The same network on torch and on onnxruntime, and which of them measures what."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REPOSITORY, Command
from make_graphs import graph as exported
from make_graphs import onnx
from syncnet_checkpoint import checkpoint
from talking_face import write_talking_face
from test_fast import pictures, sound

import avsync
from avsync.errors import UsageError, WeightsError
from avsync.model import onnx_runtime, runtimes, weights, weights_file
from avsync.model.config import CONFIGS, DEFAULT_CONFIG
from avsync.model.networks import DefaultStreams
from avsync.model.onnx_runtime import OnnxRuntime
from avsync.model.runtimes import choose
from avsync.model.weights_file import Tensors

TALKING = REPOSITORY / "docs" / "talking.mp4"


@pytest.fixture(scope="module")
def untrained() -> DefaultStreams:
    """Values that no exporter has seen."""
    torch.manual_seed(5)
    streams = DefaultStreams(DEFAULT_CONFIG).eval()
    for name, tensor in streams.state_dict().items():
        if name.endswith(("running_var", "running_mean", "deviation")):
            tensor.uniform_(0.5, 1.5)
    return streams


@pytest.fixture(scope="module")
def file(untrained: DefaultStreams, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their weights file."""
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    weights_file.save(path, DEFAULT_CONFIG, untrained.state_dict(), {}, {})
    return path


@pytest.mark.parametrize("length", [5, 6, 36, 131])
@torch.inference_mode()
def test_pictures_are_embedded_alike(file: Path, length: int) -> None:
    frames = pictures(length, 88, 88)
    facts, tensors = weights.read(str(file))
    ours = OnnxRuntime.of(facts.path, tensors).embed_video(frames)()
    theirs = weights.load(str(file)).streams.embed_video(torch.from_numpy(frames)).numpy()
    assert ours.shape == theirs.shape == (length - 4, 256)
    assert np.abs(ours - theirs).max() < 2e-6


@pytest.mark.parametrize("length", [20, 21, 531])
@torch.inference_mode()
def test_sounds_are_embedded_alike(file: Path, length: int) -> None:
    mfcc = sound(length)
    facts, tensors = weights.read(str(file))
    ours = OnnxRuntime.of(facts.path, tensors).embed_audio(mfcc)
    theirs = weights.load(str(file)).streams.embed_audio(torch.from_numpy(mfcc)).numpy()
    assert ours.shape == theirs.shape == (length - 19, 256)
    assert np.abs(ours - theirs).max() < 2e-6


@pytest.mark.parametrize("stream", ["video", "audio"])
def test_the_graphs_are_those_of_todays_network(stream: str) -> None:
    shipped, fresh = (
        onnx.load_from_string(data) for data in (onnx_runtime.graph(stream), exported(stream))
    )
    assert [node.op_type for node in shipped.graph.node] == [n.op_type for n in fresh.graph.node]
    shapes = [
        {tensor.name: tuple(tensor.dims) for tensor in m.graph.initializer}
        for m in (shipped, fresh)
    ]
    assert shapes[0] == shapes[1]
    assert len(onnx_runtime.graph(stream)) < 20_000  # no weights are in it


def _short(tensors: Tensors) -> None:
    tensors["video.0.weight"] = tensors["video.0.weight"][:8]


@pytest.mark.parametrize(
    "change",
    [
        _short,
        lambda tensors: tensors.pop("audio.0.weight"),
        lambda tensors: tensors.pop("mfcc_mean"),
        lambda tensors: tensors.update({"video.99.weight": np.zeros(3, np.float32)}),
    ],
)  # fmt: skip
def test_tensors_must_be_those_of_the_network(file: Path, change: object) -> None:
    facts, tensors = weights.read(str(file))
    change(tensors)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=r"do not fit") as caught:
        OnnxRuntime.of(facts.path, tensors)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wanted", "config", "device", "seconds", "chosen"),
    [
        ("auto", "default", "auto", 3.0, "onnx"),
        ("auto", "default", "cpu", 60.0, "onnx"),
        ("auto", "default", "cpu", 60.1, "torch"),
        ("auto", "default", "cpu", None, "torch"),
        ("auto", "default", "cuda", 3.0, "torch"),
        ("auto", "small", "cpu", 3.0, "torch"),
        ("auto", "perfect-match", "cpu", 3.0, "torch"),
        ("torch", "default", "cpu", 3.0, "torch"),
        ("onnx", "default", "cpu", 3600.0, "onnx"),
    ],
)
def test_what_answers_first_is_chosen(
    monkeypatch: pytest.MonkeyPatch, wanted: str, config: str, device: str,
    seconds: float | None, chosen: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(runtimes, "has_gpu", lambda: False)
    assert choose(wanted, CONFIGS[config], device, seconds) == chosen


def test_a_gpu_gets_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "has_gpu", lambda: True)
    assert choose("auto", DEFAULT_CONFIG, "auto", 3.0) == "torch"
    assert choose("auto", DEFAULT_CONFIG, "cpu", 3.0) == "onnx"


def test_what_cannot_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="GPUs need torch; choose auto or torch"):
        choose("onnx", DEFAULT_CONFIG, "cuda", 3.0)
    with pytest.raises(UsageError, match="only the default network"):
        choose("onnx", CONFIGS["small"], "cpu", 3.0)
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    assert choose("auto", DEFAULT_CONFIG, "cpu", 3.0) == "torch"
    with pytest.raises(UsageError, match="onnxruntime is not installed"):
        choose("onnx", DEFAULT_CONFIG, "cpu", 3.0)


def test_both_answer_alike_and_say_which_they_were() -> None:
    reports = {
        name: avsync.detect(TALKING, avsync.DetectOptions(runtime=name))
        for name in ("torch", "onnx")
    }
    assert {name: report.runtime for name, report in reports.items()} == {
        "torch": "torch", "onnx": "onnx",
    }  # fmt: skip
    one, other = (report.offset_ms for report in reports.values())
    assert one is not None and other is not None and abs(one - other) <= 1
    assert abs(reports["torch"].confidence - reports["onnx"].confidence) < 0.01  # type: ignore[operator]


def test_a_short_file_is_answered_and_mended_without_torch(avsync: Command, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('torch is not needed')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = avsync("detect", TALKING, "--jsonl", "--device", "cpu", env=environment)
    assert '"runtime": "onnx"' in done.stdout and done.returncode == 0, done.stderr
    out = tmp_path / "out.mp4"
    done = avsync("fix", TALKING, "-o", out, "--device", "cpu", env=environment)
    assert done.returncode == 0 and out.exists(), done.stderr


@pytest.mark.parametrize("wanted", ["auto", "onnx"])
def test_an_onnxruntime_that_does_not_load_is_done_without(
    avsync: Command, tmp_path: Path, wanted: str
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('its\\nlibrary is too new')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    argv = ("detect", TALKING, "--jsonl", "--device", "cpu", "--runtime", wanted)
    done = avsync(*argv, env=environment)
    assert "onnxruntime cannot be loaded (its library is too new)" in done.stdout + done.stderr
    if wanted == "auto":
        assert done.returncode == 0 and '"runtime": "torch"' in done.stdout
    else:
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1


def test_the_environment_is_left_as_it_was() -> None:
    code = (
        "import os, avsync, cv2; before = dict(os.environ);"
        " options = avsync.DetectOptions(device='cpu');"
        f" report = avsync.detect({os.fspath(TALKING)!r}, options);"
        " assert report.runtime == 'onnx' and dict(os.environ) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_batch_takes_for_each_file_what_it_would_get_alone(
    avsync: Command, tmp_path: Path
) -> None:
    write_talking_face(tmp_path / "long.mp4", seconds=61, sound_early_ms=0, size=(416, 234))
    write_talking_face(tmp_path / "short.mp4", seconds=3, sound_early_ms=0, size=(416, 234))
    done = avsync("detect", tmp_path, "--csv", "--ordered", "--device", "cpu")
    rows = [line.rsplit(",", 1)[-1] for line in done.stdout.splitlines()]
    assert rows == ["runtime", "torch", "onnx"], done.stderr


def test_a_flag_that_cannot_be_met_is_named(avsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "syncnet.model"
    torch.save(checkpoint(), path)
    done = avsync("detect", TALKING, "--runtime", "onnx", "--weights", path)
    assert done.returncode == 2 and "--runtime onnx: only the default network" in done.stderr
    assert len(done.stderr.splitlines()) == 1
