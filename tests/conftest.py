"""What several tests share: made media, places, and the real command."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from avsync.clips import ClipsReport
from avsync.media.programs import bundled_ffmpeg
from avsync.remux.report import FixReport
from avsync.report import SyncReport
from avsync.schema import schema_of
from avsync.speakers import SpeakerReport

# Small networks on small clips: more threads than one only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell's background jobs ignore Ctrl-C, and so would all the programs that the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).parent.parent
SHARED = REPOSITORY.parent / "shared"  # real clips that cannot be part of the repository
REPORTS: dict[Any, Any] = {
    "detect": SyncReport,
    "fix": FixReport,
    "speakers": SpeakerReport,
    "clips": ClipsReport,
}  # by command
Command = Callable[..., subprocess.CompletedProcess[str]]
# For `each_ffmpeg`: the one that is given, or two that have a name, and paths of more.
GIVEN = os.environ.get("AVSYNC_FFMPEG")
MORE = os.environ.get("AVSYNC_TEST_FFMPEGS", "").split(os.pathsep)
FFMPEGS = (GIVEN,) if GIVEN else ("bundled", "system", *MORE)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips and detector files; skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("real clips are not here (../shared)")
    return SHARED


@pytest.fixture(params=[name for name in FFMPEGS if name], ids=os.path.basename)
def each_ffmpeg(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Use each ffmpeg that is here, one after another; gives its path, skips where it is absent.

    It is the one that AVSYNC_FFMPEG names; without that, they are the one that imageio-ffmpeg
    carries, the first on PATH, and those that the environment variable AVSYNC_TEST_FFMPEGS lists.
    """
    path = {"system": shutil.which("ffmpeg"), "bundled": bundled_ffmpeg()}.get(
        request.param, shutil.which(request.param)
    )
    if path is None:
        pytest.skip(f"this ffmpeg is not here: {request.param}")
    monkeypatch.setenv("AVSYNC_FFMPEG", path)
    return path


@pytest.fixture(autouse=True)
def _no_downloads(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Caches of the tests are their own: what a user has fetched must not change results."""
    folder = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("AVSYNC_CACHE", str(folder / "avsync-cache"))
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch-home"))


@pytest.fixture
def avsync() -> Command:
    """Run the real command; stdin is empty unless given."""

    def run(*args: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "avsync", *map(os.fspath, args)]
        defaults: dict[str, object] = {"capture_output": True, "text": True, "timeout": 300}
        if "input" not in options:
            defaults["stdin"] = subprocess.DEVNULL
        done = subprocess.run(argv, **{**defaults, **options})  # type: ignore[call-overload]
        for report in reports_in(done.stdout, [os.fspath(arg) for arg in args]):
            validate(report, args[0])
        return done  # type: ignore[no-any-return]

    return run


def reports_in(stdout: str | bytes | None, args: list[str]) -> list[Any]:
    """The reports that a command has printed as JSON."""
    if not stdout or args[0] not in REPORTS or "--json-schema" in args:
        return []
    if "--json" in args:
        printed = json.loads(stdout)
        return printed if isinstance(printed, list) else [printed]
    return list(map(json.loads, stdout.splitlines())) if "--jsonl" in args else []


def validate(report: Any, command: str) -> None:
    """Raise where a report is not what the schema says."""
    _validator(command).validate(report)


@cache
def _validator(command: str) -> Any:
    return jsonschema.Draft202012Validator(schema_of(REPORTS[command]))


@pytest.fixture(scope="session", autouse=True)
def _every_report_is_as_the_schema_says() -> Iterator[None]:
    """Also those that nobody prints."""

    def validated(to_dict: Callable[..., Any], command: str) -> Callable[..., Any]:
        def checked(*args: Any, **options: Any) -> Any:
            fields = to_dict(*args, **options)
            validate(json.loads(json.dumps(fields)), command)
            return fields

        return checked

    with pytest.MonkeyPatch.context() as patch:
        for command, report in REPORTS.items():
            patch.setattr(report, "to_dict", validated(report.to_dict, command))
        yield
