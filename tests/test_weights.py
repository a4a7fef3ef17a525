"""Weights files: a round trip, and no damage or foreign file gets through."""

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import syncnet_checkpoint
import torch
from conftest import REPOSITORY
from safetensors.torch import save_file
from torch import Tensor

from avsync.errors import WeightsError
from avsync.model import weights, weights_file
from avsync.model.config import DEFAULT_CONFIG, PERFECT_MATCH_CONFIG
from avsync.model.networks import DefaultStreams
from avsync.model.weights_file import read_header
from avsync.system.downloads import sha256_of

CALIBRATION = {"coefficients": [1.0, -0.5], "intercept": 0.25}
PROVENANCE = {"data": "none: values drawn at random", "commit": "0000000"}

Tensors = dict[str, Tensor]


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """The state of an untrained network."""
    torch.manual_seed(0)
    return DefaultStreams(DEFAULT_CONFIG).state_dict()


@pytest.fixture(scope="module")
def saved(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file; not to be changed."""
    path = tmp_path_factory.mktemp("weights") / "some.safetensors"
    weights_file.save(path, DEFAULT_CONFIG, tensors, CALIBRATION, PROVENANCE)
    return path


@pytest.fixture(scope="module")
def syncnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the public SyncNet checkpoint."""
    path = tmp_path_factory.mktemp("syncnet") / "syncnet.model"
    torch.save(syncnet_checkpoint.checkpoint(), path)
    return path


def header_bytes(path: Path) -> int:
    """Where the tensor data of a safetensors file start."""
    with path.open("rb") as file:
        return 8 + int(struct.unpack("<Q", file.read(8))[0])


def one_line_error(path: Path) -> str:
    """What `load` says of a file that it must refuse."""
    with pytest.raises(WeightsError) as caught:
        weights.load(str(path))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_what_is_saved_is_loaded(saved: Path, tensors: Tensors) -> None:
    loaded = weights.load(str(saved))
    assert (loaded.name, loaded.path, loaded.sha256) == ("some", saved, sha256_of(saved))
    assert loaded.streams.config == DEFAULT_CONFIG
    assert loaded.calibration == CALIBRATION
    assert loaded.provenance == PROVENANCE
    assert isinstance(loaded.streams, DefaultStreams)
    assert not loaded.streams.training
    again = loaded.streams.state_dict()
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        stored = tensor.half().float() if tensor.dim() > 1 else tensor  # kernels lose precision
        assert torch.equal(again[name], stored), name


def test_the_same_weights_make_the_same_file(saved: Path, tensors: Tensors, tmp_path: Path) -> None:
    backwards = dict(reversed(tensors.items()))
    weights_file.save(tmp_path / "x", DEFAULT_CONFIG, backwards, CALIBRATION, PROVENANCE)
    assert sha256_of(tmp_path / "x") == sha256_of(saved)


def test_the_header_is_readable_without_the_tensors(saved: Path, tmp_path: Path) -> None:
    only_header = tmp_path / "header"
    only_header.write_bytes(saved.read_bytes()[: header_bytes(saved)])
    header = weights_file.read_header(only_header)
    assert header["provenance"] == PROVENANCE
    assert header["config"]["geometry"]["pixels"] == DEFAULT_CONFIG.geometry.pixels


@pytest.mark.parametrize(
    "place",
    [0, 2, 7, 8, 9, 100, "provenance", "pixels", '"sha256', "video.0.weight", "data_offsets"],
)
def test_a_changed_byte_in_the_header_is_noticed(
    saved: Path, tmp_path: Path, place: int | str
) -> None:
    data = bytearray(saved.read_bytes())
    index = place if isinstance(place, int) else data.index(place.encode()) + len(place) + 4
    data[index] ^= 1
    (tmp_path / "x").write_bytes(data)
    one_line_error(tmp_path / "x")


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_changed_bit_in_a_tensor_is_noticed(saved: Path, tmp_path: Path, share: float) -> None:
    data = bytearray(saved.read_bytes())
    first = header_bytes(saved)
    data[first + int(share * (len(data) - 1 - first))] ^= 1
    (tmp_path / "x").write_bytes(data)
    assert "wrong checksum" in one_line_error(tmp_path / "x")


@pytest.mark.parametrize("kept", [0, 1, 8, 9, 500, 100_000, -1])
def test_a_truncated_file_is_refused(saved: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "x").write_bytes(saved.read_bytes()[:kept])
    one_line_error(tmp_path / "x")


def test_a_file_with_something_behind_its_end_is_refused(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(saved.read_bytes() + b"\0")
    one_line_error(tmp_path / "x")


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("audio.0.weight"),
        lambda tensors: tensors.update(more=torch.zeros(1)),
        lambda tensors: tensors.update(mfcc_mean=torch.zeros(12)),
    ],
    ids=["missing", "unknown", "other shape"],
)
def test_tensors_must_be_those_of_the_network(
    tensors: Tensors, tmp_path: Path, change: Callable[[Tensors], object]
) -> None:
    changed = dict(tensors)
    change(changed)
    weights_file.save(tmp_path / "x", DEFAULT_CONFIG, changed, {}, {})
    assert "do not fit" in one_line_error(tmp_path / "x")


