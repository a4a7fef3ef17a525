"""`avsync features`: what is in the file is what was seen and heard, at the times it says."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, Command
from talking_face import click_and_flash, write_talking_face

from avsync.errors import MediaError, OutputError, ToolMissingError, UsageError
from avsync.model import weights
from avsync.pipeline import export
from avsync.pipeline.export import EmbeddingTable, check_output, write_features
from avsync.pipeline.options import DetectOptions
from avsync.system.downloads import sha256_of

SECONDS = 4.0
EARLY_MS = 200.0
FRAMES = round(25 * SECONDS)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face whose sound is early."""
    path = tmp_path_factory.mktemp("video") / "talk.mp4"
    write_talking_face(path, seconds=SECONDS, sound_early_ms=EARLY_MS)
    return path


def _one_track() -> EmbeddingTable:
    rng = np.random.default_rng(0)
    frames = np.arange(10, dtype=np.int32) + 3
    arrays = {
        "video": rng.normal(size=(6, 4)).astype(np.float32),
        "video_track": np.zeros(6, np.int32),
        "video_frame": frames[:6],
        "video_seconds": frames[:6] / 25,
        "audio": rng.normal(size=(7, 4)).astype(np.float32),
        "audio_seconds": np.arange(7) / 100,
        "audio_sounding": np.arange(7) > 2,
        "box": rng.normal(size=(10, 4)).astype(np.float32),
        "box_track": np.zeros(10, np.int32),
        "box_frame": frames,
        "box_seconds": frames / 25,
        "box_speaking": rng.random(10).astype(np.float32),
    }
    return EmbeddingTable(arrays, {"weights": "some", "format": "1"})


@pytest.mark.slow
def test_the_arrays_are_those_of_the_video(avsync: Command, video: Path, tmp_path: Path) -> None:
    output = tmp_path / "new" / "talk.npz"
    done = avsync("features", video, "-o", output)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    with np.load(output) as file:  # no pickles
        arrays = {name: file[name] for name in file.files}
    facts = {"format", "source", "weights", "weights_sha256", "detector", "warnings"}
    assert set(arrays) == {*_one_track().arrays, *facts}
    size = weights.load().config.embedding_size
    assert arrays["video"].shape == (FRAMES - 4, size) and arrays["box"].shape == (FRAMES, 4)
    assert arrays["video_frame"].tolist() == list(range(FRAMES - 4))
    assert np.allclose(arrays["box_seconds"], np.arange(FRAMES) / 25)
    assert np.allclose(np.diff(arrays["audio_seconds"]), 0.01)
    assert len(arrays["audio"]) == len(arrays["audio_sounding"]) == len(arrays["audio_seconds"])
    assert arrays["audio_seconds"][-1] == pytest.approx(SECONDS - 0.21, abs=0.05)
    assert arrays["box_speaking"].shape == (FRAMES,) and arrays["box_speaking"].max() > 0.5
    left, top, width, height = np.median(arrays["box"], axis=0)
    assert 0 < left < left + width < 640 and 0 < top < top + height < 360
    assert abs(left + width / 2 - 320) < 60  # the face is central
    assert arrays["weights_sha256"] == sha256_of(weights.find("default"))
    assert (arrays["source"], arrays["detector"]) == (str(video), "YuNet")


@pytest.mark.slow
def test_times_are_of_one_clock(video: Path, tmp_path: Path) -> None:
    """The sound that fits a picture lies where the file says, earlier by what it was moved."""
    table = write_features(video, tmp_path / "talk.npz", DetectOptions())
    arrays = table.arrays
    at = np.round(arrays["video_seconds"] * 100).astype(int)
    inside = (at >= 60) & (at < len(arrays["audio"]) - 60)
    moved = range(-50, 51)
    means = [
        np.linalg.norm(arrays["video"][inside] - arrays["audio"][at[inside] + k], axis=1).mean()
        for k in moved
    ]
    assert moved[int(np.argmin(means))] * 10 == pytest.approx(-EARLY_MS, abs=40)


