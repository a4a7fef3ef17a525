"""The JSON schema says what reports are; all of the suite's are held against it (conftest)."""

import json
from typing import Any

import jsonschema
import pytest
from conftest import REPORTS, Command, validate

from avsync.findings import Candidate, Curve, Segment, Source, TrackSummary
from avsync.findings import UpstreamScores as Scores
from avsync.remux.report import FixReport
from avsync.report import SyncReport
from avsync.schema import schema_of

FULL = SyncReport(
    "talk.mp4", "ok", -120.0, 0.98, 8.0, candidates=(Candidate(-120.0, 0.98, 8.0),),
    upstream=Scores(6.9, 7.4, -3), segments=(Segment(0.0, 8.0, -120.0),),
    tracks=(TrackSummary(0.0, 8.0, (1, 2, 3, 4), 1.0),), source=Source(1, 2, "ab", {}),
    curve=Curve((-10.0, 0.0), (1.0, None)),
)  # fmt: skip
FIXED = FixReport("talk.mp4", "out.mp4", "fixed", -120.0, method="copy", before=FULL, after=FULL)


@pytest.mark.parametrize("command", REPORTS)
def test_the_command_prints_a_schema(avsync: Command, command: str) -> None:
    done = avsync(command, "--json-schema")
    assert (done.returncode, done.stderr) == (0, "")
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == json.loads(json.dumps(schema_of(REPORTS[command])))


def _objects(schema: Any) -> list[dict[str, Any]]:
    return [schema, *schema["$defs"].values()]


@pytest.mark.parametrize("report", REPORTS.values())
def test_every_field_is_described(report: type) -> None:
    for one in _objects(schema_of(report)):
        bare = [name for name, field in one["properties"].items() if "description" not in field]
        assert bare in ([], ["schema_version"])


@pytest.mark.parametrize(
    ("command", "report"), [("detect", FULL), ("detect", SyncReport("a", "error")), ("fix", FIXED)]
)
def test_reports_are_read_back(command: str, report: SyncReport | FixReport) -> None:
    without = report.to_dict(curve=False)
    for fields in (report.to_dict(), without):
        validate(json.loads(json.dumps(fields)), command)
    assert "curve" not in json.dumps(without) and "curve" in json.dumps(report.to_dict())
    assert type(report).from_dict(json.loads(report.to_json())) == report


@pytest.mark.parametrize(
    ("command", "change"),
    [
        ("detect", {"status": "fine"}),
        ("detect", {"offset_ms": "-120"}),
        ("detect", {"invented": 1}),
        ("detect", {"segments": [{"start_seconds": 0.0}]}),
        ("detect", {"curve": {"offsets_ms": [0.0]}}),
        ("fix", {"before": {}}),
        ("fix", {"method": "magic"}),
    ],
)
def test_what_is_no_report_is_refused(command: str, change: dict[str, Any]) -> None:
    report: Any = {"detect": FULL, "fix": FIXED}[command]
    with pytest.raises(jsonschema.ValidationError):
        validate(json.loads(json.dumps({**report.to_dict(), **change})), command)
