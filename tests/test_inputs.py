"""What is not a file on this disk: addresses, pipes, and a video where a list is expected."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from batches import fields_of, running, wait_until
from conftest import Command
from talking_face import write_talking_face
from timeline import run

import avsync
from avsync.errors import MediaError, UsageError
from avsync.media import processes
from avsync.media.search import read_names

LATE_MS = 120.0
OWN_HOME = "http://127.0.0.1"


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face whose sound is late, as it is best sent: what must be known comes first."""
    path = tmp_path_factory.mktemp("served") / "face.mp4"
    options = ("-c:a", "aac", "-movflags", "+faststart")
    write_talking_face(path, seconds=2.4, sound_early_ms=-LATE_MS, size=(416, 234), options=options)
    return path


class _Quiet(SimpleHTTPRequestHandler):
    """A server that cannot start in the middle of a file."""

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def address(face: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the folder of the face is served."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = partial(_Quiet, directory=str(face.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"{OWN_HOME}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_is_measured_and_named_as_given(
    avsync: Command, face: Path, address: str
) -> None:
    url = f"{address}/face.mp4?take=1&again=//x"
    (local,) = fields_of(avsync("detect", face, "--jsonl").stdout.splitlines())
    (alone,) = fields_of(avsync("detect", url, "--jsonl").stdout.splitlines())
    assert alone["path"] == url and alone["offset_ms"] == local["offset_ms"]
    listed = avsync("detect", "-", "--jsonl", "--ordered", input=f"{url}\n{face}\n")
    assert [line["path"] for line in fields_of(listed.stdout.splitlines())] == [url, str(face)]
    text = avsync("detect", url).stdout
    assert text.startswith(f"{url}\n") and "put it right: save it as a file" in text


def test_an_address_that_does_not_answer_is_one_line(
    avsync: Command, face: Path, address: str
) -> None:
    large = ("-c:v", "libx264", "-crf", "2", "-c:a", "copy")  # larger than what is read at once
    run("-i", face, *large, face.with_name("end.mp4"))  # what must be known comes last
    for url, words in (
        (f"{address}/absent.mp4", "404"),
        (f"{OWN_HOME}:9/face.mp4", "Connection refused"),
        (f"{address}/end.mp4", "cannot decode it"),
        ("s3://bucket/face.mp4", "only http:// and https:// are read; save it as a file first"),
        (face.as_uri(), "only http:// and https:// are read; save it as a file first"),
    ):
        done = avsync("detect", url)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith(f"avsync: {url}: ") and words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert url.startswith("http") == ("or download it first" in done.stderr)


class _Staller(BaseHTTPRequestHandler):
    """Answers a part of what it is asked for, then nothing more, but keeps the line."""

    data = b""
    kind = ""
    over = Event()

    def do_GET(self) -> None:
        if self.kind != "silent":
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.data)))
            self.end_headers()
        if self.kind == "half":
            self.wfile.write(self.data[: len(self.data) // 2])
        self.wfile.flush()
        self.over.wait(60)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stalling(face: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server that stalls, and is given up after a second."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(processes, "STALL_SECONDS", 1.0)
    monkeypatch.setattr(_Staller, "data", face.read_bytes())
    monkeypatch.setattr(_Staller, "over", Event())
    with ThreadingHTTPServer(("127.0.0.1", 0), _Staller) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever).start()
        yield f"{OWN_HOME}:{server.server_port}/face.mp4"
        _Staller.over.set()
        server.shutdown()


@pytest.mark.parametrize("kind", ["silent", "headers"])
def test_a_server_that_never_answers_is_given_up(
    stalling: str, monkeypatch: pytest.MonkeyPatch, kind: str, each_ffmpeg: str
) -> None:
    monkeypatch.setattr(_Staller, "kind", kind)
    with pytest.raises(MediaError, match="check the address, or download it first") as caught:
        avsync.detect(stalling)
    assert stalling in str(caught.value) and "\n" not in str(caught.value)


def test_what_came_before_a_server_stalled_is_looked_at(
    stalling: str, monkeypatch: pytest.MonkeyPatch, each_ffmpeg: str
) -> None:
    monkeypatch.setattr(_Staller, "kind", "half")
    report = avsync.detect(stalling)
    assert report.status != "error" and "timed out" in " ".join(report.warnings)


def test_what_is_written_needs_a_file(avsync: Command, address: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for argv in (("fix", "-o", tmp_path / "out.mp4"), ("features", "-o", tmp_path / "out.npz")):
        for name, words in (
            (f"{address}/face.mp4", "not a local file; download it first"),
            ("rtsp://camera/1", "not a local file; download it first"),
            ("/dev/stdin", "cannot be read twice; save it as a file first"),
            (str(pipe), "cannot be read twice; save it as a file first"),
        ):
            done = avsync(*argv, name)
            assert (done.returncode, done.stderr) == (1, f"avsync: {name}: {words}\n")
    assert os.listdir(tmp_path) == ["pipe.mp4"]


@pytest.mark.parametrize(
    "script",
    [
        '{detect} /dev/stdin < "{face}"',
        'cat "{face}" | {detect} /dev/stdin',
        'cat "{face}" | {detect} /proc/self/fd/0',
        '{detect} <(cat "{face}")',
        '{detect} /dev/fd/9 9< "{face}"',
        'cat "{face}" > "{pipe}" & {detect} "{pipe}"',
    ],
)
def test_what_comes_through_a_pipe_is_measured(face: Path, tmp_path: Path, script: str) -> None:
    pipe, kept = tmp_path / "pipe.mp4", tmp_path / "kept"
    os.mkfifo(pipe)
    kept.mkdir()
    detect = f'"{sys.executable}" -m avsync detect --jsonl'
    command = ["bash", "-c", script.format(detect=detect, face=face, pipe=pipe)]
    environment = {**os.environ, "TMPDIR": str(kept)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    (report,) = fields_of(done.stdout.splitlines())
    assert report["offset_ms"] == pytest.approx(-LATE_MS, abs=20), done.stderr
    assert report["path"] in script.format(detect="", face="", pipe=pipe) or (
        report["path"].startswith("/dev/fd/")
    )
    assert done.stderr == "" and os.listdir(kept) == []


def test_what_is_wrong_with_a_pipe_is_said_of_its_name(avsync: Command, face: Path) -> None:
    for options, words in (
        ({"input": "no video"}, "not a media file that ffmpeg can read"),
        ({"stdin": subprocess.DEVNULL}, "neither a file nor a pipe; name a video file"),
    ):
        done = avsync("detect", "/dev/stdin", **options)
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.startswith(f"avsync: /dev/stdin: {words}")
    done = avsync("detect", "/dev/fd/99")
    assert done.stderr == "avsync: /dev/fd/99: cannot be read: Bad file descriptor; name a file\n"
    done = avsync("detect", "/dev/stdin", face)
    assert done.returncode == 2 and "/dev/stdin: is read alone" in done.stderr


def test_a_pipe_that_nobody_writes_to_holds_nothing_up(
    avsync: Command, face: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for argv, options in (((tmp_path,), {}), (("-",), {"input": f"{pipe}\n/dev/stdin\n"})):
        done = avsync("detect", *argv, **options)
        assert done.returncode == 1 and f"avsync: {pipe}: not a regular file" in done.stderr
    assert "avsync: /dev/stdin: not a regular file" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_pipe_whose_reader_was_ended(
    face: Path, tmp_path: Path, number: signal.Signals
) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with running("detect", "/dev/stdin", stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin
        process.stdin.write("x" * 300_000)  # more than a pipe holds: it is being read
        process.stdin.flush()
        wait_until(lambda: str(tmp_path) in _files_of(process.pid), "a copy is made")
        process.send_signal(number)
        process.communicate(timeout=300)
    assert os.listdir(tmp_path) == []


def _files_of(pid: int) -> str:
    """Names of the files that a process holds open."""
    folder = Path(f"/proc/{pid}/fd")
    return " ".join(os.readlink(link) for link in folder.iterdir())


CONTAINERS = (
    *("mp4", "mov", "m4v", "3gp", "mkv", "webm", "avi"),
    *("ts", "mpg", "flv", "wmv", "ogv", "mxf"),
)


@pytest.mark.parametrize("separator", [b"\n", b"\0"])
def test_a_video_is_not_taken_for_a_list(tmp_path: Path, separator: bytes) -> None:
    picture = ("-f", "lavfi", "-i", "color=gray:s=352x288:r=25:d=1")
    sound = ("-f", "lavfi", "-i", "sine=frequency=300:sample_rate=48000:duration=1")
    for suffix in CONTAINERS:
        path = tmp_path / f"a.{suffix}"
        run(*picture, *sound, "-ac", "1", *(("-c:a", "aac") if suffix == "3gp" else ()), path)
        with path.open("rb") as file, pytest.raises(UsageError, match="no list of names"):
            list(read_names(file.fileno(), separator))


def test_a_list_is_taken_for_a_list(tmp_path: Path) -> None:
    for data, separator, names in (
        (b"a.mp4\nb c.mp4\n", b"\n", ["a.mp4", "b c.mp4"]),
        (b"a\nb.mp4\0RIFF.avi\0", b"\0", ["a\nb.mp4", "RIFF.avi"]),
        (b"\xff\xfe\n", b"\n", ["\udcff\udcfe"]),
        (b"", b"\n", []),
    ):
        path = tmp_path / "list"
        path.write_bytes(data)
        with path.open("rb") as file:
            assert list(read_names(file.fileno(), separator)) == names
    path.write_bytes(b"a.mp4\0b.mp4\0")
    with path.open("rb") as file, pytest.raises(UsageError, match="-0"):
        list(read_names(file.fileno()))


def test_the_command_says_what_to_do_with_a_video_on_stdin(avsync: Command, face: Path) -> None:
    for argv in (("detect", "-"), ("detect", "-0"), ("fix", "-", "-o", "out/")):
        with face.open("rb") as file:
            done = avsync(*argv, stdin=file, cwd=face.parent)
        assert done.returncode == 2 and done.stdout == ""
        assert "detect reads /dev/stdin, too" in done.stderr
        assert len(done.stderr.splitlines()) == 1 and done.stderr.isascii()
    assert not (face.parent / "out").exists()


def test_the_library_reads_addresses_and_pipes(face: Path, address: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=lambda: pipe.write_bytes(face.read_bytes()))
    writer.start()
    options = avsync.DetectOptions()
    offsets = [avsync.detect(place, options).offset_ms
               for place in (face, f"{address}/face.mp4", pipe)]  # fmt: skip
    writer.join()
    assert offsets == [offsets[0]] * 3 and offsets[0] is not None
