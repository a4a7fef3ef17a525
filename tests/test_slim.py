"""Machines that lack what OpenCV's usual wheel wants: every command says the cure in a line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

DEMO = REPOSITORY / "docs" / "talking.mp4"
LACKING = "libGL.so.1: cannot open shared object file"


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which OpenCV is installed and cannot be loaded."""
    folder = tmp_path_factory.mktemp("slim")
    (folder / "cv2.py").write_text(f"raise ImportError({LACKING!r})\n")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("detect", DEMO),
        ("detect", DEMO, DEMO, "--jobs", "1"),
        ("fix", DEMO, "-o", "out.mp4"),
        ("preview", DEMO, "-o", "out.mp4"),
        ("features", DEMO, "-o", "out.npz"),
        ("score", DEMO),
        ("prepare", DEMO.parent, "-o", "prepared"),
        ("weights", "info"),
        ("doctor",),
    ],
    ids=lambda arguments: str(arguments[0]),
)
def test_the_first_failing_command_says_the_cure(
    arguments: tuple[str | Path, ...], slim: dict[str, str], tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "avsync", *map(os.fspath, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=slim, timeout=60)
    assert done.returncode == 1, done.stderr
    said = done.stderr.strip() or done.stdout
    assert said.count("\n") == 0, said
    assert LACKING in said and "opencv-python-headless" in said
    assert list(tmp_path.iterdir()) == []
