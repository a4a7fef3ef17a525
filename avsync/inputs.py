"""Names on the command line become files: files, folders, and lists on stdin."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from avsync.errors import MediaError
from avsync.folders import files_below

LIST = "-"  # stands for the names on stdin
READ_BYTES = 1 << 16


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
    MediaError where it cannot be read.
    """
    rest = b""
    while data := _read(descriptor):
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