def test_a_later_format_is_refused(
    tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(weights_file, "FORMAT", 2)
        weights_file.save(tmp_path / "x", DEFAULT_CONFIG, tensors, {}, {})
    message = one_line_error(tmp_path / "x")
    assert "format 2" in message
    assert "update avsync" in message


class _Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.proof),)


def _torch_file(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    content = {"netcnnlip.0.weight": _Attack(proof)}
    old = {"_use_new_zipfile_serialization": False}
    for data in (pickle.dumps(content), _torch_file(content), _torch_file(content, **old)):
        (tmp_path / "x").write_bytes(data)
        one_line_error(tmp_path / "x")
        assert not proof.exists()
    pickle.loads(pickle.dumps(content))
    assert proof.exists()  # the attack would have worked


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"hello, world\n" * 10,
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        bytes(100),
        pickle.dumps([1, 2, 3]),
        b"a" * 40,  # as a pickle: append to nothing
        _zip(),
        _torch_file({"weight": torch.zeros(3)}),
        _torch_file([torch.zeros(3)]),
        _torch_file({"netcnnlip.0.weight": torch.zeros(3)}),
    ],
    ids=["text", "picture", "zeros", "pickle", "opcodes", "zip", "model", "list", "shapes"],
)
def test_a_file_of_another_program_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    one_line_error(tmp_path / "x")


@pytest.mark.parametrize(
    "metadata",
    [None, {"other": "1"}, {"avsync": "no JSON"}, {"avsync": "[]"}, {"avsync": '{"format": 1}'}],
)
def test_safetensors_of_another_program_are_refused(
    tmp_path: Path, metadata: dict[str, str] | None
) -> None:
    save_file({"weight": torch.zeros(3)}, tmp_path / "x", metadata)
    one_line_error(tmp_path / "x")


@dataclass(frozen=True)
class _FutureConfig:
    architecture: str = "default"
    layers: int = 12


def test_a_configuration_of_the_future_is_refused(tensors: Tensors, tmp_path: Path) -> None:
    config: Any = _FutureConfig()
    weights_file.save(tmp_path / "x", config, tensors, {}, {})
    assert "configuration" in one_line_error(tmp_path / "x")


def test_syncnet_loads_as_perfect_match(syncnet: Path) -> None:
    loaded = weights.load(str(syncnet))
    assert loaded.streams.config == PERFECT_MATCH_CONFIG
    assert loaded.calibration == {}
    ours = loaded.streams.state_dict()["netfclip.3.weight"]
    assert torch.equal(ours, syncnet_checkpoint.checkpoint()["netfclip.3.weight"])


def test_syncnet_by_name_must_be_the_public_file(
    syncnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVSYNC_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="run: avsync weights fetch syncnet_v2"):
        weights.find("syncnet_v2")
    (tmp_path / "syncnet_v2.model").symlink_to(syncnet)
    with pytest.raises(WeightsError, match="wrong checksum"):
        weights.find("syncnet_v2")


def test_the_weights_that_should_have_come_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "shipped_folder", lambda: tmp_path)
    with pytest.raises(WeightsError, match="reinstall avsync"):
        weights.load()


@pytest.mark.parametrize("name", ["defualt", "x" * 300])  # no file system takes the second
def test_a_name_that_is_no_file(name: str) -> None:
    with pytest.raises(WeightsError, match=f"{name} is not there; name default"):
        weights.load(name)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_interrupted_save_changes_nothing(
    saved: Path, tensors: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    target = tmp_path / "x.safetensors"
    target.write_bytes(b"older")
    monkeypatch.setattr(os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        weights_file.save(target, DEFAULT_CONFIG, tensors, {}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    assert target.read_bytes() == b"older"


def test_the_card_is_that_of_the_file() -> None:
    path = weights.find("default")
    assert sha256_of(path) in (REPOSITORY / "weights" / "README.md").read_text()
    assert path.stat().st_size <= 20_000_000


def test_the_shipped_weights_say_where_they_come_from() -> None:
    header = read_header(weights.find("default"))
    listed = (REPOSITORY / "weights" / "dev-speakers.txt").read_text().split()
    assert set(header["provenance"]["held_out_speakers"]) <= set(listed)
    assert header["calibration"]["expected_error"] <= 0.05
