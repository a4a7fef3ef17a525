"""Files are written whole or not at all, whoever writes them, and are there after a power cut."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from avsync.batch.resume import ReportFile, sync_in_short
from avsync.errors import OutputError
from avsync.report import Source, SyncReport
from avsync.system.atomic import safe_output, write_whole
from avsync.system.downloads import RemoteFile, fetch, sha256_of
from avsync.system.scratch import SCRATCH_PREFIX

Write = Callable[[Path], object]  # of anything, under that name


def _fetch(path: Path) -> None:
    there = path.parent.with_name("there")
    there.write_bytes(b"new")
    fetch(RemoteFile(path.name, there.as_uri(), sha256_of(there)), path.parent)


def _resume(path: Path) -> None:
    """A report whose only answer is replaced, so that it is written anew."""
    report = SyncReport("a.mp4", "ok", 1.0, source=Source(1, 2, "0", {}))
    path.write_text(f"{report.to_json()}\n")
    with ReportFile(path, sync_in_short) as file:
        file.append(report)


def _fix(path: Path) -> None:
    source = path.parent.with_name("source")
    source.write_bytes(b"")
    source.chmod(0o666)
    with safe_output(source, path, True, 1) as draft:
        draft.path.write_bytes(b"new")
        draft.commit()


WRITERS: dict[str, Write] = {
    "whole": lambda path: write_whole(path, b"new"),
    "fetched": _fetch,
    "resumed": _resume,
    "fixed": _fix,
}


@pytest.fixture(params=WRITERS)
def write(request: pytest.FixtureRequest) -> Write:
    """One of all that write files."""
    return WRITERS[request.param]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A name that nothing has yet, in a folder of its own."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "x.bin"


@pytest.fixture
def umask() -> Iterator[None]:
    """Of somebody who shares with a group."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("name", ["whole", "fetched", "fixed"])
def test_a_new_file_has_the_permissions_that_the_user_gives(name: str, target: Path) -> None:
    WRITERS[name](target)
    assert _mode(target) == 0o640


def test_a_replaced_file_keeps_its_permissions(write: Write, target: Path) -> None:
    target.write_bytes(b"old")
    target.chmod(0o604)
    write(target)
    assert _mode(target) == 0o604
    assert target.read_bytes() != b"old"


def test_file_and_name_are_flushed_in_this_order(
    write: Write, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[object] = []
    flush, rename = os.fsync, os.replace

    def flushed(handle: int) -> None:
        found = os.fstat(handle)
        steps.append(found.st_ino)
        flush(handle)

    def renamed(source: Path, into: Path) -> None:
        steps.append("renamed")
        rename(source, into)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    write(target)
    assert steps == [target.stat().st_ino, "renamed", target.parent.stat().st_ino]


def test_nothing_else_is_left(write: Write, target: Path) -> None:
    write(target)
    assert os.listdir(target.parent) == [target.name]


def test_what_a_killed_run_left_goes_with_the_next_file(write: Write, target: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from avsync.system import atomic\n"
        "atomic.os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)\n"
        "atomic.write_whole(Path(sys.argv[1]), b'half')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)])
    assert done.returncode == -signal.SIGKILL
    (left,) = os.listdir(target.parent)
    assert left.startswith(SCRATCH_PREFIX) and not target.exists()
    write(target.with_name("another"))
    assert os.listdir(target.parent) == ["another"]


def test_many_files_in_one_folder_look_through_it_once(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    inside = Path.iterdir

    def looking(folder: Path) -> Iterator[Path]:
        looked.append(folder)
        return inside(folder)

    monkeypatch.setattr(Path, "iterdir", looking)
    for number in range(20):
        write_whole(target.with_name(str(number)), b"")
    assert looked == [target.parent]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"file/x: cannot write it: (Not a dir|File exists)"):
        write_whole(tmp_path / "file" / "x", b"")


def test_folders_above_are_made(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "c", b"there")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"there"
