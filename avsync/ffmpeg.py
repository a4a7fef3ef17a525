"""The only place that starts a process: run ffmpeg, and translate its failure.

Commands are built by ffmpeg-python and run as an argument list, never through a shell, and
with stdin closed, so that ffmpeg cannot eat the list a shell loop is reading from. Where it turns
out to be too old, or crashes, the one that imageio-ffmpeg carries takes over.
"""

import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from threading import Thread
from typing import IO, Any, Protocol

from avsync import programs
from avsync.errors import MediaError, ToolMissingError
from avsync.inputs import is_url
from avsync.programs import find_ffmpeg as find_ffmpeg  # for whoever runs it in another way

if sys.platform == "linux":
    import fcntl

INPUT = "file:INPUT"  # stands for the file to read: ffmpeg-python takes no names that are not UTF-8
FAULT = re.compile(r"\[(?:error|fatal|panic)\] ")  # as ffmpeg marks its lines with `level+...`
# What goes back is written all the same where stamps are not.
HARMLESS = re.compile(r"non monotonically increasing dts to muxer")
SPEAKER = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")  # which object inside ffmpeg says something
HEADER = re.compile(rb"\Affmpeg version.*\n(?:  .*\n)*")  # by which it introduces itself
PIPE_BYTES = 1 << 20  # all that Linux grants
LAST_WORDS = 3  # lines of ffmpeg's stderr that an error quotes
EXCEPTION = 0xC0000000  # and above: status of what crashed on Windows; elsewhere it is negative

_threads: list[str] = []  # options that say how many; empty: as many as there are cores


def use_threads(count: int) -> None:
    """From now on, let decoders and filters that this process starts use so many threads each."""
    _threads[:] = ["-filter_complex_threads", str(count), "-threads", str(count)]


def builder() -> Any:
    """The ffmpeg-python package, checked not to be one of its namesakes."""
    import ffmpeg

    if not hasattr(ffmpeg, "input"):
        raise ToolMissingError(
            "the installed package `ffmpeg` is not ffmpeg-python; repair with "
            "`pip uninstall ffmpeg python-ffmpeg; pip install --force-reinstall ffmpeg-python`"
        )
    return ffmpeg


def input_url(path: str | os.PathLike[str]) -> str:
    """A file name as ffmpeg cannot misread it (`-x.mp4`, `a:b.mp4`, `concat:...`), or a URL."""
    name = os.fspath(path)
    return name if is_url(name) else f"file:{name}"


class Listener(Protocol):
    """Whoever wants to hear what ffmpeg says that is no fault."""

    def begin(self) -> None:
        """ffmpeg begins; where it crashed before, it says everything again."""

    def hear(self, line: str) -> None:
        """Take a line; called in a thread of its own."""


def command(stream: Any, *global_options: str) -> list[str]:
    """Argument list that runs an ffmpeg-python stream."""
    argv: list[str] = builder().compile(stream, cmd=find_ffmpeg())
    return [argv[0], "-hide_banner", "-nostdin", *global_options, *_threads, *argv[1:]]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end, for what it says.

    Raises MediaError where it crashes, ToolMissingError where it is too old.
    """
    url = _input_in(arguments)
    while True:
        program = programs.ffmpeg_for(url)
        argv = [program, "-nostdin", *arguments]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
        if not _is_replaced(program, done.stderr, url, done.returncode):
            done.stderr = HEADER.sub(b"", done.stderr)
            return done


def listen(listener: Listener, *arguments: str) -> None:
    """Run ffmpeg to its end, for what it says, however much that is.

    Raises MediaError where it crashes.
    """
    quiet = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info")
    for _ in _lines(_Work([*quiet, *arguments], listener)):
        pass  # it is asked to write nothing


def banner(path: str | os.PathLike[str]) -> str:
    """What `ffmpeg -i FILE` says of a file: its streams, times and metadata."""
    return run("-i", input_url(path)).stderr.decode(errors="replace")


def version() -> str:
    """What the ffmpeg in use calls its version. Raises ToolMissingError where it is too old."""
    return programs.version_in(_header(programs.ffmpeg_for("")))


def encoders() -> frozenset[str]:
    """Names of the sound encoders of this ffmpeg, without those that it calls experimental."""
    listed = run("-encoders").stdout.decode()
    return frozenset(re.findall(r"^ A..[^X]\S\S (\w+)", listed, re.MULTILINE))


def read_chunks(
    stream: Any,
    chunk_bytes: int,
    path: str | os.PathLike[str],
    warnings: list[str] | None = None,
    listener: Listener | None = None,
) -> Iterator[bytes]:
    """Run ffmpeg and yield its standard output in pieces of `chunk_bytes` (the last may be short).

    A file that breaks off in the middle gives what could be decoded, and ffmpeg's words are
    appended to `warnings`. Raises MediaError where nothing at all could be decoded. The process
    ends with the iterator, also when that is closed early.
    """
    level = "level+info" if listener else "level+error"
    argv = command(stream, "-nostats", "-loglevel", level)[1:]
    work = _Work([input_url(path) if part == INPUT else part for part in argv], listener)
    yield from _pieces(
        work, lambda pipe: pipe.read(chunk_bytes), lambda piece: len(piece) == chunk_bytes
    )
    if work.status and not work.given:
        raise MediaError(f"{os.fspath(path)}: ffmpeg cannot decode it: {last_words(work.tail)}")
    if warnings is not None:
        damage = [f"damaged in part: {last_words(work.tail)}"] if work.tail else []
        warnings += (*programs.notes_on(work.url), *damage)


def read_lines(*arguments: str) -> Iterator[bytes]:
    """Run ffmpeg and yield its standard output line by line, as far as it gets.

    Raises MediaError where it crashes. The process ends with the iterator.
    """
    yield from _lines(_Work(arguments))


def write_file(
    arguments: Sequence[str], path: str | os.PathLike[str], on_progress: Callable[[float], None]
) -> None:
    """Run ffmpeg on arguments that end with the file to write; `on_progress` gets seconds written.

    Raises MediaError, which names `path`, where it fails. The process ends with this call, also
    when that is interrupted.
    """
    quiet = ("-hide_banner", "-nostdin", "-loglevel", "error", "-nostats", "-progress", "pipe:1")
    work = _Work([*quiet, *arguments])
    for line in _lines(work):
        if found := re.match(rb"out_time_us=(\d+)", line):
            on_progress(int(found[1]) / 1e6)
    if work.status:
        raise MediaError(f"{os.fspath(path)}: ffmpeg cannot write it: {last_words(work.tail)}")


def last_words(lines: deque[str] | list[str]) -> str:
    """The end of ffmpeg's stderr as one line, without the addresses of its objects."""
    words = [SPEAKER.sub("", line).strip() for line in list(lines)[-LAST_WORDS:]]
    return " / ".join(words) or "no message"


