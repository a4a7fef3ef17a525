"""Names on the command line become the names of files: folders and lists are gone through."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from avsync.errors import MediaError, UsageError
from avsync.system.scratch import SCRATCH_PREFIX

LIST = "-"  # stands for the names on stdin
READ_BYTES = 1 << 16
# How MP4 and MOV, Matroska, AVI, MPEG-TS and -PS, Ogg, FLV, ASF and MXF begin.
MEDIA = re.compile(
    rb"....(ftyp|moov|mdat|free|wide|skip)|\x1aE\xdf\xa3|RIFF....AVI |G.{187}G"
    rb"|\x00\x00\x01[\xb3\xba]|OggS|FLV\x01|0&\xb2u\x8ef\xcf\x11|\x06\x0e\x2b\x34",
    re.DOTALL,
)
MEDIA_NAME = re.compile(
    r"\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|ts|webm|wmv)$", re.IGNORECASE
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
    `stdin` is read as its names are wanted.

    Parameters
    ----------
    inputs : iterable of str
        As they were named.
    stdin : iterable of str, optional
        What `-` stands for.
    globs : sequence of str, optional
        Of folders, files that match one of them (`*.dat`, `takes/*.mov`), whatever their suffix.
    exact : bool, optional
        Whether names on stdin are taken as they are, line ends and all.

    Raises
    ------
    MediaError
        For a folder that cannot be read or has no such file.
    """
    listed = stdin if exact else (line.rstrip("\r\n") for line in stdin if line.strip())
    return chain.from_iterable(
        [listed if name == LIST else _files_of(name, globs) for name in inputs]
    )


def read_names(descriptor: int, separator: bytes = b"\n") -> Iterator[str]:
    """File names from a list, each as soon as it is there; any bytes, as Python spells them.

    Read from the descriptor itself: a Python stream would be locked while it waits, and the program
    could not end.

    Parameters
    ----------
    descriptor : int
        Of an open file or pipe.
    separator : bytes, optional
        What ends a name: a line end, or a null byte, which no file name has.

    Raises
    ------
    MediaError
        Where it cannot be read.
    UsageError
        Where it is no list.
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


def files_below(folder: str | os.PathLike[str], globs: Sequence[str] = ()) -> list[Path]:
    """Media files in a folder and the folders below it, in order.

    A link to a folder is not followed, so that no loop of links is walked.

    Parameters
    ----------
    folder : path-like
        Where to look.
    globs : sequence of str, optional
        Files that match one of them; by suffix unless given.

    Raises
    ------
    OSError
        For a folder that cannot be read.
    """

    def wanted(path: Path) -> bool:
        return any(map(path.match, globs)) if globs else bool(MEDIA_NAME.search(path.name))

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(SCRATCH_PREFIX)]
        found += [path for name in names if wanted(path := Path(place, name))]
    return sorted(found)
