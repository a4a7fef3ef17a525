"""Long files: which parts are looked at, and when they suffice."""

import json
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Command
from talking_face import write_talking_face

from avsync.findings import Segment
from avsync.media import ffmpeg
from avsync.media.decode import Span
from avsync.pipeline import sampling
from avsync.pipeline.sampling import (
    FEWEST_LOOKS,
    LOOK_FRAMES,
    MOST_LOOKS,
    WHOLE_SECONDS,
    Look,
    detect_changes,
    disagree,
    is_long,
    spans,
    spread_over,
    suffice,
)
from avsync.report import SyncReport

HOUR = 3600.0


def answer(offset_ms: float, confidence: float = 0.95, segments: int = 1) -> SyncReport:
    parts = tuple(Segment(20.0 * k, 20.0 * k + 20, offset_ms) for k in range(segments))
    return SyncReport("film.mp4", "ok", offset_ms, confidence, segments=parts)


UNTOLD = SyncReport("film.mp4", "undetermined", confidence=0.3)


def looks(*reports: SyncReport) -> list[Look]:
    """The first looks at an hour's film."""
    return [Look(span, report) for span, report in zip(spans(HOUR), reports, strict=False)]


def test_which_files_are_long() -> None:
    assert not is_long(None)
    assert not is_long(WHOLE_SECONDS)
    assert is_long(WHOLE_SECONDS + 1)


@pytest.mark.parametrize("seconds", [WHOLE_SECONDS, 200.0, 611.3, HOUR, 3 * HOUR])
def test_looks_are_apart_inside_and_spread(seconds: float) -> None:
    chosen = spans(seconds)
    starts = sorted(span.first_frame for span in chosen)
    assert len(chosen) <= MOST_LOOKS
    assert all(b - a >= LOOK_FRAMES for a, b in pairwise(starts))
    assert all(start % 10 == 0 for start in starts)
    assert starts[0] == 0 and starts[-1] + LOOK_FRAMES == pytest.approx(25 * seconds, abs=10)
    early = sorted(span.start_seconds / seconds for span in chosen[:FEWEST_LOOKS])
    assert early == pytest.approx([0, 0.25, 0.5, 0.75, 1.0], abs=0.12)


def test_looks_that_agree_all_over_the_file_suffice() -> None:
    same = looks(*[answer(-80 + k) for k in range(5)])
    assert suffice(same, answer(-78, 0.999), HOUR)
    assert not suffice(same[:4], answer(-78, 0.999), HOUR)  # too few
    assert not suffice(same, answer(-78, 0.98), HOUR)  # not sure enough together
    assert not suffice(same, UNTOLD, HOUR)
    assert not disagree(same)


@pytest.mark.parametrize("silent", [(0, 3), (2, 3, 4), (1, 4)])
def test_looks_that_tell_nothing_call_for_more(silent: tuple[int, ...]) -> None:
    reports = [UNTOLD if k in silent else answer(-80) for k in range(5)]
    thirds = {0: 0, 1: 2, 2: 1, 3: 0, 4: 2}
    told = {thirds[k] for k in range(5) if k not in silent}
    assert suffice(looks(*reports), answer(-80, 0.999), HOUR) == (told == {0, 1, 2})


def test_looks_that_disagree_call_for_the_whole_file() -> None:
    assert disagree(looks(answer(-80), answer(120)))
    assert not disagree(looks(answer(-80), answer(120, 0.8)))  # which is not sure
    assert not disagree(looks(UNTOLD, UNTOLD))


def test_a_look_that_runs_away_calls_for_the_whole_file() -> None:
    """The only one within the search range, where sound runs off by seconds."""
    running = Segment(0.0, 20.0, 0.0, drift_ms_per_minute=2400.0)
    assert disagree(looks(replace(answer(0), segments=(running,)), UNTOLD))
    assert not disagree(looks(replace(answer(0, 0.8), segments=(running,)), UNTOLD))
    assert detect_changes(answer(-80, segments=2))
    assert not detect_changes(answer(-80)) and not detect_changes(UNTOLD)


def test_what_parts_tell_is_said_of_the_whole() -> None:
    report = spread_over(answer(-80, segments=2), HOUR)
    assert report.duration_seconds == HOUR
    assert [s.end_seconds for s in report.segments] == [20.0, HOUR]
    assert spread_over(UNTOLD, HOUR).segments == ()


@pytest.fixture(scope="module")
def long_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face of a little more than three minutes, the sound 120 ms late."""
    folder = tmp_path_factory.mktemp("long")
    short, path = folder / "short.mp4", folder / "long.mp4"
    write_talking_face(short, seconds=20.48, sound_early_ms=-120, size=(416, 234))
    argv = [ffmpeg.find_ffmpeg(), "-v", "error", "-stream_loop", "9", "-i", str(short)]
    subprocess.run([*argv, "-c", "copy", str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.mark.slow
def test_parts_of_a_long_file_answer_as_all_of_it(avsync: Command, long_face: Path) -> None:
    reports = []
    for options in ((), ("--thorough",)):
        done = avsync("detect", long_face, "--json", *options)
        reports.append(json.loads(done.stdout))
    parts, whole = reports
    assert parts["status"] == whole["status"] == "ok"
    assert parts["offset_ms"] == pytest.approx(whole["offset_ms"], abs=20)
    assert parts["looked_seconds"] == FEWEST_LOOKS * LOOK_FRAMES / 25
    assert whole["looked_seconds"] == whole["duration_seconds"] == pytest.approx(204.8, abs=1)
    assert parts["duration_seconds"] == pytest.approx(whole["duration_seconds"], abs=1)
    text = avsync("detect", long_face).stdout
    assert "100 s looked at of 20" in text


def test_reach_covers_the_search_and_what_runs_away() -> None:
    assert sampling.reach_seconds(HOUR, 1.0) > 1.0 + 0.002 * HOUR / 2
    assert spans(HOUR)[0] == Span(0, LOOK_FRAMES)
