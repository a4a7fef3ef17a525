"""Which ffmpeg does the work: the one asked for, another where it is too old or crashes."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Command
from timeline import H264, make_clicks, packet_sums

from avsync.cli.checks import examine
from avsync.errors import AvsyncError, MediaError, ToolMissingError
from avsync.media import ffmpeg, programs
from avsync.media.container import take_inventory
from avsync.media.decode import read_frames, read_samples
from avsync.media.probe import probe
from avsync.remux.fix import fix
from avsync.remux.move import Move, write_proved
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.remux.plan import AudioCorrection

REAL = programs.bundled_ffmpeg()
pytestmark = pytest.mark.skipif(REAL is None, reason="imageio-ffmpeg carries none here")

CRASH = 'case "$*" in *-i\\ file:*) kill -SEGV $$ ;; esac\nexec "{real}" "$@"'
# In the middle of a frame.
CRASH_LATER = (
    'case "$*" in *rawvideo*) "{real}" "$@" | head -c 500000; kill -ABRT $$ ;; esac\n'
    'exec "{real}" "$@"'
)
KILLED = 'case "$*" in *-i\\ file:*) kill -KILL $$ ;; esac\nexec "{real}" "$@"'
OLD = (
    "old='s/^\\( *libavcodec  *\\)[0-9]*/\\1 57/; s/^ffmpeg version [^ ]*/ffmpeg version 3.4.8/'\n"
    '[ "$1" = -version ] && exec "{real}" "$@" | sed "$old"\n'
    '{{ "{real}" "$@" 2>&1 >&3 | sed "$old" >&2; }} 3>&1'
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flashes and clicks."""
    return make_clicks(tmp_path_factory.mktemp("clip") / "clip.mp4", *H264, "-c:a", "aac")


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Have an ffmpeg used that a script makes of the bundled one."""

    def make(script: str) -> Path:
        path = tmp_path / "bad ffmpeg"
        path.write_text(f"#!/bin/sh\n{script.format(real=REAL)}\n")
        path.chmod(0o755)
        monkeypatch.setenv("AVSYNC_FFMPEG", str(path))
        monkeypatch.setattr(programs, "_failures", {})
        return path

    return make


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any but the one that was asked for."""
    monkeypatch.setattr(programs, "_found", lambda wanted, search: (wanted,))


def pixels_and_samples(path: Path, warnings: list[str]) -> tuple[bytes, bytes]:
    """All that is decoded of a file."""
    info = probe(path)
    frames, samples = read_frames(info, warnings), read_samples(info, warnings)
    return np.stack(list(frames)).tobytes(), np.concatenate(list(samples)).tobytes()


@pytest.mark.parametrize(
    ("script", "signal"), [(CRASH, "SIGSEGV"), (CRASH_LATER, "SIGABRT")], ids=["at once", "later"]
)
def test_where_one_crashes_another_takes_over(
    clip: Path, use: Callable[[str], Path], script: str, signal: str
) -> None:
    use('exec "{real}" "$@"')
    whole, warnings = pixels_and_samples(clip, []), list[str]()
    program = use(script)
    assert pixels_and_samples(clip, warnings) == whole, "not as one ffmpeg decodes it"
    (words,) = set(warnings)
    assert str(program) in words and signal in words and f"{REAL} was used instead" in words


def test_what_one_cannot_write_another_writes(
    clip: Path, use: Callable[[str], Path], tmp_path: Path
) -> None:
    move = Move(take_inventory(clip), tmp_path / "out.mkv", AudioCorrection(100.0), RemuxOptions())
    use(CRASH)
    assert write_proved(move, move.target).doubts == ()
    assert packet_sums(move.target) == packet_sums(clip)
    report = fix(clip, tmp_path / "two.mkv", FixOptions(offset_ms=100.0))
    assert report.status == "fixed" and "SIGSEGV" in " ".join(report.notes)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("work", [probe, take_inventory])
def test_a_crash_is_not_the_fault_of_the_file(
    clip: Path, use: Callable[[str], Path], work: Callable[[Path], object]
) -> None:
    program, version = use(CRASH), ffmpeg.version()
    with pytest.raises(MediaError) as error:
        work(clip)
    words = str(error.value)
    assert f"{clip}: {version} ({program}) crashed on it (SIGSEGV)" in words
    assert "AVSYNC_FFMPEG" in words and "\n" not in words


