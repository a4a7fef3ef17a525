"""Answers as people read them: at length, as a table, as a line for another program."""

import io
import os
import pty
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, Command
from talking_face import click_and_flash
from timeline import KINDS, lags_ms, make_clicks

from avsync.cli.texts import AtLength, ForTool, Table, can_write, sparkline
from avsync.cure_lines import Moved, line_for
from avsync.findings import Curve, Segment
from avsync.media.ffmpeg import find_ffmpeg
from avsync.pages.answer import Allowed
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.tolerance import STANDARDS, Tolerance

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late
LATE = SyncReport("talk.mp4", "ok", -120.0, 0.98, 8.0, duration_seconds=62.0)
CURVE = Curve((-20.0, -10.0, 0.0, 10.0, 20.0), (1.0, 0.2, 0.9, 1.0, None))


class _Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_gets_a_curve() -> None:
    report = replace(LATE, curve=CURVE)
    for out, drawn in (
        (_Terminal(io.BytesIO(), "utf-8"), True),
        (_Terminal(io.BytesIO(), "latin-1"), False),
        (io.TextIOWrapper(io.BytesIO(), "utf-8"), False),
    ):
        text = AtLength(out).of(report) or ""
        assert ("-20 █▁▇█  +20 ms" in text) == drawn
        assert text.replace("    -20 █▁▇█  +20 ms\n", "") == report.to_text()
    assert not can_write(_Terminal(io.BytesIO(), "ascii"), "█")


def test_a_sparkline_keeps_the_valley_however_wide_the_range() -> None:
    distances = [1.0] * 2001
    distances[700] = 0.0
    drawn = sparkline(Curve(tuple(10.0 * k - 10_000 for k in range(2001)), tuple(distances)))
    assert drawn.startswith("-10000 ") and drawn.endswith(" +10000 ms")
    assert drawn.split()[1].index("▁") == 14 and drawn.split()[1].count("▁") == 1
    assert sparkline(Curve((0.0, 10.0), (None, None))) == "0    +10 ms"


def test_many_files_are_a_table_with_counts_and_each_note_once() -> None:
    table = Table(Allowed.of(None))
    shared, own = "there is no onnxruntime", "damaged in part"
    drift = replace(LATE, path="d.mp4", offset_ms=12.0, segments=(Segment(0, 60, 12.0, -90.0),))
    lines = [
        table.of(replace(report, warnings=(shared, *more)))
        for report, more in (
            (replace(LATE, path="a\n.mp4"), ()),
            (replace(LATE, path="b.mp4", offset_ms=0.3), (own,)),
            (SyncReport("c.mp4", "undetermined", confidence=0.4, reasons=("silent",)), ()),
            (drift, ()),
        )
    ]
    assert lines == [
        "120 ms late        98 %     +-8 ms  a\\n.mp4",
        "in step            98 %     +-8 ms  b.mp4",
        "cannot tell        40 %             c.mp4: silent",
        "78 ms late         98 %     +-8 ms  d.mp4: Sound drifts from 12 ms early to 78 ms late",
    ]
    assert table.of(SyncReport("e.mp4", "error", reasons=("gone",))) is None
    assert list(table.end()) == [
        "5 files: 2 outside EBU R37, 1 inside EBU R37, 1 cannot tell, 1 cannot be read",
        f"note: {shared}",
        f"note on b.mp4: {own}",
    ]
    assert list(Table(Allowed.of(None)).end()) == []


def test_what_fix_would_leave_alone_is_not_to_be_put_right() -> None:
    for ms, proposed in ((21.0, False), (-59.0, False), (41.0, True), (-61.0, True)):
        assert ("put it right" in replace(LATE, offset_ms=ms).to_text()) == proposed


def test_drift_has_a_name() -> None:
    for pace, name in ((30.0, "drift early: "), (-90.0, "drift late: ")):
        report = replace(LATE, offset_ms=12.0, segments=(Segment(0, 120, 12.0, pace),))
        assert name in report.to_text()


def test_netflix_allows_a_frame() -> None:
    assert Tolerance.of("netflix") == STANDARDS["netflix"] == Tolerance(40, 40)


