"""The only place that starts a process: ffmpeg, and another one in its place where it fails.

It is run as an argument list, never through a shell, and with stdin closed, so that it cannot eat
the list a shell loop is reading from. Where it turns out to be too old, or crashes, or cannot
be run, another takes over, at the place where that was.
"""

import atexit
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise
from threading import Thread
from time import sleep
from typing import IO, Protocol

from avsync.errors import ToolMissingError
from avsync.media import programs
from avsync.media.files import is_url

if sys.platform == "linux":
    import fcntl

FAULT = re.compile(r"\[(?:error|fatal|panic)\] ")  # as ffmpeg marks its lines with `level+...`
# What goes back is written all the same where stamps are not.
HARMLESS = re.compile(r"non monotonically increasing dts to muxer")
HEADER = re.compile(rb"\Affmpeg version.*\n(?:  .*\n)*")  # by which it introduces itself
PIPE_BYTES = 1 << 20  # all that Linux grants
MANY_BYTES = 1 << 14  # of what it says, to be heard at once; less is waited for
GATHERING_SECONDS = 0.005
LISTENED_LINES = 12  # of ffmpeg's stderr that are kept
STALL_SECONDS = 30.0  # without a byte from a server
EXCEPTION = 0xC0000000  # and above: status of what crashed on Windows; elsewhere it is negative


class Listener(Protocol):
    """Whoever wants to hear what ffmpeg says that is no fault."""

    def begin(self) -> None:
        """ffmpeg begins; where it crashed before, it says everything again."""

    def hear(self, line: str) -> None:
        """Take a line; called in a thread of its own."""

    def end(self) -> None:
        """It has said everything, or crashed; called in that thread."""


@dataclass(slots=True)
class Work:
    """A run of ffmpeg, and what comes of it.

    Attributes
    ----------
    arguments : sequence of str
        Without the program.
    listener : Listener or None
        Hears what is no fault.
    tail : deque of str
        The last lines of its stderr that tell of faults.
    status : int
        With which it ended.
    given : int
        Pieces of its output that were passed on.
    """

    arguments: Sequence[str]
    listener: Listener | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=LISTENED_LINES))
    status: int = 0
    given: int = 0

    @property
    def url(self) -> str:
        """The file that is read."""
        return _input_in(self.arguments)


def lines(work: Work) -> Iterator[bytes]:
    """Yield what ffmpeg writes, line by line."""
    yield from pieces(work, lambda pipe: pipe.readline(), lambda line: line.endswith(b"\n"))


def pieces(
    work: Work, take: Callable[[IO[bytes]], bytes], is_whole: Callable[[bytes], bool]
) -> Iterator[bytes]:
    """Yield what ffmpeg writes; where it crashes, another one takes over at that place."""
    while True:
        rest = b""
        with _started(work) as (program, process):
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


def feed(work: Work, chunks: Iterable[bytes]) -> None:
    """Write to ffmpeg's stdin, to the end, or until it takes no more; what it says is kept."""
    with _started(work, subprocess.PIPE) as (_, process):
        assert process.stdin
        with suppress(BrokenPipeError):  # it has ended: its status says how
            for chunk in chunks:
                process.stdin.write(chunk)
        with suppress(BrokenPipeError):
            process.stdin.close()
        work.status = process.wait()


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end, for what it says.

    Raises
    ------
    MediaError
        Where it crashes.
    ToolMissingError
        Where it is too old.
    """
    url = _input_in(arguments)
    while True:
        program = programs.ffmpeg_for(url)
        try:
            done = _done([program, "-nostdin", *_patient(arguments)])
        except ToolMissingError as error:
            if programs.replace_unusable(program, str(error)):
                continue
            raise
        if not _is_replaced(program, done.stderr, url, done.returncode):
            done.stderr = HEADER.sub(b"", done.stderr)
            return done


@contextmanager
def _started(
    work: Work, stdin: int = subprocess.DEVNULL
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A program, and its process, whose words are collected; it ends with the block."""
    program, process = _start(work, stdin)
    assert process.stdout and process.stderr
    _widen(process.stdout)
    if work.listener:
        work.listener.begin()
    ear = Thread(target=_collect, args=(process.stderr, work.tail, work.listener), daemon=True)
    ear.start()

    def end() -> None:
        process.kill()
        process.wait()
        ear.join()

    # A program may end while frames are still being read: a thread that was caught in the middle
    # of a line would bring Python down.
    atexit.register(end)
    try:
        yield program, process
    finally:
        atexit.unregister(end)
        end()
        if process.stdin:
            with suppress(BrokenPipeError):  # of what it has not read
                process.stdin.close()
        process.stdout.close()
        process.stderr.close()


def _widen(pipe: IO[bytes]) -> None:
    """Let a frame fit into a pipe: of Linux's usual 64 KB it takes ten turns to read one."""
    if sys.platform == "linux":
        with suppress(OSError):  # somebody has too many of them
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _collect(stderr: IO[bytes], tail: deque[str], listener: Listener | None) -> None:
    """Keep the last faults that are told; who listens gets all other lines."""
    for line in _gathered(stderr):
        text = line.decode(errors="replace").strip()
        if listener and not FAULT.search(text):
            listener.hear(text)
        elif text and not HARMLESS.search(text):
            tail.append(FAULT.sub("", text))
    if listener:
        listener.end()


def _gathered(pipe: IO[bytes]) -> Iterator[bytes]:
    """Lines, many at a time: a thread that woke up for each would hold up the others."""
    rest = b""
    while data := os.read(pipe.fileno(), MANY_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
        if len(data) < MANY_BYTES:
            sleep(GATHERING_SECONDS)
    yield rest


def _patient(arguments: Sequence[str]) -> list[str]:
    """With an end to waiting for a server that answers no more; ffmpeg by itself waits for ever."""
    limit = ["-rw_timeout", str(round(1e6 * STALL_SECONDS))]
    given: list[str] = []
    for part, after in zip(arguments, [*arguments[1:], ""], strict=True):
        given += [*limit, part] if part == "-i" and is_url(after) else [part]
    return given


def _input_in(arguments: Sequence[str]) -> str:
    return next((after for name, after in pairwise(arguments) if name == "-i"), "")


def _is_replaced(program: str, said: bytes, url: str, status: int) -> bool:
    """Whether another ffmpeg has to do it again. Raises an AvsyncError where there is none."""
    found = HEADER.match(said)
    if found and programs.replace_old(program, found[0].decode(errors="replace")):
        return True
    if 0 <= status < EXCEPTION:
        return False
    return programs.replace_crashed(program, header_of(program), url, status)


def _start(work: Work, stdin: int) -> tuple[str, subprocess.Popen[bytes]]:
    """Raises ToolMissingError where the system cannot run any, or not what was asked for."""
    pipe = subprocess.PIPE
    while True:
        program = programs.ffmpeg_for(work.url)
        argv = [program, *_patient(work.arguments)]
        try:
            with _can_start(program):
                return program, subprocess.Popen(argv, stdin=stdin, stdout=pipe, stderr=pipe)
        except ToolMissingError as error:
            if not programs.replace_unusable(program, str(error)):
                raise


@cache
def header_of(program: str) -> str:
    """What an ffmpeg says of itself."""
    return _done([program, "-version"]).stdout.decode(errors="replace")


def _done(argv: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    with _can_start(argv[0]):
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)


@contextmanager
def _can_start(program: str) -> Iterator[None]:
    """Raises ToolMissingError where the system cannot start it."""
    try:
        yield
    except OSError as error:
        raise ToolMissingError(f"{program}: cannot be run: {error.strerror}") from error
