"""The one way in which avsync writes files: whole or not at all, and there to stay.

Each is written beside its target, flushed to the disk, then renamed, and the rename flushed, too.
It is written in a folder of its own, which is locked as long as the run that writes it lives. One
that can be locked was left by a run that was killed, and is removed by the next run that writes
beside it. Without its folder, an ffmpeg that outlives its run by a moment cannot create anything.
"""

import contextlib
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from avsync.errors import OutputError

DRAFT_PREFIX = ".avsync-"  # of folders in which files are being written: not there yet
TEMPORARY = re.compile(re.escape(DRAFT_PREFIX) + "[0-9a-f]{12}")
RESERVE_BYTES = 1 << 20  # what a container may grow by
NEW_MODE = 0o666  # of any new file, less the umask


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that is being written.

    Attributes
    ----------
    path : Path
        To write to; nothing is there yet.
    target : Path
        The name it gets when it is finished.
    like : Path or None
        Whose permissions a new file gets, less the umask; None: those of any new file.
    force : bool
        Whether it may take the place of a file that is there.
    """

    path: Path
    target: Path
    like: Path | None = None
    force: bool = True

    def commit(self) -> None:
        """Give the finished file its permissions and its name, durably.

        A file that is replaced leaves its permissions behind. Its time is now: backups and build
        tools must see that it is new.
        """
        self.path.chmod(self._mode() & 0o777)
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        if self.force:
            os.replace(self.path, self.target)
        else:
            _rename_to_new(self.path, self.target)
        _flush(self.target.parent)

    def _mode(self) -> int:
        if self.target.exists():
            return self.target.stat().st_mode
        return (self.like.stat().st_mode if self.like else NEW_MODE) & ~_umask()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, and the folders above it, whole or not at all.

    Raises
    ------
    OutputError
        Where it cannot be written; what was there before is there still.
    """
    with _failure_named(path), drafted(path) as draft:
        draft.path.write_bytes(data)
        draft.commit()


@contextmanager
def safe_output(source: Path, target: Path, force: bool, size_bytes: int) -> Iterator[Draft]:
    """A draft of what is made of `source`, about as large; what is not committed is removed.

    Raises
    ------
    OutputError
        Where it cannot be written, there is no room, or it would hurt something.
    """
    check_target(source, target, force)
    with _failure_named(target), drafted(target, source, force) as draft:
        remove_stale(target.parent)
        free = shutil.disk_usage(target.parent).free
        if free < size_bytes + RESERVE_BYTES:
            need, have = _megabytes(size_bytes + RESERVE_BYTES), _megabytes(free)
            raise OutputError(
                f"{target}: needs {need}, {have} are free; make room, or write elsewhere"
            )
        yield draft


@contextmanager
def drafted(target: Path, like: Path | None = None, force: bool = True) -> Iterator[Draft]:
    """A draft of any file, in a folder of its own beside it that goes when the block ends.

    Raises
    ------
    OSError
        Where the system does not let it be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale_once(target.parent.absolute())
    # The name comes first, so that a signal at any moment finds it here to be removed.
    handle, temporary = -1, target.parent / f"{DRAFT_PREFIX}{secrets.token_hex(6)}"
    try:
        handle = _create(temporary)
        yield Draft(temporary / target.name, target, like, force)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def check_target(source: Path, target: Path, force: bool) -> None:
    """Raise OutputError where writing `target` would destroy its source or what nobody gave up."""
    if target.exists() and source.exists() and os.path.samefile(source, target):
        raise OutputError(f"{target}: is the input itself; name another output")
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; name a file")
    if not force and os.path.lexists(target):
        raise OutputError(f"{target}: exists already; give --force to replace it")


def remove_stale(folder: Path) -> None:
    """Remove the temporary folders in a folder whose runs have died."""
    if sys.platform == "win32":
        return  # no locks of this kind
    import fcntl

    for entry in list(folder.iterdir()):
        if not TEMPORARY.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
            continue
        with contextlib.suppress(OSError):  # somebody else's, or still being written
            handle = os.open(entry, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(handle)


@cache
def _remove_stale_once(folder: Path) -> None:
    """For who writes many files: to look through a folder before each of them would take long."""
    with contextlib.suppress(OSError):
        remove_stale(folder)


@contextmanager
def _failure_named(target: Path) -> Iterator[None]:
    """Raises OutputError for what the system does not let one write."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{target}: cannot write it: {error.strerror}") from error


def _create(temporary: Path) -> int:
    """Create a folder and lock it; returns its handle, -1 where folders have none."""
    while True:
        temporary.mkdir(mode=0o700)
        if sys.platform == "win32":
            return -1
        handle = os.open(temporary, os.O_RDONLY)
        if _lock(handle, temporary):
            return handle
        os.close(handle)


def _lock(handle: int, temporary: Path) -> bool:
    """Lock a new folder; false where another run took it for stale before it was locked."""
    import fcntl

    with contextlib.suppress(OSError):  # a file system without locks: nothing there is ever stale
        fcntl.flock(handle, fcntl.LOCK_EX)
    return temporary.exists()


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Rename, but never over a file that came into being in the meantime."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OutputError(f"{target}: exists already; give --force to replace it") from None
    except OSError:  # a file system without hard links
        check_target(temporary, target, force=False)
        os.rename(temporary, target)


def _flush(folder: Path) -> None:
    """Let a new name outlast a power cut."""
    if sys.platform == "win32":
        return  # folders have no handles there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
