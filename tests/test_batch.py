"""Many files through the real command: every one has its line, whatever is done to the run."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from batches import are_gone, fields_of, next_line, processes_below, running, wait_until, workers_of
from conftest import Command
from talking_face import write_talking_face

from avsync.media import ffmpeg
from avsync.media.search import find_media, read_names

BROKEN = 20


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small talking face."""
    path = tmp_path_factory.mktemp("face") / "face.mp4"
    write_talking_face(path, seconds=2.4, sound_early_ms=-120.0, size=(416, 234))
    return path


@pytest.fixture
def faces(face: Path, tmp_path: Path) -> Path:
    """A folder of twelve of them."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(12):
        os.link(face, folder / f"{number:02}.mp4")
    return folder


def _named_oddly(folder: bytes, face: Path) -> None:
    for name in (
        b"two words.mp4", b"it's.mp4", b'a "quote".mp4', b"new\nline.mp4", b"-leading.mp4",
        b"--jobs.mp4", b"caf\xe9.mp4", b"\xff\xfe.mkv", "π.mp4".encode(), b"tab\t.mp4", b"a:b.mp4",
        b"%d.mp4", b"back\\slash.mp4", b"$(x).mp4", b"*.mp4", b"cr\r.mp4", b"UPPER.MP4", b"#.mov",
        b" .mp4", b"\x1b[31mred.mp4",
    ):  # fmt: skip
        os.link(face, folder + b"/" + name)


def _broken(folder: Path, face: Path) -> None:
    whole = face.read_bytes()
    contents = {
        "empty": b"", "text": b"This is no video.\n" * 50, "zeros": bytes(9999), "byte": b"\0",
        "html": b"<!doctype html><title>404</title>", "gzip": b"\x1f\x8b\x08" + bytes(200),
        "noise": bytes(i * i % 251 for i in range(5000)), "half": whole[: len(whole) // 2],
        "head": whole[:64], "tail": whole[-4000:], "quarter": whole[: len(whole) // 4],
        "holes": whole[:40] + bytes(len(whole) - 40),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100), "pdf": b"%PDF-1.7\n" + bytes(100),
        "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    }  # fmt: skip
    for name, data in contents.items():
        (folder / f"{name}.mp4").write_bytes(data)
    for name, options in {
        "mute": ("-an", "-c", "copy"),
        "sound": ("-vn", "-c", "copy"),
    }.items():
        argv = [ffmpeg.find_ffmpeg(), "-v", "error", "-i", str(face), *options]
        subprocess.run([*argv, folder / f"{name}.mp4"], check=True, stdin=subprocess.DEVNULL)
    (folder / "dangling.mp4").symlink_to("nowhere")
    (folder / "itself.mp4").symlink_to("itself.mp4")
    with (folder / "sparse.mp4").open("wb") as file:
        file.truncate(1 << 32)


@pytest.mark.slow
def test_every_file_of_a_nasty_folder_has_one_line(
    avsync: Command, face: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "nasty"
    good, broken, odd = folder / "good", folder / "broken", folder / "odd.mp4"  # a folder, too
    for place in (good, broken, odd):
        place.mkdir(parents=True)
    for number in range(30):
        os.link(face, good / f"{number}.mp4")
    _named_oddly(os.fsencode(odd), face)
    _broken(broken, face)
    assert len(list(good.iterdir()) + list(odd.iterdir())) == 50
    assert len(list(broken.iterdir())) == BROKEN
    os.mkfifo(folder / "pipe.mp4")
    with socket.socket(socket.AF_UNIX) as talk:
        talk.bind(str(folder / "socket.mp4"))
    (folder / "loop").symlink_to(".")
    (good / "up").symlink_to("..")
    (folder / "notes.txt").write_text("no media")
    done = avsync("detect", folder, "--jsonl", "--jobs", "2", text=False)
    assert done.returncode == 1
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    statuses = {os.fsencode(report["path"]): report["status"] for report in reports}
    present = {
        os.path.join(place, name)
        for place, _, names in os.walk(os.fsencode(folder))
        for name in names
        if not name.endswith(b".txt")
    }
    assert len(reports) == len(statuses) and set(statuses) == present
    assert Counter(statuses.values()) == {"ok": 50, "error": BROKEN + 2}
    assert b"Traceback" not in done.stderr
    errors = done.stderr.splitlines()
    assert len(errors) == BROKEN + 2 and all(line.startswith(b"avsync: ") for line in errors)


def test_answers_do_not_depend_on_how_many_run_at_once(avsync: Command, tmp_path: Path) -> None:
    for early_ms in (-120.0, 0.0, 200.0):
        path = tmp_path / f"{early_ms}.mp4"
        write_talking_face(path, seconds=2.4, sound_early_ms=early_ms, size=(416, 234))
    names = sorted(tmp_path.iterdir())
    apart = [fields_of([avsync("detect", name, "--jsonl").stdout])[0] for name in names]
    assert {report["status"] for report in apart} == {"ok"}
    for jobs in ("1", "2"):
        done = avsync("detect", tmp_path, "--jsonl", "--ordered", "--jobs", jobs)
        assert fields_of(done.stdout.splitlines()) == apart, jobs


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_dies_costs_the_file_it_held(faces: Path, number: signal.Signals) -> None:
    # One worker: of two, the one that is hit may be starting still, and hold none.
    with running("detect", faces, "--jsonl", "--jobs", "1") as process:
        first = next_line(process)
        os.kill(workers_of(process.pid)[0], number)
        rest, errors = process.communicate(timeout=300)
    reports = fields_of([first, *rest.splitlines()])
    assert sorted(report["path"] for report in reports) == sorted(map(str, faces.iterdir()))
    (lost,) = [report for report in reports if report["status"] == "error"]
    assert f"was killed by {number.name}" in lost["reasons"][0]
    assert process.returncode == 1 and lost["path"] in errors and "Traceback" not in errors


def _hanging_ffmpeg(folder: Path) -> Path:
    """An ffmpeg that never comes to an end with files called `slow`."""
    path = folder / "ffmpeg"
    hang = 'case "$*" in *slow*) exec sleep 98765 ;; esac'
    path.write_text(f'#!/bin/sh\n{hang}\nexec "{ffmpeg.find_ffmpeg()}" "$@"\n')
    path.chmod(0o755)
    return path


def _sleepers() -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in found.stdout.splitlines() if line == "sleep 98765"]


def test_a_file_that_takes_too_long_is_given_up(
    avsync: Command, face: Path, tmp_path: Path
) -> None:
    names = [tmp_path / name for name in ("1 slow.mp4", "2.mp4", "3.mp4")]
    for name in names:
        os.link(face, name)
    environment = {**os.environ, "AVSYNC_FFMPEG": str(_hanging_ffmpeg(tmp_path))}
    done = avsync("detect", *names, "--jsonl", "--ordered", "--jobs", "1", "--timeout", "12",
                  env=environment)  # fmt: skip
    slow, *others = fields_of(done.stdout.splitlines())
    assert slow["status"] == "error" and "not done after 12 s" in slow["reasons"][0]
    assert [report["status"] for report in others] == ["ok", "ok"]
    assert done.returncode == 1
    wait_until(lambda: not _sleepers(), "its ffmpeg ends with the worker")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_leaves_whole_lines_and_no_process(
    faces: Path, number: signal.Signals, status: int
) -> None:
    with running("detect", faces, "--jsonl", "--jobs", "2") as process:
        first = next_line(process)
        below = processes_below(process.pid)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=300)
    assert process.returncode == status
    assert errors == "avsync: interrupted; what was answered is whole\n"
    reports = fields_of([first, *rest.splitlines()])
    assert 1 <= len(reports) < 12 and len({r["path"] for r in reports}) == len(reports)
    assert len(below) >= 2
    wait_until(lambda: are_gone(below), "workers and their ffmpeg end")


def test_interrupted_on_a_file_alone(face: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow.mp4"
    os.link(face, slow)
    environment = {**os.environ, "AVSYNC_FFMPEG": str(_hanging_ffmpeg(tmp_path))}
    with running("detect", slow, env=environment) as process:
        wait_until(_sleepers, "its ffmpeg runs")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=300)
    assert process.returncode == 130 and said == ("", "")
    assert not _sleepers()


def test_a_reader_that_has_enough(faces: Path) -> None:
    argv = f'"{sys.executable}" -m avsync detect "{faces}" --jsonl --jobs 2'
    script = f"{argv} | head -3; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300)
    *lines, status = done.stdout.splitlines()
    assert len(lines) == len({fields["path"] for fields in fields_of(lines)}) == 3
    assert (status, done.stderr) == ("141", "")


def test_a_list_that_comes_slowly_holds_up_no_answer(face: Path) -> None:
    with running("detect", "-", "--jsonl", stdin=subprocess.PIPE) as process:
        assert process.stdin
        for _ in range(2):  # the second name comes when the first is answered
            process.stdin.write(f"{face}\n")
            process.stdin.flush()
            assert json.loads(next_line(process))["path"] == str(face)
        rest, errors = process.communicate(timeout=300)
    assert (rest, errors, process.returncode) == ("", "", 0)


def test_a_list_with_null_bytes(avsync: Command, face: Path, tmp_path: Path) -> None:
    names = [b"new\nline.mp4", b"-d\xe9.mp4", b"ends in\n"]
    for name in names:
        os.link(face, os.fsencode(tmp_path) + b"/" + name)
    done = avsync("detect", "-0", "--csv", "--ordered", text=False, cwd=tmp_path,
                  input=b"\0".join(names) + b"\0")  # fmt: skip
    for name in names:
        quoted = b'"%s"' % name if b"\n" in name else name
        assert b"\n" + quoted + b",ok," in done.stdout, done.stderr


# What we use of Python that is not everywhere, gone; in workers, too, which import it again.
ELSEWHERE = """
import os, signal, sys
for module, names in ((os, "sched_getaffinity sched_setaffinity killpg setpgid getpgrp getuid"),
                      (signal, "SIGPIPE SIGHUP")):
    for name in names.split():
        delattr(module, name)
