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
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import IO, Any

from avsync.errors import MediaError, ToolMissingError

if sys.platform == "linux":
    import fcntl

INPUT = "file:INPUT"  # stands for the file to read: ffmpeg-python takes no names that are not UTF-8
SPEAKER = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")  # which object inside ffmpeg says something
NO_STAMP = b"-9223372036854775808"  # in place of a time of showing; that of decoding is near it
FRAMECRC = ("-f", "framecrc", "pipe:")  # a line for each packet
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
    """A file name as ffmpeg cannot misread it (`-x.mp4`, `a:b.mp4`, `concat:...`)."""
    return f"file:{os.fspath(path)}"


def command(stream: Any, *global_options: str) -> list[str]:
    """Argument list that runs an ffmpeg-python stream."""
    argv: list[str] = builder().compile(stream, cmd=find_ffmpeg())
    return [argv[0], "-hide_banner", "-nostdin", *global_options, *_threads, *argv[1:]]


def banner(path: str | os.PathLike[str]) -> str:
    """What `ffmpeg -i FILE` says of a file: its streams, times and metadata."""
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", "-i", input_url(path)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    return done.stderr.decode(errors="replace")


def version() -> str:
    """The first words of `ffmpeg -version`."""
    done = subprocess.run(
        [find_ffmpeg(), "-version"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return " ".join(done.stdout.split()[:3])


@dataclass(frozen=True, slots=True)
class Opening:
    """What is learnt of a file by opening it once."""

    banner: str
    index: int | None  # of the first stream that is a moving picture
    first_stamp_seconds: float | None  # of that stream, as `first_stamp_seconds` gives it


def open_file(path: str | os.PathLike[str]) -> Opening:
    """The banner and the first stamp by one process: of a short clip each costs a twentieth."""
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", *_first_packet(path, "0:V:0?")]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    said = done.stderr.decode(errors="replace")
    mapped = re.search(r"^ *Stream #0:(\d+) -> #0:0 \(copy\)", said, re.MULTILINE)
    banner = re.split(r"^(?:Stream mapping:|Output #0)", said, maxsplit=1, flags=re.MULTILINE)[0]
    return Opening(banner, int(mapped[1]) if mapped else None, _stamp_seconds(done.stdout))


def first_stamp_seconds(
    path: str | os.PathLike[str], index: int, after_seconds: float = 0.0
) -> float | None:
    """Time stamp of the first packet of a stream, at which decoding can begin; None: it has none.

    After a seek, where one is asked for. Of the start newer versions say it in their banner, older
    ones do not.
    """
    seek = ["-ss", f"{after_seconds:.3f}", "-noaccurate_seek"] if after_seconds else []
    argv = [find_ffmpeg(), "-nostdin", "-loglevel", "error"]
    argv += _first_packet(path, f"0:{index}", seek)
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    return _stamp_seconds(done.stdout)


def _first_packet(path: str | os.PathLike[str], stream: str, seek: Sequence[str] = ()) -> list[str]:
    """Arguments that make ffmpeg describe one packet on its standard output."""
    source = ["-copyts", *seek, "-i", input_url(path), "-map", stream]
    return [*source, "-c", "copy", "-frames", "1", "-avoid_negative_ts", "disabled", *FRAMECRC]


def _stamp_seconds(framecrc: bytes) -> float | None:
    base = re.search(rb"^#tb 0: (\d+)/(\d+)", framecrc, re.MULTILINE)
    packet = re.search(rb"^0, *(-?\w+), *(-?\d+),", framecrc, re.MULTILINE)
    if not base or not packet:
        return None
    stamp = packet[1] if packet[2] == NO_STAMP else packet[2]
    if stamp == NO_STAMP or not stamp.lstrip(b"-").isdigit():
        return None
    return int(stamp) * int(base[1]) / int(base[2])


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
    done = subprocess.run(
        [find_ffmpeg(), "-hide_banner", "-encoders"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return frozenset(re.findall(r"^ A..[^X]\S\S (\w+)", done.stdout, re.MULTILINE))


def packets(
    path: str | os.PathLike[str], index: int, seconds: float
) -> Iterator[tuple[float, int]]:
    """(end in seconds, bytes) of the packets in the first seconds of a stream."""
    argv = [find_ffmpeg(), "-nostdin", "-loglevel", "error", "-i", input_url(path)]
    argv += ["-map", f"0:{index}", "-c", "copy", "-t", str(seconds), *FRAMECRC]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    base = re.search(r"^#tb 0: (\d+)/(\d+)", done.stdout, re.MULTILINE)
    for found in re.finditer(r"^0, *-?\w+, *(-?\d+), *(\d+), *(\d+),", done.stdout, re.MULTILINE):
        assert base
        yield (int(found[1]) + int(found[2])) * int(base[1]) / int(base[2]), int(found[3])


def last_words(lines: deque[str] | list[str]) -> str:
    """The end of ffmpeg's stderr as one line, without the addresses of its objects."""
    words = [SPEAKER.sub("", line).strip() for line in list(lines)[-LAST_WORDS:]]
    return " / ".join(words) or "no message"


def _collect(stderr: IO[bytes], tail: deque[str]) -> None:
    for line in stderr:
        if text := line.decode(errors="replace").strip():
            tail.append(text)
