"""Folders to work in beside a file, which go with the run, or with the next one where it is killed.

Each is locked as long as the run that made it lives. One that can be locked was left behind, and is
removed by the next run that works in the same place.
"""

import contextlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

SCRATCH_PREFIX = ".avsync-"  # of their names: what lies in them is not there yet
SCRATCH_NAME = re.compile(re.escape(SCRATCH_PREFIX) + "[0-9a-f]{12}")


@contextmanager
def scratch_folder(place: Path) -> Iterator[Path]:
    """A new folder in a folder, which is made, too; it goes when the block ends.

    Raises
    ------
    OSError
        Where it cannot be made.
    """
    place.mkdir(parents=True, exist_ok=True)
    _remove_stale_once(place.absolute())
    # The name comes first, so that a signal at any moment finds it here to be removed.
    handle, folder = -1, place / f"{SCRATCH_PREFIX}{secrets.token_hex(6)}"
    try:
        handle = _create(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def remove_stale(place: Path) -> None:
    """Remove the folders in a folder whose runs have died."""
    if sys.platform == "win32":
        return  # no locks of this kind
    import fcntl

    for entry in list(place.iterdir()):
        if not SCRATCH_NAME.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
            continue
        with contextlib.suppress(OSError):  # somebody else's, or still being written
            handle = os.open(entry, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(handle)


@cache
def _remove_stale_once(place: Path) -> None:
    """For who writes many files: to look through a folder before each of them would take long."""
    with contextlib.suppress(OSError):
        remove_stale(place)


def _create(folder: Path) -> int:
    """Create a folder and lock it; returns its handle, -1 where folders have none."""
    while True:
        folder.mkdir(mode=0o700)
        if sys.platform == "win32":
            return -1
        handle = os.open(folder, os.O_RDONLY)
        if _lock(handle, folder):
            return handle
        os.close(handle)


def _lock(handle: int, folder: Path) -> bool:
    """Lock a new folder; false where another run took it for stale before it was locked."""
    import fcntl

    with contextlib.suppress(OSError):  # a file system without locks: nothing there is ever stale
        fcntl.flock(handle, fcntl.LOCK_EX)
    return folder.exists()
