"""What a program that imports avsync does with it."""

import doctest
import importlib
import inspect
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import cv2
import numpy as np
import pytest
from conftest import REPOSITORY
from numpy.typing import NDArray
from timeline import run

import avsync

TALKING = REPOSITORY / "docs" / "talking.mp4"  # its sound is some 120 ms late
HEAVY = ["cv2", "rich", "torch", "typer"]
EXPORTED = [getattr(avsync, name) for name in avsync.__all__ if not name.startswith("__")]


def test_importing_is_light_and_warns_of_nothing() -> None:
    code = f"import avsync, sys; print([name for name in {HEAVY} if name in sys.modules])"
    argv = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.fixture(scope="module")
def pipeline() -> avsync.Pipeline:
    return avsync.Pipeline(avsync.DetectOptions(max_offset_seconds=0.5))


def test_a_pipeline_measures_with_its_options(pipeline: avsync.Pipeline) -> None:
    report = pipeline.detect(TALKING)
    assert report.offset_ms == pytest.approx(-120, abs=20)
    assert report == avsync.detect(TALKING, pipeline=pipeline)
    assert avsync.SyncReport.from_dict(json.loads(report.to_json())) == report


def test_a_pipeline_embeds(pipeline: avsync.Pipeline) -> None:
    clip = pipeline.embed(TALKING)
    (track,) = clip.tracks
    assert track.video.shape == (len(track.boxes) - 4, 256)
    sounds = np.asarray(clip.audio[:])
    assert sounds.shape[1] == 256 and len(sounds) == pytest.approx(800, abs=30)
    assert np.linalg.norm(sounds[100].astype(float)) == pytest.approx(1, abs=0.01)


def _pictures(path: Path) -> list[NDArray[np.uint8]]:
    """As OpenCV reads them, BGR."""
    video = cv2.VideoCapture(str(path))
    pictures = []
    while (read := video.read())[0]:
        pictures.append(np.asarray(read[1], np.uint8))
    return pictures


def _sound(path: Path, rate: int) -> NDArray[np.int16]:
    raw = run("-i", path, "-f", "s16le", "-ac", "2", "-ar", str(rate), "-").stdout
    return np.frombuffer(raw, np.int16).reshape(-1, 2)


