"""Options that make no sense are refused where they are made, by the library and the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from avsync.batch import BatchOptions
from avsync.errors import UsageError
from avsync.fix import FixOptions
from avsync.remux import Wishes
from avsync.tolerance import Filter, Tolerance
from avsync.tools import DetectOptions

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("make", "fields", "says"),
    [
        (DetectOptions, {"max_offset_seconds": 0.0}, "--max-offset 0: between 0.1 and 3600 s"),
        (DetectOptions, {"max_offset_seconds": NAN}, "--max-offset nan"),
        (DetectOptions, {"faces": "nose"}, "--faces nose: unknown; choose auto, yunet"),
        (DetectOptions, {"faces": ""}, "--faces : unknown; choose auto, yunet"),
        (DetectOptions, {"weights": ""}, "--weights: empty; name default"),
        (DetectOptions, {"device": "abacus"}, "--device abacus: unknown; choose auto, cpu"),
        (DetectOptions, {"audio_track": 0}, "--audio-track 0: tracks count from 1"),
        (DetectOptions, {"audio_track": -1}, "--audio-track -1: tracks count from 1"),
        (DetectOptions, {"video_track": 0}, "--video-track 0: tracks count from 1"),
        (
            FixOptions,
            {"detect": DetectOptions(audio_track=1), "wishes": Wishes(audio_track=2)},
            "audio track 1 to be heard, 2 to be moved: name one",
        ),
        (FixOptions, {"offset_ms": NAN}, "--offset nan: at most an hour"),
        (FixOptions, {"offset_ms": INFINITE}, "--offset inf: at most an hour"),
        (FixOptions, {"wishes": Wishes(audio_track=0)}, "--audio-track 0: tracks count from 1"),
        (BatchOptions, {"jobs": 0}, "--jobs 0: 1 or more"),
        (BatchOptions, {"timeout_seconds": 0.0}, "--timeout 0: more than 0 seconds"),
        (BatchOptions, {"timeout_seconds": NAN}, "--timeout nan: more than 0 seconds"),
        (BatchOptions, {"timeout_seconds": INFINITE}, "--timeout inf: .* a week at most"),
        (BatchOptions, {"engine": "steam"}, "--engine steam: choose local or ray"),
        (BatchOptions, {"ray_address": "10.0.0.1:6379"}, "--ray-address: only with --engine ray"),
        (Tolerance, {"early_ms": -1.0, "late_ms": 60.0}, "--tolerance -1/60: choose ebu-r37"),
        (Tolerance, {"early_ms": 40.0, "late_ms": NAN}, "--tolerance 40/nan: choose ebu-r37"),
        (Filter, {"min_confidence": NAN}, "--min-confidence nan: between 0 and 1"),
        (Filter, {"max_abs_offset_ms": -1.0}, "--max-abs-offset -1: milliseconds, 0 or more"),
        (Filter, {"max_abs_offset_ms": NAN}, "--max-abs-offset nan: milliseconds, 0 or more"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_where_it_is_given(
    make: Callable[..., Any], fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=f"^{says}"):
        make(**fields)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["detect", "--json", "--csv"], "choose one of"),
        (["detect", "--tolerance", "loose"], "ebu-r37"),
        (["detect", "--tolerance", "nan/nan"], "ebu-r37"),
        (["detect", "--max-offset", "0"], "between 0.1 and 3600"),
        (["detect", "--faces", "nose"], "yunet"),
        (["detect", "--device", "abacus"], "choose auto, cpu"),
        (["detect", "--weights", ""], "name default"),
        (["detect", "--jobs", "0"], "1 or more"),
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
