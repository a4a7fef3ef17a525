"""What ffmpeg is asked for, by commands that ffmpeg-python builds, and its failure in our words."""

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from avsync.errors import MediaError, ToolMissingError
from avsync.media import programs
from avsync.media.files import is_url
from avsync.media.processes import Listener, Work, feed, header_of, lines, pieces
from avsync.media.processes import run as run
from avsync.media.programs import find_ffmpeg as find_ffmpeg

INPUT = "file:INPUT"  # stands for the file to read: ffmpeg-python takes no names that are not UTF-8
SPEAKER = re.compile(r"\[[^\]]* @ 0x[0-9a-f]+\] ")  # which object inside ffmpeg says something
UNFINISHED = re.compile(r"Error (?:writing trailer|closing file)")  # a full disk, say
LAST_WORDS = 3  # lines of ffmpeg's stderr that an error quotes
EMPTY_WORDS = re.compile(
    r"Task finished|Terminating thread|Nothing was written|Conversion failed|Last message repeated"
    r"|Error (?:opening output|sending frames|submitting|muxing|closing|writing trailer|while)"
)

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


def command(stream: Any, *global_options: str) -> list[str]:
    """Argument list that runs an ffmpeg-python stream."""
    argv: list[str] = builder().compile(stream, cmd=find_ffmpeg())
    return [argv[0], "-hide_banner", "-nostdin", *global_options, *_threads, *argv[1:]]


def listen(listener: Listener, *arguments: str) -> None:
    """Run ffmpeg to its end, for what it says, however much that is.

    Raises
    ------
    MediaError
        Where it crashes.
    """
    quiet = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info")
    for _ in lines(Work([*quiet, *arguments], listener)):
        pass  # it is asked to write nothing


def banner(path: str | os.PathLike[str]) -> str:
    """What `ffmpeg -i FILE` says of a file: its streams, times and metadata."""
    return run("-i", input_url(path)).stderr.decode(errors="replace")


def version() -> str:
    """What the ffmpeg in use calls its version.

    Raises
    ------
    ToolMissingError
        Where it is too old.
    """
    run("-version")  # where the system cannot run it, another takes over
    program = programs.ffmpeg_for("")
    if programs.replace_old(program, header_of(program)):
        program = programs.ffmpeg_for("")
    return programs.version_in(header_of(program))


def notes_on(path: str | os.PathLike[str]) -> list[str]:
    """That another ffmpeg than the usual one was used for a file, and why."""
    return programs.notes_on(input_url(path))


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
    """Run ffmpeg and pass on its standard output, in pieces.

    The process ends with the iterator, also when that is closed early. A file that breaks off in
    the middle gives what could be decoded.

    Parameters
    ----------
    stream : any
        Of ffmpeg-python, reading from `INPUT`.
    chunk_bytes : int
        Size of the pieces; the last may be shorter.
    path : path-like
        What is read.
    warnings : list of str, optional
        Gets ffmpeg's words on damage.
    listener : Listener, optional
        Hears what is no fault.

    Raises
    ------
    MediaError
        Where nothing at all could be decoded.
    """
    level = "level+info" if listener else "level+error"
    argv = command(stream, "-nostats", "-loglevel", level)[1:]
    work = Work([input_url(path) if part == INPUT else part for part in argv], listener)
    yield from pieces(
        work, lambda pipe: pipe.read(chunk_bytes), lambda piece: len(piece) == chunk_bytes
    )
    if work.status and not work.given:
        raise MediaError(f"{os.fspath(path)}: ffmpeg cannot decode it: {last_words(work.tail)}")
    if warnings is not None:
        damage = [f"damaged in part: {last_words(work.tail)}"] if work.tail else []
        warnings += (*programs.notes_on(work.url), *damage)


def read_lines(*arguments: str) -> Iterator[bytes]:
    """Run ffmpeg and pass on its standard output line by line, as far as it gets.

    The process ends with the iterator.

    Raises
    ------
    MediaError
        Where it crashes.
    """
    yield from lines(Work(arguments))


def write_file(
    arguments: Sequence[str], path: str | os.PathLike[str], on_progress: Callable[[float], None]
) -> None:
    """Run ffmpeg for the file that it writes; it ends with this call, also when interrupted.

    Parameters
    ----------
    arguments : sequence of str
        Of ffmpeg; the last is the file to write.
    path : path-like
        Name of that file in messages.
    on_progress : callable
        Gets seconds written.

    Raises
    ------
    MediaError
        Where it fails.
    """
    quiet = ("-hide_banner", "-nostdin", "-loglevel", "error", "-nostats", "-progress", "pipe:1")
    work = Work([*quiet, *arguments])
    for line in lines(work):
        if found := re.match(rb"out_time_us=(\d+)", line):
            on_progress(int(found[1]) / 1e6)
    _check_written(work, path)


def write_drawn(
    arguments: Sequence[str], pictures: Iterator[bytes], path: str | os.PathLike[str]
) -> None:
    """Run ffmpeg on arguments that read raw pictures from stdin and end with the file to write.

    Raises MediaError, which names `path`, where it fails. The process ends with this call, also
    when that is interrupted.
    """
    work = Work(["-hide_banner", "-loglevel", "error", "-nostats", *arguments])
    feed(work, pictures)
    _check_written(work, path)


def _check_written(work: Work, path: str | os.PathLike[str]) -> None:
    """Raises MediaError where the file is not whole: older ffmpegs say so and end with 0."""
    if work.status or any(map(UNFINISHED.search, work.tail)):
        raise MediaError(f"{os.fspath(path)}: ffmpeg cannot write it: {last_words(work.tail)}")


def last_words(lines: deque[str] | list[str]) -> str:
    """The end of ffmpeg's stderr as one line, without the addresses of its objects."""
    words = dict.fromkeys(SPEAKER.sub("", line).strip() for line in lines)
    telling = [line for line in words if not EMPTY_WORDS.match(line)] or list(words)
    return " / ".join(telling[-LAST_WORDS:]) or "no message"
