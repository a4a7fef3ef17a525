"""The only place that starts a process: find ffmpeg, run it, translate its failure.

Commands are built by ffmpeg-python and run as an argument list, never through a shell, and
with stdin closed, so that ffmpeg cannot eat the list a shell loop is reading from.
"""

import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from threading import Thread
from typing import IO, Any

from avsync.errors import MediaError, ToolMissingError
from avsync.inputs import is_url

if sys.platform == "linux":
    import fcntl

INPUT = "file:INPUT"  # stands for the file to read: ffmpeg-python takes no names that are not UTF-8
SPEAKER = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")  # which object inside ffmpeg says something
PIPE_BYTES = 1 << 20  # all that Linux grants
LAST_WORDS = 3  # lines of ffmpeg's stderr that an error quotes

_threads: list[str] = []  # options that say how many; empty: as many as there are cores


@cache
def find_ffmpeg() -> str:
    """Path of the ffmpeg to use: AVSYNC_FFMPEG, then PATH, then the one imageio-ffmpeg carries.

    Raises ToolMissingError where none is found, or AVSYNC_FFMPEG names no program.
    """
    if wanted := os.environ.get("AVSYNC_FFMPEG"):
        if found := shutil.which(wanted):
            return found
        raise ToolMissingError(f"AVSYNC_FFMPEG={wanted}: no such program; correct or unset it")
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise ToolMissingError(
            "ffmpeg not found: install it (apt install ffmpeg, brew install ffmpeg), "
            "or `pip install imageio-ffmpeg`, or set AVSYNC_FFMPEG to its path"
        ) from None


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


def command(stream: Any, *global_options: str) -> list[str]:
    """Argument list that runs an ffmpeg-python stream."""
    argv: list[str] = builder().compile(stream, cmd=find_ffmpeg())
    return [argv[0], "-hide_banner", "-nostdin", *global_options, *_threads, *argv[1:]]


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg to its end, for what it says."""
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", *arguments]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)


def banner(path: str | os.PathLike[str]) -> str:
    """What `ffmpeg -i FILE` says of a file: its streams, times and metadata."""
    return run("-i", input_url(path)).stderr.decode(errors="replace")


def version() -> str:
    """The first words of `ffmpeg -version`."""
    return " ".join(run("-version").stdout.decode().split()[:3])


def read_chunks(
    stream: Any, chunk_bytes: int, path: str | os.PathLike[str], warnings: list[str] | None = None
) -> Iterator[bytes]:
    """Run ffmpeg and yield its standard output in pieces of `chunk_bytes` (the last may be short).

    A file that breaks off in the middle gives what could be decoded, and ffmpeg's words are
    appended to `warnings`. Raises MediaError where nothing at all could be decoded. The process
    ends with the iterator, also when that is closed early.
    """
    argv = command(stream, "-loglevel", "error")
    process = subprocess.Popen(
        [input_url(path) if part == INPUT else part for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    _widen(process.stdout)
    tail: deque[str] = deque(maxlen=LAST_WORDS)
    listener = Thread(target=_collect, args=(process.stderr, tail), daemon=True)
    listener.start()
    anything = False
    try:
        while chunk := process.stdout.read(chunk_bytes):
            anything = True
            yield chunk
        status = process.wait()
        listener.join()
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stdout.close()
        process.stderr.close()
    if status and not anything:
        raise MediaError(f"{os.fspath(path)}: ffmpeg cannot decode it: {last_words(tail)}")
    if tail and warnings is not None:
        warnings.append(f"damaged in part: {last_words(tail)}")


def _widen(pipe: IO[bytes]) -> None:
    """Let a frame fit into a pipe: of Linux's usual 64 KB it takes ten turns to read one."""
    if sys.platform == "linux":
        with suppress(OSError):  # somebody has too many of them
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def write_file(
    arguments: Sequence[str], path: str | os.PathLike[str], on_progress: Callable[[float], None]
) -> None:
    """Run ffmpeg on arguments that end with the file to write; `on_progress` gets seconds written.

    Raises MediaError, which names `path`, where it fails. The process ends with this call, also
    when that is interrupted.
    """
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", "-loglevel", "error"]
    process = subprocess.Popen(
        [*argv, "-nostats", "-progress", "pipe:1", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    tail: deque[str] = deque(maxlen=LAST_WORDS)
    try:
        assert process.stdout and process.stderr
        listener = Thread(target=_collect, args=(process.stderr, tail), daemon=True)
        listener.start()
        for line in process.stdout:
            if found := re.match(rb"out_time_us=(\d+)", line):
                on_progress(int(found[1]) / 1e6)
        status = process.wait()
        listener.join()
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()
    if status:
        raise MediaError(f"{os.fspath(path)}: ffmpeg cannot write it: {last_words(tail)}")


def encoders() -> frozenset[str]:
    """Names of the sound encoders of this ffmpeg, without those that it calls experimental."""
    listed = run("-encoders").stdout.decode()
    return frozenset(re.findall(r"^ A..[^X]\S\S (\w+)", listed, re.MULTILINE))


def last_words(lines: deque[str] | list[str]) -> str:
    """The end of ffmpeg's stderr as one line, without the addresses of its objects."""
    words = [SPEAKER.sub("", line).strip() for line in list(lines)[-LAST_WORDS:]]
    return " / ".join(words) or "no message"


def _collect(stderr: IO[bytes], tail: deque[str]) -> None:
    for line in stderr:
        if text := line.decode(errors="replace").strip():
            tail.append(text)
