"""What may be read, under a name that ffmpeg can read: files, addresses, pipes."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from avsync.errors import MediaError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
DESCRIPTOR = re.compile(r"/dev/(stdin)|/dev/fd/(\d+)|/proc/self/fd/(\d+)")


def is_url(name: str) -> bool:
    """Whether it is an address that ffmpeg reads from, not a file."""
    return name.startswith(("http://", "https://"))


def readable(path: str | os.PathLike[str]) -> Path | str:
    """A file that is there and may be read, or an address as text.

    Raises
    ------
    MediaError
        For anything else.
    """
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
    """As a path, for work that needs a file.

    Raises
    ------
    MediaError
        For addresses and pipes.
    """
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
    that.

    Raises
    ------
    MediaError
        Where it cannot be had; errors raised meanwhile name `path`, too.
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