def test_what_no_single_value_cures_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    tool = ForTool("mpv", DetectOptions())
    steps = replace(LATE, segments=(Segment(0, 9, 0.0), Segment(9, 20, 200.0)))
    undetermined = SyncReport("b.mp4", "undetermined", reasons=("silent",))
    assert [tool.of(report) for report in (steps, undetermined)] == [None, None]
    said = capsys.readouterr().err.splitlines()
    assert (
        "no single value cures that" in said[0] and said[1] == "avsync: b.mp4: cannot tell: silent"
    )


def test_the_command_draws_on_a_terminal(tmp_path: Path) -> None:
    main, other = pty.openpty()
    argv = [sys.executable, "-m", "avsync", "detect", str(TALKING), "-q"]
    process = subprocess.Popen(argv, stdout=other, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.close(other)
    shown = b""
    with os.fdopen(main, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(4096):
                shown += piece
        except OSError:  # the other end is closed
            pass
    assert process.wait() == 0 and process.communicate()[1] == b""
    assert "▁" in shown.decode() and " +1000 ms" in shown.decode()


# ---- other programs, by running them


@pytest.mark.parametrize("tool", ["ffmpeg", "mkvmerge"])
def test_what_a_line_writes_is_in_step(tool: str, avsync: Command, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here")
    shutil.copy(TALKING, tmp_path / "it's.mp4")
    done = avsync("detect", "it's.mp4", "--for", tool, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "check": True}
    subprocess.run(done.stdout, shell=True, cwd=tmp_path, **quiet)  # type: ignore[call-overload]
    (written,) = tmp_path.glob("it's.synced.*")
    after = avsync("detect", written, "--tolerance", "10/10")
    assert after.returncode == 0, after.stdout


@pytest.mark.parametrize("delay_ms", [200.0, -200.0])
def test_what_mpv_plays_is_moved(delay_ms: float, tmp_path: Path) -> None:
    """From a picture within the film on: what is later begins with what came before it."""
    if shutil.which("mpv") is None:
        pytest.skip("no mpv here")
    video, sound = tmp_path / "c.mp4", tmp_path / "c.wav"
    click_and_flash(video)
    ends = []
    for ms in (0.0, delay_ms):
        argv = line_for("mpv", Moved(str(video), ms)).split()
        quiet = ("--no-config", "--vo=null", "--ao=pcm", f"--ao-pcm-file={sound}", "--start=1")
        subprocess.run([argv[0], *quiet, *argv[1:]], capture_output=True, check=True, timeout=60)
        mono = ("-i", sound, "-ac", "1", "-ar", "48000", "-f", "s16le", "-")
        raw = subprocess.run([find_ffmpeg(), "-v", "error", *mono], capture_output=True).stdout
        ends.append(np.flatnonzero(np.abs(np.frombuffer(raw, "<i2")) > 3000)[-1] / 48)
    assert ends[1] - ends[0] == pytest.approx(delay_ms, abs=2)


@pytest.mark.parametrize("delay_ms", [200.0, -200.0])
def test_what_vlc_encodes_is_moved(delay_ms: float, tmp_path: Path) -> None:
    """Its encodings of one file differ by some 36 ms: the median of five counts."""
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True}
    if shutil.which("cvlc") is None or subprocess.run(("cvlc", "--version"), **quiet).returncode:  # type: ignore[call-overload]
        pytest.skip("no VLC here, or it does not run as root")
    video, encoded = make_clicks(tmp_path / "c.mp4", *KINDS["mp4"]), tmp_path / "c.ts"
    codecs = "vcodec=mp2v,vb=2000,acodec=a52,ab=192,channels=1,samplerate=48000"
    sout = f"#transcode{{{codecs}}}:std{{access=file,mux=ts,dst={encoded}}}"

    def lag_ms(ms: float) -> float:
        _, *argv = line_for("vlc", Moved(str(video), ms)).split()
        subprocess.run(("cvlc", *argv, "--sout", sout, "vlc://quit"), timeout=60, **quiet)  # type: ignore[call-overload]
        return float(np.median(lags_ms(encoded)))

    lags = [np.median([lag_ms(ms) for _ in range(5)]) for ms in (0.0, delay_ms)]
    assert lags[1] - lags[0] == pytest.approx(delay_ms, abs=40)
