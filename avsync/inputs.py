"""Names on the command line become what can be read: files, folders, lists, addresses, pipes."""

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from avsync.errors import MediaError, UsageError
from avsync.folders import files_below

LIST = "-"  # stands for the names on stdin
READ_BYTES = 1 << 16
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DESCRIPTOR = re.compile(r"/dev/(stdin)|/dev/fd/(\d+)|/proc/self/fd/(\d+)")
# How MP4 and MOV, Matroska, AVI, MPEG-TS and -PS, Ogg, FLV, ASF and MXF begin.
MEDIA = re.compile(
    rb"....(ftyp|moov|mdat|free|wide|skip)|\x1aE\xdf\xa3|RIFF....AVI |G.{187}G"
    rb"|\x00\x00\x01[\xb3\xba]|OggS|FLV\x01|0&\xb2u\x8ef\xcf\x11|\x06\x0e\x2b\x34",
    re.DOTALL,
)


def find_media(
    inputs: Iterable[str],
    stdin: Iterable[str] = (),
    globs: Sequence[str] = (),
    *,
    exact: bool = False,
) -> Iterator[str]:
    """Files of inputs: a file is itself, a folder its media files, `-` the lines of `stdin`.

    Folders are searched at once, so that what cannot be searched is known before anything is done;
    `stdin` is read as its names are wanted, and with `exact` taken as it is, line ends and all.
    With `globs`, the files of a folder are those that match one of them (`*.dat`, `takes/*.mov`),
    whatever their suffix. Raises MediaError for a folder that cannot be read or has no such file.
    """
    listed = stdin if exact else (line.rstrip("\r\n") for line in stdin if line.strip())
    return chain.from_iterable(
        [listed if name == LIST else _files_of(name, globs) for name in inputs]
    )


def read_names(descriptor: int, separator: bytes = b"\n") -> Iterator[str]:
    """File names from a list, each as soon as it is there; any bytes, as Python spells them.

    `separator` ends a name: a line end, or `\\0`, which no file name has. Read from the descriptor
    itself: a Python stream would be locked while it waits, and the program could not end. Raises
    MediaError where it cannot be read, UsageError where it is no list.
    """
    rest, begun = b"", False
    while data := _read(descriptor):
        if (not begun and MEDIA.match(data)) or (separator != b"\0" and b"\0" in data):
            raise UsageError(
                "what comes on stdin is no list of names: for a video, name its file (detect "
                "reads /dev/stdin, too); for names that end with null bytes, add -0"
            )
        begun = True
        *names, rest = (rest + data).split(separator)
        yield from map(os.fsdecode, filter(None, names))
    if rest:
        yield os.fsdecode(rest)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError as error:
        raise MediaError(f"the list on stdin cannot be read: {error.strerror}") from error


def _files_of(name: str, globs: Sequence[str]) -> Iterable[str]:
    if not os.path.isdir(name):
        return [name]
    try:
        found = files_below(name, globs)
    except OSError as error:
        raise MediaError(f"{error.filename}: {error.strerror}; make it readable") from error
    if not found:
        matching = f" that match {' or '.join(globs)}" if globs else ""
        raise MediaError(f"{name}: no media files{matching} in this folder; name one with videos")
    return map(os.fspath, found)


def is_url(name: str) -> bool:
    """Whether it is an address that ffmpeg reads from, not a file."""
    return name.startswith(("http://", "https://"))


def readable(path: str | os.PathLike[str]) -> Path | str:
    """A file that is there and may be read, or an address as text; raises MediaError for others."""
    name = os.fspath(path)
    if is_url(name):
        return name
    if not os.path.exists(name):
        if ADDRESS.match(name):
            raise MediaError(f"{name}: only http:// and https:// are read; save it as a file first")
        raise MediaError(f"{name}: no such file; check the name")
    if not os.path.isfile(name):
        raise MediaError(f"{name}: not a regular file; name a video file")
    if not os.access(name, os.R_OK):
        raise MediaError(f"{name}: permission denied; make it readable")
    return Path(name)


def local_file(path: str | os.PathLike[str]) -> Path:
    """As a path, for work that needs a file; raises MediaError for addresses and pipes."""
    name = os.fspath(path)
    if ADDRESS.match(name) and not os.path.exists(name):
        raise MediaError(f"{name}: not a local file; download it first")
    if passes_by(name):
        raise MediaError(f"{name}: cannot be read twice; save it as a file first")
    return Path(name)


def passes_by(name: str) -> bool:
    """Whether it is a pipe, or a descriptor of this process (`/dev/stdin`, `<(...)`)."""
    try:
        return bool(DESCRIPTOR.fullmatch(name)) or stat.S_ISFIFO(os.stat(name).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def at_hand(path: str | os.PathLike[str]) -> Iterator[str]:
    """A name under which ffmpeg can read a file as often as it likes, a pipe or descriptor, too.

    What a pipe holds is put into a file without a name, which ends with this process, whatever ends
    that. Errors raised meanwhile name `path`.
    """
    name = os.fspath(path)
    if is_url(name):
        try:
            yield name
        except MediaError as error:  # some servers cannot start in the middle of a file
            raise MediaError(f"{error}; check the address, or download it first") from error
        return
    if not passes_by(name):
        yield name
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_kept(name))
        except OSError as error:
            raise MediaError(f"{name}: cannot be read: {error.strerror}; name a file") from error
        place = f"/proc/{os.getpid()}/fd/{file.fileno()}"  # for another process than this
        try:
            yield place
        except MediaError as error:
            raise MediaError(str(error).replace(place, name)) from error


@contextmanager
def _kept(name: str) -> Iterator[IO[bytes]]:
    """What is read as often as one likes: a descriptor's file itself, or a copy of what comes."""
    with _opened(name) as source:
        kind = stat.S_IFMT(os.fstat(source.fileno()).st_mode)
        if kind == stat.S_IFREG:
            yield source
        elif kind in (stat.S_IFIFO, stat.S_IFSOCK):
            with TemporaryFile(prefix="avsync-") as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                yield copy
        else:
            raise MediaError(f"{name}: neither a file nor a pipe; name a video file")


def _opened(name: str) -> IO[bytes]:
    """A pipe, or a descriptor's copy: of a socket there is no other."""
    found = DESCRIPTOR.fullmatch(name)
    if found is None:
        return open(name, "rb")
    return os.fdopen(os.dup(int(found[2] or found[3] or 0)), "rb")