def test_a_notebook(pipeline: avsync.Pipeline, tmp_path: Path) -> None:
    """Load once; files, arrays, a plot of the curve; a report written, read back, equal."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    late = tmp_path / "late.mkv"
    run("-i", TALKING, "-itsoffset", "0.2", "-i", TALKING,
        "-map", "0:v", "-map", "1:a", "-c", "copy", late)  # fmt: skip
    early = tmp_path / "early.mp4"
    avsync.fix(TALKING, early, avsync.FixOptions(offset_ms=-200.0))
    reports = [pipeline.detect(path) for path in (TALKING, late, early)]
    assert [report.status for report in reports] == ["ok"] * 3
    offsets = [report.offset_ms for report in reports]
    assert offsets == pytest.approx([-120, -320, 80], abs=15)

    sound, pictures = _sound(TALKING, 44_100), _pictures(TALKING)
    clip = avsync.Clip(np.stack(pictures), sound, 25, 44_100, channel_order="bgr", name="array")
    report = pipeline.detect(clip)
    assert (report.path, report.status) == ("array", "ok")
    assert report.offset_ms == pytest.approx(offsets[0], abs=3)
    moved = avsync.Clip([picture[..., ::-1] for picture in pictures],
                        sound[8820:].astype(np.float32) / 32768, 25.0, 44_100)  # fmt: skip
    assert pipeline.detect(moved).offset_ms == pytest.approx(offsets[0] + 200, abs=5)
    assert pipeline.embed(moved).frame_count == len(pictures)

    figure, axes = pyplot.subplots()
    assert report.curve is not None
    (line,) = axes.plot(report.curve.offsets_ms, report.curve.distances)
    lowest = line.get_xdata()[np.nanargmin(np.asarray(line.get_ydata(), float))]
    assert lowest == pytest.approx(report.offset_ms, abs=5)
    figure.savefig(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000
    pyplot.close(figure)

    written = tmp_path / "report.json"
    written.write_text(report.to_json(indent=2))
    assert avsync.SyncReport.from_dict(json.loads(written.read_text())) == report


def test_tracks_of_a_clip_are_refused() -> None:
    clip = avsync.Clip(np.zeros((5, 8, 8, 3), np.uint8), np.zeros(100), 25, 16_000)
    options = avsync.DetectOptions(audio_track=2)
    with pytest.raises(avsync.UsageError, match="audio_track=2"):
        avsync.Pipeline(options).detect(clip)


def test_many_files_one_of_them_bad(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    paths = [bad, TALKING, tmp_path / "absent.mp4"]
    options = avsync.DetectOptions()
    how = avsync.BatchOptions(jobs=1, ordered=True)
    reports = list(avsync.detect_many(paths, options, how))
    assert [report.path for report in reports] == list(map(str, paths))
    assert [report.status for report in reports] == ["error", "ok", "error"]
    assert reports[1] == avsync.SyncReport.from_dict(reports[1].to_dict())
    alone = avsync.detect(TALKING, options)
    assert reports[1].offset_ms == alone.offset_ms


def test_folders_are_searched_and_a_name_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    (tmp_path / "notes.txt").write_text("no video")
    reports = list(avsync.detect_many([tmp_path], jobs=1))
    assert [report.path for report in reports] == [str(tmp_path / "bad.mp4")]
    with pytest.raises(avsync.UsageError, match="a list of files, not one"):
        next(iter(avsync.detect_many("bad.mp4")))


def test_a_script_of_three_lines_needs_no_guard(tmp_path: Path) -> None:
    """Workers do not import the program that asked for them."""
    script = tmp_path / "script.py"
    script.write_text(
        "import avsync\n"
        f"for report in avsync.detect_many([{str(TALKING)!r}], jobs=1):\n"
        "    print(report.status)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_warnings_are_logged_and_stand_in_the_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path, whole = tmp_path / "broken-off.mp4", TALKING.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with caplog.at_level(logging.WARNING, "avsync"):
        report = avsync.detect(path)
    assert any("damaged in part" in warning for warning in report.warnings)
    said = [r.getMessage() for r in caplog.records if r.name == "avsync"]
    assert said == [f"{path}: {warning}" for warning in report.warnings]
    assert capfd.readouterr().err == ""  # whoever listens to nothing hears nothing


def _types_in(hint: Any) -> Iterator[type]:
    """avsync's own, however deep they stand."""
    if isinstance(hint, type) and hint.__module__.startswith("avsync."):
        yield hint
    for inner in get_args(hint):
        yield from _types_in(inner)


def test_every_type_that_is_taken_or_given_is_exported() -> None:
    named = {
        inner
        for one in EXPORTED
        if is_dataclass(one)
        for hint in get_type_hints(one, localns={"np": np, "NDArray": NDArray}).values()
        for inner in _types_in(hint)
    }
    # How the sound of a clip is held is nobody's business: slices of it are arrays.
    assert {one.__name__ for one in named} - {"IndexedRows"} <= set(avsync.__all__)
    errors = {one for one in vars(avsync.errors).values() if isinstance(one, type)}
    assert errors <= set(EXPORTED)


@pytest.mark.parametrize("one", EXPORTED, ids=lambda one: one.__name__)
def test_every_name_is_documented_with_what_it_holds(one: Any) -> None:
    text = inspect.getdoc(one) or ""
    assert text
    if is_dataclass(one):
        for field in fields(one):
            assert field.name in text, field.name


def _examples() -> list[Any]:
    finder = doctest.DocTestFinder(recurse=False)
    found = []
    for one in (avsync, *EXPORTED):
        module = one if one is avsync else importlib.import_module(one.__module__)
        found += [test for test in finder.find(one, one.__name__, module) if test.examples]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("example", _examples(), ids=lambda example: example.name)
def test_examples_run(example: doctest.DocTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    said: list[str] = []
    runner.run(example, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


def test_options_and_reports_have_examples() -> None:
    shown = {example.name for example in _examples()}
    assert {one.__name__ for one in EXPORTED if is_dataclass(one)} <= shown