def test_nothing_is_overwritten_without_force(avsync: Command, tmp_path: Path) -> None:
    video, output = tmp_path / "flash.mp4", tmp_path / "flash.npz"
    click_and_flash(video)
    output.write_bytes(b"precious")
    done = avsync("features", video, "-o", output)
    assert done.returncode == 1 and "--force" in done.stderr
    assert output.read_bytes() == b"precious"
    done = avsync("features", video, "-o", output, "--force")
    assert done.returncode == 0, done.stderr
    with np.load(output) as file:  # a picture without a face
        assert file["video"].shape[0] == file["box"].shape[0] == 0 and len(file["audio"]) > 300
    assert sorted(path.name for path in tmp_path.iterdir()) == ["flash.mp4", "flash.npz"]


def test_an_unknown_format_is_a_usage_error(avsync: Command, tmp_path: Path) -> None:
    done = avsync("features", tmp_path / "a.mp4", "-o", tmp_path / "a.mat")
    assert done.returncode == 2
    assert ".npz, .h5, .hdf5, .parquet" in done.stderr


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    for suffix, package in ((".h5", "h5py"), (".parquet", "pyarrow")):
        with pytest.raises(ToolMissingError, match=f"pip install {package}"):
            check_output(tmp_path / "a.mp4", tmp_path / f"a{suffix}", force=False)


def test_what_is_wrong_with_the_input_is_said(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 100)
    for path in (broken, tmp_path / "absent.mp4"):
        with pytest.raises(MediaError, match=path.name):
            write_features(path, tmp_path / "a.npz", DetectOptions())
    click_and_flash(tmp_path / "flash.mp4")
    with pytest.raises(MediaError, match="no audio track 2; it has 1"):
        write_features(tmp_path / "flash.mp4", tmp_path / "a.npz", DetectOptions(audio_track=2))
    with pytest.raises(OutputError, match="the input itself"):
        check_output(tmp_path / "a.npz", _touch(tmp_path / "a.npz"), force=True)
    with pytest.raises(UsageError):
        check_output(tmp_path / "a.mp4", tmp_path / "a", force=False)


def _touch(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    video = tmp_path / "flash.mp4"
    click_and_flash(video)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write_features(video, tmp_path / "flash.npz", DetectOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["flash.mp4"]


def test_hdf5_holds_the_same(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    table = _one_track()
    path = tmp_path / "a.h5"
    path.write_bytes(export._FORMATS[".h5"](table))
    with h5py.File(path) as file:
        assert dict(file.attrs) == table.facts
        assert set(file) == set(table.arrays)
        assert all(np.array_equal(file[name][:], values) for name, values in table.arrays.items())


def test_parquet_holds_a_row_for_each_face_and_each_sound(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = _one_track()
    path = tmp_path / "a.parquet"
    path.write_bytes(export._FORMATS[".parquet"](table))
    read = parquet.read_table(path)
    assert read.schema.metadata[b"weights"] == b"some"
    faces, sounds = read.to_pylist()[:10], read.to_pylist()[10:]
    assert [row["stream"] for row in (*faces, *sounds)] == ["video"] * 10 + ["audio"] * 7
    assert [row["frame"] for row in faces] == list(range(3, 13))
    assert np.allclose([row["embedding"] for row in faces[:6]], table.arrays["video"])
    assert all(row["embedding"] is None for row in faces[6:])
    assert np.allclose([row["embedding"] for row in sounds], table.arrays["audio"])
    assert [row["sounding"] for row in sounds] == table.arrays["audio_sounding"].tolist()
    assert np.allclose([row["speaking"] for row in faces], table.arrays["box_speaking"])
    assert all(row["speaking"] is None for row in sounds)
    assert faces[0]["left"] == pytest.approx(float(table.arrays["box"][0, 0]))


def test_the_documents_name_every_array() -> None:
    page = REPOSITORY / "docs" / "reference" / "commands" / "features.md"
    section = page.read_text(encoding="utf-8")
    for name in _one_track().arrays:
        assert f"`{name}`" in section, name
