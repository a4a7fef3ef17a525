"""The one way in which avsync writes files: whole or not at all, and there to stay.

Each is written in a folder of its own beside its target, flushed to the disk, then renamed, and the
rename flushed, too. Without its folder, an ffmpeg that outlives its run by a moment cannot create
anything.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import OutputError
from avsync.system.scratch import remove_stale, scratch_folder

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
    """A draft of what is made of a file; what is not committed is removed.

    Parameters
    ----------
    source : Path
        The file, whose permissions a new output gets.
    target : Path
        The output.
    force : bool
        Whether it may take the place of a file that is there.
    size_bytes : int
        How large it will be, about.

    Yields
    ------
    Draft
        To be written and committed.

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

    Parameters
    ----------
    target : Path
        The file; folders above it are made.
    like : Path, optional
        Whose permissions a new file gets, less the umask.
    force : bool, optional
        Whether it may take the place of a file that is there.

    Yields
    ------
    Draft
        To be written and committed.

    Raises
    ------
    OSError
        Where the system does not let it be written.
    """
    with scratch_folder(target.parent) as folder:
        yield Draft(folder / target.name, target, like, force)


@contextmanager
def folder_in_place(target: Path) -> Iterator[Path]:
    """A folder to write to, that takes its name when the block ends well; else nothing is there.

    One that has the name is replaced. Without any file in it, it is not there either.

    Parameters
    ----------
    target : Path
        Its name.

    Yields
    ------
    Path
        To be written to.

    Raises
    ------
    OutputError
        Where the system does not let it be written; the disk is full, say.
    """
    with _failure_named(target), scratch_folder(target.parent) as scratch:
        folder = scratch / target.name
        folder.mkdir(mode=0o777)
        yield folder
        for file in folder.iterdir():
            with file.open("rb+") as written:
                os.fsync(written.fileno())
        shutil.rmtree(target, ignore_errors=True)
        if any(folder.iterdir()):
            _flush(folder)
            os.replace(folder, target)
            _flush(target.parent)


def check_target(source: Path, target: Path, force: bool) -> None:
    """Refuse what would destroy its source, or what nobody gave up.

    Raises
    ------
    OutputError
        Where the target is the source, a folder, or there already without `force`.
    """
    if target.exists() and source.exists() and os.path.samefile(source, target):
        raise OutputError(f"{target}: is the input itself; name another output")
    if target.is_dir():
        raise OutputError(f"{target}: is a folder; name a file")
    if not force and os.path.lexists(target):
        raise OutputError(f"{target}: exists already; give --force to replace it")


@contextmanager
def _failure_named(target: Path) -> Iterator[None]:
    """Raises OutputError for what the system does not let one write."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{target}: cannot write it: {error.strerror}") from error


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
