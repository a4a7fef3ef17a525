"""The answer's forms: what a person reads and what a program reads."""

import csv
import json
from dataclasses import replace

import pytest

from avsync.cli.console import csv_line
from avsync.errors import DataError, UsageError
from avsync.findings import Segment, Source, TrackSummary, UpstreamScores
from avsync.prose import confidence_in_words
from avsync.report import COLUMNS, SCHEMA_VERSION, SyncReport
from avsync.tolerance import STANDARDS, Filter, Tolerance

LATE = SyncReport(
    path="talk, one.mp4",
    status="ok",
    offset_ms=-120.0,
    confidence=0.981,
    uncertainty_ms=8.0,
    min_distance=0.9,
    median_minus_min=0.2,
    segments=(Segment(0.0, 62.0, -120.0),),
    tracks=(TrackSummary(0.0, 62.0, (10, 20, 100, 120), 1.0),),
    duration_seconds=62.0,
    speech_seconds=61.0,
    detector="YuNet",
    weights="default",
)
UNSURE = SyncReport(path="a.mp4", status="undetermined", reasons=("the sound is silent",))


@pytest.mark.parametrize(
    ("offset_ms", "words"),
    [
        (-120.0, "sound is 120 ms late, 3.0 frames"),
        (120.4, "sound is 120 ms early, 3.0 frames"),
        (0.2, "sound is in step (0 ms), 0.0 frames"),
    ],
)
def test_text_says_the_direction_in_words(offset_ms: float, words: str) -> None:
    report = SyncReport("a.mp4", "ok", offset_ms, confidence=0.9, uncertainty_ms=5.0)
    assert words in report.to_text()


def test_text_says_how_sure_and_on_what_ground() -> None:
    text = LATE.to_text()
    for words in (
        "talk, one.mp4",
        "confidence 98 %",
        "+-8 ms",
        "61.0 s of speech on one face",
        "default weights, YuNet faces",
        "avsync fix 'talk, one.mp4' -o 'talk, one.synced.mp4'",
    ):
        assert words in text


def test_text_counts_the_tracks_that_matter() -> None:
    box = (0.0, 0.0, 9.0, 9.0)
    tracks = (
        *(TrackSummary(i, i + 1, box, 0.01) for i in range(100)),
        TrackSummary(0, 9, box, 0.0),
    )
    report = SyncReport("a.mp4", "ok", 80.0, confidence=0.9, uncertainty_ms=5.0, tracks=tracks)
    assert "on 100 face tracks" in report.to_text()


def test_what_is_in_step_needs_no_cure() -> None:
    report = SyncReport("a.mp4", "ok", 0.3, confidence=0.9, uncertainty_ms=5.0)
    assert "avsync fix" not in report.to_text()


@pytest.mark.parametrize(
    ("confidence", "words"), [(1.0, "over 99 %"), (0.98, "98 %"), (0.5, "50 %")]
)
def test_nothing_is_certain(confidence: float, words: str) -> None:
    assert confidence_in_words(confidence) == words


def test_text_of_an_undetermined_file_names_the_reason_and_no_offset() -> None:
    text = UNSURE.to_text()
    assert "cannot tell: the sound is silent" in text
    assert "late" not in text and "early" not in text


def test_json_has_the_documented_fields_and_plain_numbers() -> None:
    fields = json.loads(LATE.to_json())
    assert fields["path"] == "talk, one.mp4"
    assert (fields["status"], fields["offset_ms"], fields["offset_frames"]) == ("ok", -120.0, -3.0)
    (segment,) = fields["segments"]
    assert (segment["start_seconds"], segment["end_seconds"]) == (0.0, 62.0)
    assert (segment["offset_ms"], segment["drift_ms_per_minute"]) == (-120.0, 0.0)
    assert fields["tracks"][0]["box"] == [10, 20, 100, 120]
    assert "lse_d" not in fields


def test_json_of_upstream_scores_is_flat() -> None:
    scored = SyncReport("a.mp4", "ok", 120.0, upstream=UpstreamScores(5.353, 10.021, 3))
    fields = json.loads(scored.to_json())
    assert (fields["lse_d"], fields["lse_c"], fields["upstream_offset_frames"]) == (
        5.353,
        10.021,
        3,
    )
    assert "LSE-D 5.353, LSE-C 10.021, AV offset 3 frames" in scored.to_text()


def test_json_survives_a_file_name_that_is_no_text() -> None:
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    line = SyncReport(name, "error", reasons=("no such file",)).to_json()
    assert line.isascii()
    assert json.loads(line)["path"] == name


