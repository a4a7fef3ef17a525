"""A home that is not there, or cannot be used: caches lie elsewhere, or are done without."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

from avsync.errors import OutputError
from avsync.faces.detectors import checkpoints_folder
from avsync.model.weights import cache_folder
from avsync.system.downloads import at_home

# As a container's user is whom no list of users knows.
NOBODY = """
import os, pwd, sys
def unknown(number): raise KeyError(number)
pwd.getpwuid = unknown
from avsync.__main__ import main
main()
"""
NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
LONG_NAME = "x" * 300  # that no file system takes
HOMES = {"none": {}, "empty": {"HOME": ""}, "impossible": {"HOME": f"/{LONG_NAME}"}}


def _run(home: str, temporary: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH", "OMP_NUM_THREADS", "PYTHONPATH", "AVSYNC_FFMPEG"}
    environment = {name: value for name, value in os.environ.items() if name in kept}
    environment |= {**NO_NETWORK, "TMPDIR": str(temporary), **HOMES[home]}
    return subprocess.run(
        [sys.executable, "-c", NOBODY, *argv],
        capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.parametrize("home", HOMES)
def test_no_command_needs_a_home(home: str, tmp_path: Path) -> None:
    demo = str(REPOSITORY / "docs" / "talking.mp4")
    detected = _run(home, tmp_path, "detect", demo)
    assert detected.returncode == 0, detected.stderr
    assert "YuNet faces" in detected.stdout and detected.stderr == ""
    examined = _run(home, tmp_path, "doctor")
    assert examined.returncode == 0 and examined.stderr == ""
    if home == "none":
        assert f"cache                ok        {tmp_path}/avsync-{os.getuid()}/" in examined.stdout
    fetched = _run(home, tmp_path, "weights", "fetch", "syncnet_v2")
    assert fetched.returncode == 1 and len(fetched.stderr.splitlines()) == 1
    assert "cannot fetch it" in fetched.stderr
    listed = _run(home, tmp_path, "weights", "list")
    assert listed.returncode == 0 and "avsync weights fetch" in listed.stdout


# Tells of every attempt to reach another machine, or this one, by whatever library.
CONNECT = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
int connect(int number, const struct sockaddr *address, socklen_t length) {
    int (*original)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
    if (address->sa_family == AF_INET || address->sa_family == AF_INET6) {
        FILE *file = fopen(getenv("CONNECTIONS"), "a");
        fprintf(file, "%d\n", address->sa_family);
        fclose(file);
    }
    return original(number, address, length);
}
"""
CURIOUS = "import socket; socket.create_connection(('127.0.0.1', 9))"


def test_nothing_is_sent_or_left_in_the_home(tmp_path: Path) -> None:
    """Not by avsync, and not by what it is made of."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler here")
    library, log, home = tmp_path / "connect.so", tmp_path / "connections", tmp_path / "home"
    (tmp_path / "connect.c").write_text(CONNECT)
    build = ["-shared", "-fPIC", "-o", library, tmp_path / "connect.c", "-ldl"]
    subprocess.run([compiler, *build], check=True)
    home.mkdir()
    silencers = {"CI", "ORT_DISABLE_TELEMETRY", "DO_NOT_TRACK"}  # as few users have them
    environment = {name: value for name, value in os.environ.items() if name not in silencers}
    environment |= {"LD_PRELOAD": str(library), "CONNECTIONS": str(log), "HOME": str(home)}
    environment["XDG_CACHE_HOME"] = str(home / ".cache")
    demo = str(REPOSITORY / "docs" / "talking.mp4")
    for runtime in ("onnx", "torch"):
        argv = ["-m", "avsync", "detect", demo, "--runtime", runtime]
        subprocess.run([sys.executable, *argv], check=True, env=environment, capture_output=True)
    assert not log.exists()
    assert [path for path in home.rglob("*") if path.is_file()] == []
    subprocess.run([sys.executable, "-c", CURIOUS], env=environment, capture_output=True)
    assert log.exists()  # so it would have been seen


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's temporary folder."""
    for name in ("HOME", "TORCH_HOME", "XDG_CACHE_HOME", "AVSYNC_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_caches_lie_in_a_folder_that_nobody_else_can_enter(homeless: Path) -> None:
    own = homeless / f"avsync-{os.getuid()}"
    assert checkpoints_folder() == own / ".cache/torch/hub/checkpoints"
    assert cache_folder() == own / ".cache/avsync"
    assert own.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_somebody_else_is_not_used(
    homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.getuid() + 1
    (homeless / f"avsync-{owner}").mkdir()
    monkeypatch.setattr("os.getuid", lambda: owner)
    with pytest.raises(OutputError, match=f"avsync-{owner}: is another user's; set HOME"):
        at_home("~/.cache")


def test_older_platformdirs_say_so_otherwise(
    homeless: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda program: f"~/.cache/{program}")
    assert cache_folder() == homeless / f"avsync-{os.getuid()}" / ".cache/avsync"
