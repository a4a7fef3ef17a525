"""What is built is what people get: a wheel alone answers, and mends."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.slow

DEMO_MS = -120.0  # by which the sound of docs/talking.mp4 is late, by make_demo.py
NEAR_MS = 20.0
WHERE = "import avsync, json, sys; print(json.dumps([avsync.__file__, sys.prefix]))"


def run(
    *argv: str | Path, cwd: str | Path = "/", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a program that cannot import from the repository."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [os.fspath(part) for part in argv],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**kept, **environment},
        cwd=cwd,
        timeout=300,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without a network, by the build system that is in the environment."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not here: pip install -e '.[dev]'")
    folder = tmp_path_factory.mktemp("wheel")
    builder = ("-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    done = run(sys.executable, *builder, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel in it; what it depends on is lent by this one."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pips = (p for p in (sys.executable, sys._base_executable) if not run(p, "-m", "pip").returncode)
    pip = next(pips, None)
    if pip is None:
        pytest.skip("there is no pip to install it with")
    options = ("--no-deps", "--no-index", "--disable-pip-version-check")
    done = run(pip, "-m", "pip", "--python", python, "install", *options, wheel)
    assert done.returncode == 0, done.stderr
    paths = run(python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])")
    lent = {sysconfig.get_paths()[name] for name in ("purelib", "platlib")}
    (Path(paths.stdout.strip()) / "lent.pth").write_text("\n".join(lent))
    return folder


def program(bare: Path, *arguments: str | Path) -> dict[str, Any]:
    """What the installed command answers where there is nothing else: no ffmpeg, no network."""
    nowhere = "http://127.0.0.1:9"
    environment = {"PATH": str(bare / "venv" / "bin"), "HOME": str(bare / "home")}
    environment |= {"TORCH_HOME": str(bare / "torch"), "AVSYNC_CACHE": str(bare / "cache")}
    environment |= {"http_proxy": nowhere, "https_proxy": nowhere, "AVSYNC_FFMPEG": ""}
    done = run(bare / "venv" / "bin" / "avsync", *arguments, "--json", **environment)
    assert done.returncode in (0, 3), done.stderr
    return dict(json.loads(done.stdout))


def test_weights_and_licence_are_inside_and_tests_are_not(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0].split("-")[0] for name in names}
    assert folders == {"avsync"}
    data = {name for name in names if ".data/" in name}
    manual = {name.rpartition("/")[2] for name in data if "/share/man/man1/" in name}
    assert {"avsync.1", "avsync-detect.1", "avsync-words-train.1"} <= manual
    assert len(manual) == len(data)
    inside = {name for name in names if name.startswith("avsync/weights/")}
    packed = {f"avsync/weights/{path.name}" for path in (REPOSITORY / "weights").iterdir()}
    assert inside == packed and any(name.endswith(".safetensors") for name in inside)
    assert any(name.endswith("LICENSE") for name in names)


def test_the_wheel_alone_answers_and_mends(bare: Path, tmp_path: Path) -> None:
    where = run(bare / "venv" / "bin" / "python", "-c", WHERE)
    assert Path(json.loads(where.stdout)[0]).is_relative_to(bare / "venv")
    clip = tmp_path / "talking.mp4"
    clip.write_bytes((REPOSITORY / "docs" / "talking.mp4").read_bytes())
    report = program(bare, "detect", clip)
    assert report["status"] == "ok", report
    assert report["offset_ms"] == pytest.approx(DEMO_MS, abs=NEAR_MS)
    assert report["detector"] == "YuNet"
    mended = program(bare, "fix", clip, "-o", tmp_path / "out.mp4")
    assert mended["status"] == "fixed" and (tmp_path / "out.mp4").exists(), mended
    assert mended["residual_ms"] == pytest.approx(0, abs=NEAR_MS)