from avsync.__main__ import main
if __name__ == "__main__":
    main()
"""


def test_what_only_unix_has_is_not_needed(face: Path, tmp_path: Path) -> None:
    program = tmp_path / "elsewhere.py"
    program.write_text(ELSEWHERE)
    out, output = tmp_path / "out.mp4", subprocess.PIPE
    argv = [sys.executable, program, "detect", face, face, "--jsonl"]
    done = subprocess.run(argv, stdout=output, stderr=output, text=True)
    assert [line["status"] for line in fields_of(done.stdout.splitlines())] == ["ok", "ok"]
    assert (done.returncode, done.stderr) == (0, "")
    argv = [sys.executable, program, "fix", face, "-o", out, "--offset", "40"]
    done = subprocess.run(argv, stdout=output, stderr=output, text=True)
    assert done.returncode == 0 and out.exists(), done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, program, "detect", face]
    done = subprocess.run(argv, stdout=writer, stderr=output, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_filters_choose_what_is_written_not_the_exit_status(
    avsync: Command, face: Path, tmp_path: Path
) -> None:
    absent = tmp_path / "absent.mp4"
    for options, count in [
        (("--min-confidence", "0.6", "--max-abs-offset", "200"), 1),
        (("--max-abs-offset", "50"), 0),
        (("--min-confidence", "0.9999"), 0),
    ]:
        done = avsync("detect", face, absent, "--jsonl", *options)
        assert [line["path"] for line in fields_of(done.stdout.splitlines())] == [str(face)] * count
        assert done.returncode == 1 and str(absent) in done.stderr


def test_verbose_says_each_file_in_a_line(avsync: Command, face: Path, tmp_path: Path) -> None:
    odd, absent = tmp_path / 'odd "\n.mp4', tmp_path / "absent.mp4"
    os.link(face, odd)
    done = avsync("detect", odd, absent, "--verbose", "--ordered", "--jsonl")
    good, bad = done.stderr.splitlines()
    assert " level=info status=ok offset_ms=" in good and f"path={json.dumps(str(odd))}" in good
    assert (
        " level=error status=error seconds=" in bad and f" path={json.dumps(str(absent))} " in bad
    )
    assert bad.endswith(f'reasons="{absent}: no such file; check the name"')


def test_progress_on_a_terminal_only(faces: Path) -> None:
    import pty

    screen, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "150"}
    with running("detect", faces, "--csv", stderr=terminal, env=environment) as process:
        os.close(terminal)
        shown = b""
        while b" files, " not in shown[-200:] or b"\r\n" not in shown[-2:]:
            shown += os.read(screen, 4096)
        output, _ = process.communicate(timeout=300)
    os.close(screen)
    assert len(output.splitlines()) == 13
    assert b"of 12 files" in shown and b"left" in shown
    assert b"avsync: 12 of 12 files" in shown and b": 12 ok" in shown


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--jobs", "0"], "--jobs 0: 1 or more"),
        (["--timeout", "0"], "--timeout 0: more than 0"),
        (["--engine", "steam"], "choose local or ray"),
        (["--ray-address", "127.0.0.1:6379"], "only with the engine ray"),
        (["--min-confidence", "60"], "between 0 and 1"),
        (["--max-abs-offset", "-1"], "0 or more"),
        (["--resume", "a.jsonl", "--csv"], "--resume writes JSON Lines"),
        (["--resume", "a.jsonl", "--min-confidence", "0.5"], "filter the finished report"),
    ],
)
def test_wrong_usage_is_status_2_with_a_line(
    avsync: Command, face: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    done = avsync("detect", face, *options, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == "" and says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_nothing_named_is_usage(avsync: Command) -> None:
    done = avsync("detect", "--jsonl")
    assert done.returncode == 2 and "name videos" in done.stderr


def test_tools_that_cannot_be_had_are_said_once(avsync: Command, faces: Path) -> None:
    options = ("--jsonl", "--jobs", "2", "--device", "cuda")
    done = avsync("detect", faces, *options, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "avsync: --device cuda: not here; choose auto or cpu\n"


def test_folders_by_glob(tmp_path: Path) -> None:
    for name in ("a/one.dat", "a/two.mp4", "b/three.DAT", "b/four.dat"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(*globs: str) -> list[str]:
        return [os.path.relpath(path, tmp_path) for path in find_media([str(tmp_path)], (), globs)]

    assert found() == ["a/two.mp4"]
    assert found("*.dat") == ["a/one.dat", "b/four.dat"]
    assert found("b/*", "*.mp4") == ["a/two.mp4", "b/four.dat", "b/three.DAT"]


def test_names_of_a_list() -> None:
    def names(data: bytes, separator: bytes) -> list[str]:
        receiver, sender = os.pipe()
        os.write(sender, data)
        os.close(sender)
        try:
            exact = separator == b"\0"
            return list(find_media(["-"], read_names(receiver, separator), exact=exact))
        finally:
            os.close(receiver)

    assert names(b"a.mp4\r\n\n  \nb c.mp4", b"\n") == ["a.mp4", "b c.mp4"]
    assert names(b"a\n\0\0 b\r\0c", b"\0") == ["a\n", " b\r", "c"]
    assert names(b"\xe9.mp4\n", b"\n") == ["\udce9.mp4"]