def test_csv_lines_read_back() -> None:
    lines = [csv_line(COLUMNS), *(csv_line(row) for one in (LATE, UNSURE) for row in one.to_rows())]
    late, unsure = csv.DictReader(lines)
    assert (late["path"], late["offset_ms"], late["offset_frames"]) == (
        "talk, one.mp4",
        "-120.0",
        "-3.0",
    )
    assert (unsure["status"], unsure["offset_ms"]) == ("undetermined", "")
    assert unsure["reasons"] == "the sound is silent"


def test_csv_of_a_name_with_line_ends_is_quoted() -> None:
    (row,) = csv.reader([csv_line(("a\nb\rc", 1))])
    assert row == ["a\nb\rc", "1"]
    assert csv_line(("a\nb", 1)) == '"a\nb",1'


@pytest.mark.parametrize(
    ("name", "early_ms", "late_ms"),
    [("ebu-r37", 40, 60), ("itu-bt1359", 45, 125), ("atsc-is191", 15, 45), ("20/30.5", 20, 30.5)],
)
def test_tolerances_are_asymmetrical(name: str, early_ms: float, late_ms: float) -> None:
    tolerance = Tolerance.of(name)
    assert tolerance.allows(_at(early_ms)) and not tolerance.allows(_at(early_ms + 1))
    assert tolerance.allows(_at(-late_ms)) and not tolerance.allows(_at(-late_ms - 1))


def _at(*offsets_ms: float) -> SyncReport:
    """An answer with steps between these offsets, all equally long."""
    segments = (Segment(k, k + 1.0, ms) for k, ms in enumerate(offsets_ms))
    return SyncReport(
        "a.mp4", "ok", offsets_ms[0], confidence=0.9, uncertainty_ms=5.0, segments=tuple(segments)
    )


def test_a_file_is_inside_if_all_of_it_is() -> None:
    tolerance = Tolerance(40, 60)
    assert tolerance.allows(_at(0, 30, -50))
    assert not tolerance.allows(_at(0, 45))
    drifting = replace(_at(0), segments=(Segment(0, 60, 0.0, drift_ms_per_minute=-70),))
    assert not tolerance.allows(drifting)
    assert not Filter(max_abs_offset_ms=60).wants(drifting)
    assert Filter(max_abs_offset_ms=80).wants(drifting)


def test_text_tells_steps_and_what_to_do() -> None:
    text = _at(-40, 240.2, 0).to_text()
    assert "sound is 40 ms late; from 1.0 s 240 ms early; from 2.0 s in step (0 ms)" in text
    assert "cut it there, then avsync fix each part" in text


def test_text_tells_drift_in_milliseconds_a_minute() -> None:
    segment = Segment(0, 120, 12.0, -60.06, "24 fps played at 23.976")
    text = replace(_at(12.0), segments=(segment,)).to_text()
    assert "sound is 12 ms early at the start, 108 ms late at the end" in text
    assert "60 ms a minute more late (24 fps played at 23.976)" in text
    assert "avsync fix a.mp4" in text


@pytest.mark.parametrize("text", ["", "40", "a/b", "-1/2", "1/2/3", "ebu"])
def test_a_tolerance_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=next(iter(STANDARDS))):
        Tolerance.of(text)


@pytest.mark.parametrize(
    "report",
    [
        LATE,
        UNSURE,
        SyncReport("na\udcefve.mp4", "error", reasons=("gone",), warnings=("damaged in part",)),
        replace(LATE, upstream=UpstreamScores(6.5, 3.25, -3)),
        replace(LATE, source=Source(12, 34, "ab", {"faces": "auto"}), looked_seconds=20.0),
        replace(LATE, segments=(Segment(0, 9, -120.0), Segment(9, 62, 40.0, 3.0, "24 fps"))),
    ],
)
def test_a_report_is_read_back_as_it_was(report: SyncReport) -> None:
    written = report.to_dict()
    assert written["schema_version"] == SCHEMA_VERSION
    assert SyncReport.from_dict(written) == report
    assert SyncReport.from_dict(json.loads(report.to_json())) == report


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(DataError, match="newer avsync"):
        SyncReport.from_dict({**LATE.to_dict(), "schema_version": SCHEMA_VERSION + 1})
    for fields in ({}, {"path": "a.mp4"}, {**LATE.to_dict(), "segments": [{"start": 1}]}):
        with pytest.raises(DataError, match="not a report of avsync"):
            SyncReport.from_dict(fields)
