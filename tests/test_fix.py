"""detect -> fix -> detect with the real command: right, proven, and nothing harmed."""

import importlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Command
from talking_face import write_talking_face
from timeline import packet_sums, run

from avsync.errors import MediaError, OutputError
from avsync.findings import Segment
from avsync.media.container import Inventory, take_inventory
from avsync.pipeline.loading import Pipeline
from avsync.remux.fix import fix
from avsync.remux.move import Move
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.remux.plan import AudioCorrection, Plan
from avsync.remux.run import Planner
from avsync.report import SyncReport
from avsync.system.atomic import safe_output
from avsync.tolerance import Tolerance

LATE_MS = 240.0


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """Weights and face finder, loaded once."""
    return Pipeline()


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face whose sound is 240 ms late."""
    path = tmp_path_factory.mktemp("late") / "a talking, 'late' face.mp4"
    write_talking_face(path, seconds=6.0, sound_early_ms=-LATE_MS, size=(320, 180))
    return path


def hidden(folder: Path) -> list[str]:
    """Names of what a run left behind."""
    return [name for name in os.listdir(folder) if name.startswith(".")]


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize("early_ms", [-120.0, 120.0])
def test_a_short_film_with_b_frames_in_avi(
    tmp_path: Path, pipeline: Pipeline, early_ms: float
) -> None:
    """In AVI its pictures come two later; ffmpegs differ in what they make of the sound."""
    film, out = tmp_path / "film.mkv", tmp_path / "out.avi"
    options = ("-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p", "-c:a", "ac3")
    write_talking_face(film, seconds=4.0, sound_early_ms=early_ms, size=(416, 234), options=options)
    report = fix(film, out, pipeline=pipeline)
    assert report.status == "fixed", report.reasons
    assert abs(report.residual_ms or 0.0) <= 8
    (picture,) = take_inventory(out).of_kind("Video")
    assert " 50 fps" in picture.words, "two ticks a picture"


@pytest.mark.slow
def test_the_command_puts_it_right_and_proves_it(
    avsync: Command, late: Path, tmp_path: Path
) -> None:
    before, out = late.read_bytes(), tmp_path / "right.mp4"
    done = avsync("fix", late, "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "before: sound is 2" in done.stdout and "ms late" in done.stdout
    assert f"written: {out} (nothing encoded again)" in done.stdout
    assert "after: " in done.stdout
    assert late.read_bytes() == before
    assert packet_sums(out) == packet_sums(late)
    report = json.loads(avsync("detect", out, "--json").stdout)
    assert abs(report["offset_ms"]) <= 20
    assert hidden(tmp_path) == []


def test_what_is_inside_the_tolerance_is_left_alone(
    late: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    wide = FixOptions(tolerance=Tolerance(500, 500))
    report = fix(late, out, wide, pipeline=pipeline)
    assert report.status == "in_tolerance" and report.output is None
    assert not out.exists()
    copying = FixOptions(tolerance=Tolerance(500, 500), always_write=True)
    assert fix(late, out, copying, pipeline=pipeline).output == str(out)
    assert out.read_bytes() == late.read_bytes()


@pytest.mark.slow
def test_unsure_files_are_never_touched(avsync: Command, late: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    run("-i", late, "-af", "areverse", other)
    silence = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono")
    copy = ("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-shortest")
    run("-i", late, *silence, *copy, tmp_path / "silent.mp4")
    run("-i", late, "-i", other, *copy, tmp_path / "wrong speech.mp4")
    others = "[1:a]adelay=2500:all=1[a];[2:a]asetrate=20000,aresample=16000[b];[a][b]amix=2[c]"
    both = ("-filter_complex", others, "-map", "0:v", "-map", "[c]", "-c:v", "copy", "-shortest")
    run("-i", late, "-i", late, "-i", other, *both, tmp_path / "two at once.mp4")
    grey = ("-f", "lavfi", "-i", "color=gray:s=160x120:r=25")
    run(*grey, "-i", late, "-map", "0:v", "-map", "1:a", "-t", "4", tmp_path / "no face.mp4")
    other.unlink()
    names = sorted(os.listdir(tmp_path))
    done = avsync("fix", tmp_path, "-o", tmp_path / "out", "--json")
    assert done.returncode == 3, done.stderr
    reports = {Path(r["path"]).name: r for r in json.loads(done.stdout)}
    assert sorted(reports) == names
    # What the first look is wrong about does not survive the second.
    assert {r["status"] for r in reports.values()} <= {"undetermined", "unverified"}
    assert all(r["output"] is None and r["reasons"] for r in reports.values())
    assert "silent" in reports["silent.mp4"]["reasons"][0]
    assert "no face" in reports["no face.mp4"]["reasons"][0]
    assert not any(Path(tmp_path / "out").glob("**/*")) and hidden(tmp_path) == []


def test_a_bad_result_never_lands(
    monkeypatch: pytest.MonkeyPatch, late: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    """What is right as far as packets tell is measured all the same."""
    chain = importlib.import_module("avsync.remux.fix")  # the package has a function of that name
    honest = chain.Move

    def crooked(
        inventory: Inventory, target: Path, cure: AudioCorrection, remux: RemuxOptions
    ) -> Move:
        return honest(inventory, target, replace(cure, delay_ms=cure.delay_ms + 200), remux)

    monkeypatch.setattr(chain, "Move", crooked)
    report = fix(late, tmp_path / "out.mp4", FixOptions(), pipeline=pipeline)
    assert report.status == "unverified" and report.output is None
    assert "measured after the fix, sound is" in report.reasons[0]
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize("wrong", ["shift", "stream", "packet"])
@pytest.mark.parametrize("offset_ms", [None, 150.0])
def test_what_its_packets_do_not_prove_never_lands(
    monkeypatch: pytest.MonkeyPatch,
    late: Path,
    pipeline: Pipeline,
    tmp_path: Path,
    wrong: str,
    offset_ms: float | None,
) -> None:
    """Whatever ffmpeg makes of its arguments, and whether the offset was measured or given."""
    honest = Move.planner

    def crooked(self: Move, corrections: Mapping[int, float] | None = None) -> Planner:
        if wrong == "shift":  # whatever is made up for
            return honest(replace(self, cure=replace(self.cure, delay_ms=-70.0)))
        plan = honest(self, corrections)
        spoilt = {"stream": ("-map", "-0:v"), "packet": ("-t", "5")}[wrong]

        def planner(left_out: tuple[int, ...]) -> Plan:
            planned = plan(left_out)
            arguments = (*planned.arguments[:-1], *spoilt, planned.arguments[-1])
            return replace(planned, arguments=arguments)

        return planner

    monkeypatch.setattr(Move, "planner", crooked)
    report = fix(late, tmp_path / "out.mkv", FixOptions(offset_ms=offset_ms), pipeline=pipeline)
    says = {"shift": "ms too", "stream": "is not known again", "packet": "packets instead of"}
    assert report.status == "unverified" and report.output is None
    assert says[wrong] in report.reasons[0]
    assert os.listdir(tmp_path) == []


def test_a_dry_run_prints_what_can_be_pasted(avsync: Command, late: Path, tmp_path: Path) -> None:
    out = tmp_path / "o'ut put.mp4"
    done = avsync("fix", late, "-o", out, "--offset", "-240", "--dry-run")
    assert done.returncode == 0 and os.listdir(tmp_path) == []
    subprocess.run(["bash", "-c", done.stdout], check=True, capture_output=True)
    assert packet_sums(out) == packet_sums(late)


def test_a_list_and_a_folder_each_to_its_place(avsync: Command, late: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "in" / "out"
    for name in ("a/one.mp4", "b/one.mp4"):
        (source / name).parent.mkdir(parents=True)
        shutil.copyfile(late, source / name)
    done = avsync("fix", source, "-o", out, "--offset", "-240", "--jsonl")
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert [r["status"] for r in reports] == ["fixed", "fixed"], done.stderr
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.mp4")) == ["a/one.mp4", "b/one.mp4"]
    # From a list, two would fall on the same name: the second is refused, the first is written.
    listing = "".join(f"{source / name}\n" for name in ("a/one.mp4", "b/one.mp4", "absent.mp4"))
    flat = tmp_path / "flat"
    done = avsync("fix", "-", "-o", flat, "--offset", "-240", "--dry-run", "--json", input=listing)
    assert done.returncode == 1
    assert [r["status"] for r in json.loads(done.stdout)] == ["planned", "error", "error"]
    assert "is written for" in done.stderr and "no such file" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_steps_is_not_moved_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, late: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    chain = importlib.import_module("avsync.remux.fix")
    parts = (Segment(0.0, 4.2, -240.0), Segment(4.2, 8.0, 90.0))
    told = SyncReport(str(late), "ok", -240.0, confidence=0.99, segments=parts)
    monkeypatch.setattr(chain, "detect", lambda *a, **k: told)
    report = fix(late, tmp_path / "out.mp4", FixOptions(), pipeline=pipeline)
    assert report.status == "undetermined"
    assert "the offset steps (at 4.2 s)" in report.reasons[0]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("how", ["itself", "symlink", "hardlink", "exists", "folder"])
def test_nothing_is_overwritten(late: Path, pipeline: Pipeline, tmp_path: Path, how: str) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    shutil.copyfile(late, source)
    if how == "itself":
        out = source
    elif how == "symlink":
        out.symlink_to(source)
    elif how == "hardlink":
        os.link(source, out)
    elif how == "exists":
        out.write_text("precious")
    else:
        out.mkdir()
    options = FixOptions(offset_ms=-LATE_MS, force=how != "exists")
    says = {"exists": "--force", "folder": "is a folder"}.get(how, "is the input itself")
    with pytest.raises(OutputError, match=says):
        fix(source, out, options, pipeline=pipeline)
    assert source.read_bytes() == late.read_bytes()
    assert how != "exists" or out.read_text() == "precious"


def test_force_replaces_and_permissions_are_kept(
    late: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    shutil.copyfile(late, source)
    source.chmod(0o640)
    options = FixOptions(offset_ms=-LATE_MS, force=True)
    fix(source, out, options, pipeline=pipeline)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    out.chmod(0o600)
    fix(source, out, options, pipeline=pipeline)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert abs(out.stat().st_mtime - time.time()) < 60


def test_another_process_cannot_take_a_live_draft(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_bytes(b"x")
    with safe_output(source, tmp_path / "one", False, 1) as first:
        first.path.write_bytes(b"first")
        stale = tmp_path / ".avsync-0123456789ab"
        stale.mkdir()
        (stale / "two").write_bytes(b"left by a dead run")
        other = tmp_path / ".avsync-notes.mp4"
        other.write_bytes(b"not ours")
        with safe_output(source, tmp_path / "two", False, 1):
            assert first.path.exists() and other.exists() and not stale.exists()
        first.commit()
    assert sorted(os.listdir(tmp_path)) == [".avsync-notes.mp4", "in", "one"]


def test_a_full_disk_is_said_before_it_is_full(
    monkeypatch: pytest.MonkeyPatch, late: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OutputError, match="make room"):
        fix(late, tmp_path / "out.mp4", FixOptions(offset_ms=1.0), pipeline=pipeline)
    assert os.listdir(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(argv, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, small_disk: Path, pipeline: Pipeline, big: Path
) -> None:
    (small_disk / "precious").write_text("precious")
    with pytest.raises(OutputError, match="make room"):
        fix(big, small_disk / "out.mkv", FixOptions(offset_ms=100.0), pipeline=pipeline)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)  # as if others filled it
    with pytest.raises(MediaError, match="No space left on device"):
        fix(big, small_disk / "out.mkv", FixOptions(offset_ms=100.0), pipeline=pipeline)
    assert os.listdir(small_disk) == ["precious"]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 60 MB without a face: writing takes long enough to be killed in the middle."""
    path = tmp_path_factory.mktemp("big") / "big.mkv"
    noise = ("-f", "lavfi", "-i", "nullsrc=s=320x240:r=25,geq=random(1)*255:128:128")
    tone = ("-f", "lavfi", "-i", "sine=frequency=300")
    run(*noise, *tone, "-t", "4", "-c:v", "rawvideo", "-c:a", "pcm_s16le", path)
    many = path.with_name("many.mkv")
    run("-stream_loop", "4", "-i", path, "-c", "copy", many)
    return many


