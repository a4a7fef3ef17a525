"""A report that is gone on with has each file once, whatever ended the runs before."""

import json
import os
import shutil
import signal
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from batches import are_gone, fields_of, processes_below, running, wait_until
from conftest import Command
from talking_face import write_talking_face

from avsync.batch.resume import ReportFile, sync_in_short
from avsync.errors import OutputError
from avsync.findings import Source
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport

COUNT = 8
SOURCE = Source(10, 20, "ab" * 32, {"faces": "hog"})
OTHERS = {  # than are usual, one for each option
    "max_offset_seconds": 2.0,
    "faces": "hog",
    "cropped": True,
    "weights": "mine.safetensors",
    "upstream_scoring": True,
    "device": "cpu",
    "runtime": "torch",
    "audio": "sound.wav",
    "audio_track": 2,
    "video_track": 2,
    "detect_changes": False,
    "thorough": True,
    "accept": 0.8,
}


def _report(path: str, **fields: Any) -> SyncReport:
    return SyncReport(path, "ok", 40.0, 0.9, source=SOURCE, **fields)


def _paths(file: Path) -> list[str]:
    return [fields["path"] for fields in fields_of(file.read_text().splitlines())]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A finished report of two files."""
    path = tmp_path / "report.jsonl"
    with ReportFile(path, sync_in_short) as report:
        for name in ("a.mp4", "b\udce9.mp4"):
            report.append(_report(name))
    return path


def test_what_is_answered_is_known_again(file: Path) -> None:
    before = file.read_bytes()
    with ReportFile(file, sync_in_short) as report:
        for name in ("a.mp4", "b\udce9.mp4"):
            known = report.answer(name, SOURCE)
            assert known and (known.status, known.offset_ms) == ("ok", 40.0)
        assert report.answer("c.mp4", SOURCE) is None
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "other",
    [
        Source(11, 20, "ab" * 32, {"faces": "hog"}),
        Source(10, 21, "ab" * 32, {"faces": "hog"}),
        Source(10, 20, "cd" * 32, {"faces": "hog"}),
        Source(10, 20, "ab" * 32, {"faces": "yunet"}),
    ],
    ids=["size", "time", "weights", "options"],
)
def test_an_answer_to_another_question_does_not_count(file: Path, other: Source) -> None:
    with ReportFile(file, sync_in_short) as report:
        assert report.answer("a.mp4", other) is None


@pytest.mark.parametrize("name", [field.name for field in fields(DetectOptions)])
def test_an_answer_holds_for_the_options_it_was_asked_with(tmp_path: Path, name: str) -> None:
    """All but device and runtime; weights have their checksum, whatever their file is called."""
    usual = DetectOptions()
    other = replace(usual, **{name: OTHERS[name]})
    assert getattr(usual, name) != getattr(other, name)
    asked = replace(SOURCE, options=usual.cache_key)
    with ReportFile(tmp_path / "report.jsonl", sync_in_short) as report:
        report.append(replace(_report("a.mp4"), source=asked))
    with ReportFile(tmp_path / "report.jsonl", sync_in_short) as report:
        assert report.answer("a.mp4", asked)
        known = report.answer("a.mp4", replace(asked, options=other.cache_key))
    assert (known is not None) == (name in {"device", "runtime", "weights"})


def test_what_failed_is_tried_again_and_its_line_replaced(file: Path) -> None:
    with ReportFile(file, sync_in_short) as report:
        report.append(SyncReport("bad.mp4", "error", reasons=("it crashed",), source=SOURCE))
    with ReportFile(file, sync_in_short) as report:
        assert report.answer("bad.mp4", SOURCE) is None
        report.append(_report("bad.mp4"))
    assert _paths(file) == ["a.mp4", "b\udce9.mp4", "bad.mp4"]
    assert {line["status"] for line in fields_of(file.read_text().splitlines())} == {"ok"}


@pytest.mark.parametrize("kept", [1, 20, -2, -1])
def test_half_a_line_at_the_end_is_taken_off(file: Path, kept: int) -> None:
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + second[:kept])
    with ReportFile(file, sync_in_short) as report:
        assert report.answer("b\udce9.mp4", SOURCE) is None
        report.append(_report("b\udce9.mp4"))
    assert file.read_bytes() == first + second


def test_half_a_line_alone(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:15])
    with ReportFile(file, sync_in_short) as report:
        report.append(_report("a.mp4"))
    assert _paths(file) == ["a.mp4"]


def test_half_a_line_that_was_written_on_is_taken_out(file: Path) -> None:
    first, second = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(first + second[:30] + first + second)
    with ReportFile(file, sync_in_short) as report:
        assert report.answer("b\udce9.mp4", SOURCE)
    assert file.read_bytes() == first + second


def test_a_run_that_was_killed_before_it_could_tidy_up(file: Path) -> None:
    old, other = file.read_bytes().splitlines(keepends=True)
    new = old.replace(b"40.0", b"80.0")
    file.write_bytes(old + other + new)
    with ReportFile(file, sync_in_short) as report:
        known = report.answer("a.mp4", SOURCE)
        assert known and known.offset_ms == 80.0
    assert file.read_bytes() == other + new


def test_a_file_that_is_no_report_is_left_alone(tmp_path: Path) -> None:
    for data in (b"dear diary\n", b"[1, 2]\n", b"{}\n", b"half", b"\xff\xd8\xff"):
        file = tmp_path / "letter"
        file.write_bytes(data)
        with pytest.raises(OutputError, match="not a report of avsync"):
            ReportFile(file, sync_in_short)
        assert file.read_bytes() == data


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent" / "report.jsonl"):
        with pytest.raises(OutputError, match="name a file to write"):
            ReportFile(place, sync_in_short)


def test_two_runs_do_not_write_the_same_report(file: Path) -> None:
    with (
        ReportFile(file, sync_in_short),
        pytest.raises(OutputError, match="another run is writing it"),
    ):
        ReportFile(file, sync_in_short)
    with ReportFile(file, sync_in_short) as report:
        assert report.answer("a.mp4", SOURCE)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_ended_is_gone_on_with(
    avsync: Command, tmp_path: Path, number: signal.Signals
) -> None:
    folder, file = tmp_path / "faces", tmp_path / "report.jsonl"
    folder.mkdir()
    write_talking_face(folder / "00.mp4", seconds=2.4, sound_early_ms=-120.0, size=(416, 234))
    for name in range(1, COUNT):
        shutil.copy(folder / "00.mp4", folder / f"{name:02}.mp4")
    command = ("detect", folder, "--resume", file, "--jobs", "2")
    with running(*command) as process:
        wait_until(lambda: file.exists() and file.read_bytes().count(b"\n") >= 2, "two answers")
        below = processes_below(process.pid)
        process.send_signal(number)
        output, errors = process.communicate(timeout=300)
    wait_until(lambda: are_gone(below), "workers and their ffmpeg end with the program")
    assert output == "" and ("interrupted" in errors) is (number == signal.SIGINT)
    whole = file.read_bytes()
    assert whole.endswith(b"\n") and 2 <= whole.count(b"\n") < COUNT
    file.write_bytes(whole + b'{"path": "' + os.fsencode(folder))  # as a full disk might leave it
    first, *others = whole.splitlines(keepends=True)
    os.utime(json.loads(first)["path"])  # written again: the answer to it counts no more
    done = avsync(*command, "--verbose", folder / "03.mp4")
    assert done.returncode == 0 and done.stdout == ""
    assert sorted(_paths(file)) == sorted(map(str, folder.iterdir()))
    assert file.read_bytes().startswith(b"".join(others))
    assert done.stderr.count(" known=yes ") == len(others)
    lines = file.read_bytes()
    again = avsync(*command, "--jsonl", "--tolerance", "ebu-r37")
    assert again.returncode == 4, "what is known counts, too"
    assert file.read_bytes() == lines and (again.stdout, again.stderr) == ("", "")
    assert {fields["offset_ms"] for fields in map(json.loads, lines.splitlines())} != {None}
