"""Many files put right at once, with the real command: each has its line, and nothing strays."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from batches import are_gone, fields_of, next_line, processes_below, running, wait_until, workers_of
from conftest import Command
from talking_face import write_talking_face
from timeline import packet_sums

GIVEN = ("--offset", "-240")  # measured only after the fix
COUNT = 6


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small talking face whose sound is 240 ms late."""
    path = tmp_path_factory.mktemp("late") / "late.mp4"
    write_talking_face(path, seconds=2.4, sound_early_ms=-240.0, size=(416, 234))
    return path


@pytest.fixture
def folder(late: Path, tmp_path: Path) -> Path:
    """A folder of six of them."""
    place = tmp_path / "late"
    place.mkdir()
    for number in range(COUNT):
        os.link(late, place / f"{number}.mp4")
    return place


def strays(place: Path) -> list[str]:
    """What an ended run left behind, in any folder below."""
    return [str(path) for path in place.rglob(".*")]


def test_a_list_with_null_bytes_in_columns(avsync: Command, late: Path, tmp_path: Path) -> None:
    names = [b"new\nline.mp4", b"caf\xe9.mp4", b"-d.mp4", b"absent.mp4"]
    for name in names[:3]:
        os.link(late, os.fsencode(tmp_path) + b"/" + name)
    done = avsync("fix", "-0", "-o", "out", "--csv", "--ordered", "--jobs", "2", *GIVEN,
                  cwd=tmp_path, input="\0".join(map(os.fsdecode, names)),
                  encoding="utf-8", errors="surrogateescape")  # fmt: skip
    rows = list(csv.DictReader(done.stdout.splitlines(keepends=True)))
    assert [os.fsencode(row["path"]) for row in rows] == names, done.stderr
    assert [row["status"] for row in rows] == ["fixed"] * 3 + ["error"]
    assert all(abs(float(row["residual_ms"])) <= 20 for row in rows[:3])
    assert done.returncode == 1 and "absent.mp4: no such file" in done.stderr
    assert sorted(os.listdir(os.fsencode(tmp_path / "out"))) == sorted(names[:3])
    assert packet_sums(tmp_path / "out" / "-d.mp4") == packet_sums(late)


def test_a_folder_by_glob_says_each_file_in_a_line(
    avsync: Command, late: Path, tmp_path: Path
) -> None:
    for name in ("in/a/one.dat", "in/b/two.dat", "in/b/three.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(late, tmp_path / name)
    # A suffix that says nothing of the container: the one file cannot be written, the rest is.
    glob = ("--glob", "b/*", "--jsonl", "--verbose")
    done = avsync("fix", tmp_path / "in", "-o", tmp_path / "out", *glob, *GIVEN)
    reports = {Path(r["path"]).name: r for r in fields_of(done.stdout.splitlines())}
    assert {name: r["status"] for name, r in reports.items()} == {
        "two.dat": "error", "three.mp4": "fixed",
    }, done.stderr  # fmt: skip
    assert [path.name for path in (tmp_path / "out").rglob("*.*")] == ["three.mp4"]
    lines = {line.split(" path=")[1].split('"')[1]: line for line in done.stderr.splitlines()}
    assert " level=info status=fixed offset_ms=-240.0" in lines[str(tmp_path / "in/b/three.mp4")]
    assert " level=error status=error" in lines[str(tmp_path / "in/b/two.dat")]


def test_an_interrupted_run_leaves_whole_files_alone(
    late: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with running("fix", folder, "-o", out, "--jsonl", "--jobs", "2", *GIVEN) as process:
        first = next_line(process)
        wait_until(lambda: strays(tmp_path), "another file is being written")
        below = processes_below(process.pid)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert errors == "avsync: interrupted; what was answered is whole\n"
    wait_until(lambda: are_gone(below), "workers and their ffmpeg end")
    reports = fields_of([first, *rest.splitlines()])
    assert 1 <= len(reports) < COUNT
    assert strays(tmp_path) == []
    written = list(out.iterdir())
    assert {Path(report["output"]) for report in reports} <= set(written)
    assert all(packet_sums(path) == packet_sums(late) for path in written)


def _that_write(pid: int) -> list[int]:
    """The workers of a run whose ffmpeg is at work: another may be between two files."""
    return [worker for worker in workers_of(pid) if processes_below(worker)]


def test_a_worker_that_dies_costs_the_file_it_held(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with running("fix", folder, "-o", out, "--jsonl", "--jobs", "2", *GIVEN) as process:
        first = next_line(process)
        busy = wait_until(lambda: _that_write(process.pid), "another file is being written")
        os.kill(busy[0], signal.SIGKILL)
        rest, _ = process.communicate(timeout=300)
    reports = fields_of([first, *rest.splitlines()])
    assert sorted(report["path"] for report in reports) == sorted(map(str, folder.iterdir()))
    (lost,) = [report for report in reports if report["status"] == "error"]
    assert "was killed by SIGKILL" in lost["reasons"][0] and process.returncode == 1
    assert strays(tmp_path) == []
    assert len(list(out.iterdir())) >= COUNT - 1


def test_a_reader_that_has_enough(folder: Path, tmp_path: Path) -> None:
    argv = f'"{sys.executable}" -m avsync fix "{folder}" -o "{tmp_path / "out"}" --jsonl'
    script = f"{argv} --jobs 2 {' '.join(GIVEN)} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300)
    line, status = done.stdout.splitlines()
    assert fields_of([line])[0]["status"] == "fixed"
    assert (status, done.stderr) == ("141", "")
    assert strays(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["a.mp4", "b.mp4", "-o", "notes.txt"], "several inputs need a folder"),
        (["-", "-o", "notes.txt"], "several inputs need a folder"),
        (["-o", "out"], "name videos, folders of videos, or - for a list"),
        (["a.mp4", "-o", "out.mp4", "--json", "--csv"], "choose one of --json, --jsonl and --csv"),
        (["a.mp4", "-o", "out.mp4", "--jobs", "0"], "--jobs 0: 1 or more"),
    ],
)
def test_wrong_usage_is_status_2_with_a_line(
    avsync: Command, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    done = avsync("fix", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and says in done.stderr
    assert len(done.stderr.splitlines()) == 1 and os.listdir(tmp_path) == ["notes.txt"]