def test_progress_is_what_ffmpeg_says(pipeline: Pipeline, big: Path, tmp_path: Path) -> None:
    heard: list[tuple[float, float | None]] = []

    def note(what: str, done: float, total: float | None) -> None:
        if what == "writing":
            heard.append((done, total))

    fix(
        big,
        tmp_path / "out.mkv",
        FixOptions(offset_ms=100.0),
        pipeline=pipeline,
        progress=note,
    )
    done = [seconds for seconds, _ in heard]
    assert {total for _, total in heard} == {20.0}
    assert done == sorted(done) and done[-1] == pytest.approx(20, abs=0.5)


@pytest.mark.slow
def test_killed_at_any_moment(big: Path, tmp_path: Path) -> None:
    before, out = packet_sums(big), tmp_path / "out.mkv"
    code = (
        "import sys; from pathlib import Path; from avsync.remux.move import *\n"
        "from avsync.system.atomic import safe_output\n"
        "source, target = map(Path, sys.argv[1:])\n"
        "move = Move(take_inventory(source), target, AudioCorrection(500), RemuxOptions())\n"
        "print('begun', flush=True)\n"
        "with safe_output(source, target, False, 1) as draft:\n"
        "    assert not write_proved(move, draft.path).doubts\n"
        "    draft.commit()\n"
    )
    argv = [sys.executable, "-c", code, str(big), str(out)]
    chance, outcomes = random.Random(7), []
    for _ in range(10):
        out.unlink(missing_ok=True)
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout and process.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
        outcomes.append(out.exists())
        assert not out.exists() or packet_sums(out) == before
    out.unlink(missing_ok=True)
    assert not all(outcomes), "never killed in the middle"
    subprocess.run(argv, check=True, capture_output=True)
    assert os.listdir(tmp_path) == ["out.mkv"]
    assert packet_sums(out) == packet_sums(big) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_cleans_up(big: Path, tmp_path: Path, number: int) -> None:
    argv = [sys.executable, "-m", "avsync", "fix", str(big), "-o", str(tmp_path / "out.mkv")]
    argv += ["--offset", "500"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.poll() is None and not hidden(tmp_path):
            time.sleep(0.01)
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    assert process.returncode not in (0, None)
    assert b"Traceback" not in said
    assert os.listdir(tmp_path) == []
