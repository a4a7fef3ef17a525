"""Write a file whole or not at all: beside its target, flushed to the disk, then renamed.

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
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import OutputError

DRAFT_PREFIX = ".avsync-"  # of folders in which files are being written: not there yet
TEMPORARY = re.compile(re.escape(DRAFT_PREFIX) + "[0-9a-f]{12}")
RESERVE_BYTES = 1 << 20  # what a container may grow by


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that is being written."""

    path: Path  # to write to
    source: Path
    target: Path
    force: bool

    def commit(self) -> None:
        """Give the finished file its permissions and its name, durably.

        A new file gets those of its source less the umask, a replaced one leaves its own behind.
        Its time is now: backups and build tools must see that it is new.
        """
        old = self.target if self.target.exists() else None
        mode = old.stat().st_mode if old else self.source.stat().st_mode & ~_umask()
        self.path.chmod(mode & 0o777)
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        if self.force:
            os.replace(self.path, self.target)
        else:
            _rename_to_new(self.path, self.target)
        if sys.platform != "win32":
            handle = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def safe_output(source: Path, target: Path, force: bool, size_bytes: int) -> Iterator[Draft]:
    """A draft of `target`; what is not published when the block ends is removed.

    Raises OutputError where it cannot be written, or would hurt something.
    """
    check_target(source, target, force)
    folder = target.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_stale(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{target}: cannot write there: {error.strerror}") from error
    if free < size_bytes + RESERVE_BYTES:
        need, have = _megabytes(size_bytes + RESERVE_BYTES), _megabytes(free)
        raise OutputError(f"{target}: needs {need}, {have} are free; make room, or write elsewhere")
    # The name comes first, so that a signal at any moment finds it here to be removed.
    handle, temporary = -1, folder / f"{DRAFT_PREFIX}{secrets.token_hex(6)}"
    try:
        handle = _create(temporary)
        yield Draft(temporary / target.name, source, target, force)
    except OSError as error:
        raise OutputError(f"{target}: cannot write it: {error.strerror}") from error
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


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its target, then rename: never half a file under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