@dataclass(slots=True)
class _Work:
    """A run of ffmpeg, and what comes of it."""

    arguments: Sequence[str]
    listener: Listener | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_WORDS))  # of its stderr
    status: int = 0  # with which it ended
    given: int = 0  # pieces of its output that were passed on

    @property
    def url(self) -> str:
        """The file that is read."""
        return _input_in(self.arguments)


def _lines(work: _Work) -> Iterator[bytes]:
    yield from _pieces(work, lambda pipe: pipe.readline(), lambda line: line.endswith(b"\n"))


def _pieces(
    work: _Work, take: Callable[[IO[bytes]], bytes], is_whole: Callable[[bytes], bool]
) -> Iterator[bytes]:
    """Yield what ffmpeg writes; where it crashes, another one takes over at that place."""
    while True:
        program = programs.ffmpeg_for(work.url)
        rest = b""
        with _started(program, work) as process:
            assert process.stdout
            for place, piece in enumerate(iter(partial(take, process.stdout), b"")):
                if not is_whole(piece):
                    rest = piece  # what a crash left half-done is not passed on
                elif place >= work.given:
                    work.given += 1
                    yield piece
            work.status = process.wait()
        if not _is_replaced(program, b"", work.url, work.status):
            break
        work.tail.clear()
    if rest:
        work.given += 1
        yield rest


@contextmanager
def _started(program: str, work: _Work) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose words are collected; it ends with the block."""
    process = subprocess.Popen(
        [program, *work.arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    _widen(process.stdout)
    ear = Thread(target=_collect, args=(process.stderr, work.tail, work.listener), daemon=True)
    ear.start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        ear.join()
        process.stdout.close()
        process.stderr.close()


def _widen(pipe: IO[bytes]) -> None:
    """Let a frame fit into a pipe: of Linux's usual 64 KB it takes ten turns to read one."""
    if sys.platform == "linux":
        with suppress(OSError):  # somebody has too many of them
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _collect(stderr: IO[bytes], tail: deque[str], listener: Listener | None) -> None:
    """Keep the last faults that are told; who listens gets all other lines."""
    if listener:
        listener.begin()
    for line in stderr:
        text = line.decode(errors="replace").strip()
        if listener and not FAULT.search(text):
            listener.hear(text)
        elif text and not HARMLESS.search(text):
            tail.append(FAULT.sub("", text))


def _input_in(arguments: Sequence[str]) -> str:
    return next((after for name, after in pairwise(arguments) if name == "-i"), "")


def _is_replaced(program: str, said: bytes, url: str, status: int) -> bool:
    """Whether another ffmpeg has to do it again. Raises an AvsyncError where there is none."""
    found = HEADER.match(said)
    if found and programs.replace_old(program, found[0].decode(errors="replace")):
        return True
    if 0 <= status < EXCEPTION:
        return False
    return programs.replace_crashed(program, _header(program), url, status)


@cache
def _header(program: str) -> str:
    """What an ffmpeg says of itself."""
    argv = [program, "-version"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    return done.stdout.decode(errors="replace")
