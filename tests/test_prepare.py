"""From videos to prepared clips, through the real command, and what bad data gets."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from talking_face import click_and_flash, write_talking_face

from avsync.errors import DataError
from avsync.model.config import CONFIGS, DEFAULT_CONFIG, SMALL_CONFIG
from avsync.training.clean import NEAR_MS, SURE, decide
from avsync.training.clips import ClipSource, find_sources, read_speakers
from avsync.training.prepare import INDEX, read_prepared, with_margin

SECONDS = 4.0


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two talking faces of one speaker, a picture without a face, a file that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    (folder / "ann").mkdir()
    write_talking_face(folder / "ann" / "in step.mp4", seconds=SECONDS)
    write_talking_face(folder / "ann" / "early.mp4", seconds=SECONDS, sound_early_ms=200.0)
    click_and_flash(folder / "flash.mp4")
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    return folder


def _index(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / INDEX).open(newline="") as file:
        return {Path(row["file"]).name: row for row in csv.DictReader(file, delimiter="\t")}


@pytest.mark.slow
def test_prepare_says_what_was_kept_and_does_nothing_twice(
    avsync: Command, videos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "prepared"
    done = avsync("prepare", videos, "-o", output, "--config", "small", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "2  of 4 kept" in done.stdout
    rows = _index(output)
    assert rows["in step.mp4"]["verdict"] == "not measured"
    assert rows["flash.mp4"]["verdict"] == "no face"
    assert rows["broken.mp4"]["verdict"].startswith("cannot be read")
    assert rows["in step.mp4"]["speaker"] == str(videos / "ann")
    clips = read_prepared(output, SMALL_CONFIG.geometry)
    assert [clip.frame_count for clip in clips] == [round(25 * SECONDS)] * 2
    assert clips[0].frames.shape[1:] == with_margin(SMALL_CONFIG.geometry).shape
    assert clips[0].sample_count == pytest.approx(16000 * SECONDS, abs=800)
    assert clips[0].picture_height == 360 and 40 < clips[0].face_height < 200

    stamps = {path: path.stat().st_mtime_ns for path in output.glob("*.npz")}
    next(iter(stamps)).unlink()  # as a run that was killed would leave it
    again = avsync("prepare", videos, "-o", output, "--config", "small", "--jobs", "1")
    assert again.stdout == done.stdout
    new = {path: path.stat().st_mtime_ns for path in output.glob("*.npz")}
    assert sum(new[path] == stamps[path] for path in stamps) == len(stamps) - 1

    other = avsync("train", output, "-o", tmp_path / "a.safetensors", "--steps", "1")
    assert other.returncode == 1
    assert "prepared for another network" in other.stderr
    assert "Traceback" not in other.stderr


@pytest.mark.slow
def test_a_clips_own_offset_is_measured_and_corrected(
    avsync: Command, videos: Path, tmp_path: Path
) -> None:
    output, data = tmp_path / "prepared", tmp_path / "ann"
    shutil.copytree(videos / "ann", data)
    argv = ("prepare", data, "-o", output, "--clean-with", "default", "--jobs", "1")
    done = avsync(*argv)
    assert done.returncode == 0, done.stderr
    rows = _index(output)
    offsets = {name: float(row["offset_ms"]) for name, row in rows.items()}
    assert [row["verdict"] for row in rows.values()] == ["corrected"] * 2
    assert offsets["in step.mp4"] == pytest.approx(0, abs=20)
    assert offsets["early.mp4"] == pytest.approx(200, abs=20)
    measured = sorted(output.glob("*.json"))
    assert len(measured) == 2
    assert avsync(*argv).stdout == done.stdout
    (clip,) = [c for c in read_prepared(output, DEFAULT_CONFIG.geometry)
               if c.source.path.name == "early.mp4"]  # fmt: skip
    assert clip.source.offset_ms == pytest.approx(offsets["early.mp4"], abs=0.1)


@pytest.mark.slow
def test_evaluate_prints_the_papers_table_and_json(
    avsync: Command, videos: Path, tmp_path: Path
) -> None:
    prepared = tmp_path / "prepared"
    avsync("prepare", videos / "ann", "-o", prepared, "--clean-with", "default", "--jobs", "1")
    table = avsync("evaluate", prepared, "--table-only")
    assert table.returncode == 0, table.stderr
    assert "31 candidates" in table.stdout and "whole clip" in table.stdout
    assert "Own counterpart first among N" in table.stdout and "N=50" in table.stdout
    done = avsync("evaluate", prepared, "--json")
    (measured,) = json.loads(done.stdout)
    assert measured["accuracy"]["clip_count"] == 2
    assert set(measured["accuracy"]["by_frames"]) == {"5", "7", "9", "11", "13", "15"}
    kinds = {(row["query"], row["among"]) for row in measured["retrieval"]}
    assert len(kinds) == 4
    for row in measured["retrieval"]:
        assert set(row["top1"]) == {"2", "5", "10", "20", "50"} and row["queries"] > 0
        assert row["top1"]["2"] > 0.5  # chance
    foreign = {row["name"]: row for row in measured["answers"]["foreign"]}
    assert foreign["silence, 2 s and more"]["undetermined"] == 1.0
    lengths = {row["name"]: row for row in measured["answers"]["by_length"]}
    whole = lengths["whole: 2 to 5 s"]
    assert whole["wrong"] == 0.0 and whole["right"] + whole["undetermined"] == pytest.approx(1)


def test_data_that_is_not_there_is_named(avsync: Command, tmp_path: Path) -> None:
    for argv in (("prepare", "-o", tmp_path / "p"), ("evaluate",)):
        done = avsync(argv[0], tmp_path / "absent", *argv[1:])
        assert done.returncode == 1
        assert "no such folder or manifest" in done.stderr and "Traceback" not in done.stderr


def test_a_manifest_is_read_and_bad_data_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "clips.tsv"
    manifest.write_text(
        "file\tspeaker\tkind\tlanguage\toffset_ms\n"
        "a/1.mp4\tann\treal\tar\t40\na/2.mp4\tbob\tmismatched\t\t\n"
    )
    (source,) = find_sources([manifest])
    assert source == ClipSource(tmp_path / "a" / "1.mp4", "ann", "a", 40.0, "ar")
    manifest.write_text("name\nx\n")
    with pytest.raises(DataError, match="no column `file`"):
        find_sources([manifest])
    manifest.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a TSV"):
        find_sources([manifest])
    with pytest.raises(DataError, match="no videos"):
        (tmp_path / "empty").mkdir()
        find_sources([tmp_path / "empty"])


def test_lrs2_is_read_as_it_is_distributed(tmp_path: Path) -> None:
    root = tmp_path / "mvlrs_v1"
    for part, name in (("main", "111/00001"), ("main", "222/00002"), ("pretrain", "333/00003")):
        path = root / part / f"{name}.mp4"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"")
        path.with_suffix(".txt").write_text("Text:  HELLO\n")
    (tmp_path / "test.txt").write_text("111/00001 NF\n")
    (root / "pretrain.txt").write_text("333/00003\n")
    (test,) = find_sources([tmp_path], "test")
    assert test == ClipSource(root / "main/111/00001.mp4", str(root / "main/111"), "main")
    (pretrain,) = find_sources([tmp_path], "pretrain")
    assert pretrain.group == "pretrain"
    everything = find_sources([root])
    assert {(s.group, Path(s.speaker).name) for s in everything} == {
        ("main", "111"), ("main", "222"), ("pretrain", "333"),
    }  # fmt: skip
    with pytest.raises(DataError, match=r"no val\.txt"):
        find_sources([tmp_path], "val")


def test_speakers_are_read_one_a_line(tmp_path: Path) -> None:
    names = tmp_path / "speakers.txt"
    names.write_text("ann\nbob\n")
    assert read_speakers(names) == {"ann", "bob"}
    assert read_speakers(None) == set()
    with pytest.raises(DataError, match="name a file of speakers"):
        read_speakers(tmp_path / "absent")


@pytest.mark.parametrize(
    ("offset_ms", "confidence", "keeps", "kept_ms"),
    [
        (300.0, SURE, True, 300.0),  # measured: corrected
        (60.0, SURE, True, 60.0),
        (300.0, SURE - 0.01, False, 40.0),  # unsure and far from what is known: dropped
        (40.0 + NEAR_MS, 0.1, True, 40.0),  # unsure and near: as it is
    ],
)
def test_what_is_done_with_a_measured_clip(
    offset_ms: float, confidence: float, keeps: bool, kept_ms: float
) -> None:
    verdict = decide({"offset_ms": offset_ms, "confidence": confidence}, 40.0)
    assert (verdict.keeps, verdict.offset_ms) == (keeps, kept_ms)


def test_a_clip_too_short_to_measure_is_dropped() -> None:
    assert not decide({}, 0.0).keeps


def test_margins_leave_room_to_move() -> None:
    for config in CONFIGS.values():
        wide = with_margin(config.geometry)
        assert wide.side / wide.pixels == pytest.approx(
            config.geometry.side / config.geometry.pixels, rel=0.01
        )


def test_a_damaged_clip_is_named(tmp_path: Path) -> None:
    from avsync.training.prepare import COLUMNS

    row = ("a.npz", "a.mp4", "ann", "made", "", "0", "", "not measured")
    (tmp_path / INDEX).write_text("\t".join(COLUMNS) + "\n" + "\t".join(row) + "\n")
    np.savez(tmp_path / "a.npz", why="")
    with pytest.raises(DataError, match="damaged"):
        read_prepared(tmp_path, SMALL_CONFIG.geometry)
    os.truncate(tmp_path / "a.npz", 20)
    with pytest.raises(DataError, match="damaged"):
        read_prepared(tmp_path, SMALL_CONFIG.geometry)
