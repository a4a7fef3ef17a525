"""Options that make no sense are refused where they are made, by the library and the command."""

import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main
from conftest import Command

from avsync.batch.options import BatchOptions
from avsync.cli import app
from avsync.cli.options import flag_of
from avsync.errors import UsageError
from avsync.pipeline.options import DetectOptions
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.tolerance import Filter, Tolerance

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "given", "says"),
    [
        (
            DetectOptions,
            {"max_offset_seconds": 0.0},
            "max_offset_seconds=0.0: between 0.1 and 3600 s",
        ),
        (DetectOptions, {"max_offset_seconds": NAN}, "max_offset_seconds=nan"),
        (DetectOptions, {"faces": "nose"}, "faces=nose: unknown; choose auto, yunet"),
        (DetectOptions, {"faces": ""}, "faces=: unknown; choose auto, yunet"),
        (DetectOptions, {"weights": ""}, "weights=: empty; name default"),
        (DetectOptions, {"device": "abacus"}, "device=abacus: unknown; choose auto, cpu"),
        (DetectOptions, {"audio_track": 0}, "audio_track=0: tracks count from 1"),
        (DetectOptions, {"audio_track": -1}, "audio_track=-1: tracks count from 1"),
        (DetectOptions, {"video_track": 0}, "video_track=0: tracks count from 1"),
        (
            FixOptions,
            {"detect": DetectOptions(audio_track=1), "remux": RemuxOptions(audio_track=2)},
            "audio_track=2: 1 is to be heard, this one moved: name one",
        ),
        (FixOptions, {"offset_ms": NAN}, "offset_ms=nan: at most an hour"),
        (FixOptions, {"offset_ms": INFINITE}, "offset_ms=inf: at most an hour"),
        (
            FixOptions,
            {"remux": RemuxOptions(audio_track=0)},
            "audio_track=0: tracks count from 1",
        ),
        (DetectOptions, {"accept": 1.5}, "accept=1.5: a confidence"),
        (DetectOptions, {"accept": NAN}, "accept=nan: a confidence"),
        (BatchOptions, {"jobs": 0}, "jobs=0: 1 or more"),
        (BatchOptions, {"timeout_seconds": 0.0}, "timeout_seconds=0.0: more than 0 seconds"),
        (BatchOptions, {"timeout_seconds": NAN}, "timeout_seconds=nan: more than 0 seconds"),
        (BatchOptions, {"timeout_seconds": INFINITE}, "timeout_seconds=inf: .* a week at most"),
        (BatchOptions, {"engine": "steam"}, "engine=steam: choose local or ray"),
        (
            BatchOptions,
            {"ray_address": "10.0.0.1:6379"},
            "ray_address=10.0.0.1:6379: only with the engine ray",
        ),
        (Tolerance, {"early_ms": -1.0, "late_ms": 60.0}, "tolerance=-1/60: choose ebu-r37"),
        (Tolerance, {"early_ms": 40.0, "late_ms": NAN}, "tolerance=40/nan: choose ebu-r37"),
        (Filter, {"min_confidence": NAN}, "min_confidence=nan: between 0 and 1"),
        (Filter, {"max_abs_offset_ms": -1.0}, "max_abs_offset_ms=-1.0: milliseconds, 0 or more"),
        (Filter, {"max_abs_offset_ms": NAN}, "max_abs_offset_ms=nan: milliseconds, 0 or more"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_where_it_is_given(
    make: Callable[..., Any], given: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValueError, match=f"^{says}") as refused:
        make(**given)
    assert isinstance(refused.value, UsageError)
    again = pickle.loads(pickle.dumps(refused.value))  # as it comes from a worker
    assert str(again) == str(refused.value)


@pytest.mark.parametrize("command", ["detect", "fix"])
def test_every_field_of_an_option_has_its_flag(command: str) -> None:
    """Errors name fields; the command line turns them into flags by a rule."""
    options = {"detect": (DetectOptions, BatchOptions, Filter), "fix": (FixOptions, RemuxOptions)}
    group = typer.main.get_command(app)
    flags = {flag for p in group.commands[command].params for flag in p.opts}  # type: ignore[attr-defined]
    missing = {f.name for one in options[command] for f in fields(one)}
    missing = {name for name in missing if flag_of(name) not in flags}
    # Not an error's: what holds other options, and a switch that `fix` has under another name.
    assert missing <= {"detect", "remux", "detect_changes"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["detect", "--json", "--csv"], "choose one of"),
        (["detect", "--tolerance", "loose"], "ebu-r37"),
        (["detect", "--tolerance", "nan/nan"], "ebu-r37"),
        (["detect", "--max-offset", "0"], "--max-offset 0: between 0.1 and 3600"),
        (["detect", "--faces", "nose"], "yunet"),
        (["detect", "--device", "abacus"], "choose auto, cpu"),
        (["detect", "--weights", ""], "name default"),
        (["detect", "--jobs", "0"], "--jobs 0: 1 or more"),
        (["detect", "--accept", "2"], "--accept 2: a confidence"),
        (["fix", "--accept", "-1", "-o", "out.mp4"], "--accept -1: a confidence"),
        (["detect", "--timeout", "inf"], "a week"),
        (["detect", "--no-such-option"], "No such option"),
        (["fix", "--faces", "nose", "-o", "out.mp4"], "yunet"),
        (["fix", "--audio-track", "0", "-o", "out.mp4"], "count from 1"),
        (["fix", "--tolerance", "loose", "-o", "out.mp4"], "ebu-r37"),
        (["features", "--faces", "nose", "-o", "out.npz"], "yunet"),
        (["fix", "--video-track", "0", "-o", "out.mp4"], "count from 1"),
        (["features", "--audio-track", "0", "-o", "out.npz"], "count from 1"),
        (["features", "--video-track", "0", "-o", "out.npz"], "count from 1"),
        (["detect", "--audio-track", "0"], "count from 1"),
        (["detect", "--video-track", "-1"], "count from 1"),
    ],
)
def test_wrong_usage_is_status_2_with_a_line(
    avsync: Command, tmp_path: Path, arguments: list[str], says: str
) -> None:
    command, *options = arguments
    done = avsync(command, tmp_path / "talk.mp4", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == "" and not list(tmp_path.iterdir())