def test_what_somebody_ended_is_not_done_again(clip: Path, use: Callable[[str], Path]) -> None:
    use(KILLED)
    with pytest.raises(MediaError, match="was ended by SIGKILL while it worked on this file"):
        probe(clip)


def test_one_that_is_too_old_is_replaced(
    clip: Path, use: Callable[[str], Path], avsync: Command, tmp_path: Path
) -> None:
    program = use(OLD)
    warnings: list[str] = []
    pixels_and_samples(clip, warnings)
    says = f"{program} is ffmpeg 3.4.8, older than {programs.OLDEST}"
    assert {says in words for words in warnings} == {True}
    done = avsync("doctor")
    assert says in done.stdout and "MISSING" not in done.stdout.splitlines()[0]
    done = avsync("fix", clip, "-o", tmp_path / "out.mkv", "--offset", "70")
    assert done.returncode == 0 and says in done.stdout


@pytest.mark.usefixtures("alone")
def test_one_that_is_too_old_is_named_where_there_is_no_other(
    clip: Path, use: Callable[[str], Path]
) -> None:
    program = use(OLD)
    with pytest.raises(ToolMissingError, match=r"is ffmpeg 3\.4\.8, older than") as error:
        probe(clip)
    assert str(program) in str(error.value) and "install a newer one" in str(error.value)
    found = next(finding for finding in examine() if finding.subject == "ffmpeg")
    assert not found.found and "older than" in found.detail


@pytest.mark.parametrize(
    ("header", "is_old"),
    [
        ("ffmpeg version 4.1.3\nlibavcodec     58. 35.100 / 58. 35.100\n", True),
        ("ffmpeg version 4.2.2-static\n  libavcodec     58. 54.100 / 58. 54.100\n", False),
        ("ffmpeg version N-120061-gd7\nlibavcodec     62.  4.100 / 62.  4.100\n", False),
        ("ffmpeg version N-47683-g0e8\nlibavcodec     58. 42.100 / 58. 42.100\n", True),
        ("something else", False),
    ],
)
def test_age_is_told_by_the_library(
    monkeypatch: pytest.MonkeyPatch, header: str, is_old: bool
) -> None:
    monkeypatch.setattr(programs, "_failures", {})
    assert programs.replace_old("/bin/sh", header) is is_old


def test_what_is_no_program_is_said_in_a_line(
    clip: Path, use: Callable[[str], Path], avsync: Command
) -> None:
    program = use("")
    program.write_bytes(b"\x7fELF garbage")
    done = avsync("detect", clip)
    assert done.returncode == 1 and "cannot be run" in done.stderr and len(
        done.stderr.splitlines()
    ) == 1  # fmt: skip
    program.write_text("#!/bin/sh\n")
    done = avsync("doctor")
    assert done.returncode == 1 and "no ffmpeg" in done.stdout


def test_one_that_comes_along_and_cannot_be_run_is_done_without(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a program for another machine."""
    foreign, own = tmp_path / "ffmpeg-foreign", tmp_path / "ffmpeg"
    foreign.write_bytes(b"\x7fELF garbage")
    own.write_text(f'#!/bin/sh\nexec "{REAL}" "$@"\n')
    for path in (foreign, own):
        path.chmod(0o755)
    monkeypatch.delenv("AVSYNC_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(programs, "bundled_ffmpeg", lambda: str(foreign))
    monkeypatch.setattr(programs, "_failures", {})
    warnings: list[str] = []
    pixels, samples = pixels_and_samples(clip, warnings)
    assert pixels and samples
    (words,) = set(warnings)
    assert f"{foreign}: cannot be run" in words and f"{own} was used instead" in words
    assert ffmpeg.version().startswith("ffmpeg ")
    frames = iter([b"\0" * 32 * 32 * 3] * 5)
    raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-s", "32x32", "-i", "pipe:0")
    monkeypatch.setattr(programs, "_failures", {})
    ffmpeg.write_drawn([*raw, str(tmp_path / "drawn.mkv")], frames, "drawn.mkv")
    assert (tmp_path / "drawn.mkv").stat().st_size


def test_each_ffmpeg_here_is_new_enough(each_ffmpeg: str) -> None:
    assert ffmpeg.find_ffmpeg() == each_ffmpeg == os.fspath(programs.ffmpeg_for(""))
    assert ffmpeg.version().startswith("ffmpeg ")
    with pytest.raises(AvsyncError):
        probe(Path(each_ffmpeg))
