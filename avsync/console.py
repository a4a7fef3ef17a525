"""What is written where: reports to stdout, progress and errors to stderr; the exit status."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from typing import Any

from avsync.downloads import Progress
from avsync.report import COLUMNS, SyncReport, Tolerance, csv_line, to_row


class Exit(IntEnum):
    """What the exit status says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNDETERMINED = 3
    OUTSIDE_TOLERANCE = 4


class Form(StrEnum):
    """How reports are written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


def _said(reports: Iterable[SyncReport]) -> Iterator[SyncReport]:
    """Pass reports on; errors are said on stderr, too."""
    for report in reports:
        if report.status == "error":
            print(f"avsync: {'; '.join(report.reasons)}", file=sys.stderr)
        yield report


def write_reports(
    reports: Iterable[SyncReport], form: Form, allowed: Tolerance | None, alone: bool
) -> Exit:
    """Write each report as soon as it is known; returns the exit status.

    `alone`: a single file was named, so that JSON is an object and not a list.
    """
    worst, kept = Exit.OK, []
    if form is Form.CSV:
        print(csv_line(COLUMNS), flush=True)
    for report in _said(reports):
        worst = _worse(worst, _status_of(report, allowed))
        if form is Form.JSON:
            kept.append(report)
        elif form is Form.JSONL:
            print(report.to_json(), flush=True)
        elif form is Form.CSV:
            print(csv_line(to_row(report)), flush=True)
        elif report.status != "error":
            print(report.to_text(), flush=True)
    if form is Form.JSON:
        objects = [report.to_dict() for report in kept]
        print(json.dumps(objects[0] if alone and objects else objects, indent=2))
    return worst


def _status_of(report: SyncReport, allowed: Tolerance | None) -> Exit:
    if report.status == "error":
        return Exit.FAILED
    if report.offset_ms is None:
        return Exit.UNDETERMINED
    if allowed and not allowed.allows(report.offset_ms):
        return Exit.OUTSIDE_TOLERANCE
    return Exit.OK


def _worse(a: Exit, b: Exit) -> Exit:
    order = (Exit.OK, Exit.OUTSIDE_TOLERANCE, Exit.UNDETERMINED, Exit.FAILED)
    return max(a, b, key=order.index)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, where that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TimeElapsedColumn, TimeRemainingColumn

    bars = Bars(
        *Bars.get_default_columns()[:-1],
        TimeElapsedColumn(),
        "gone,",
        TimeRemainingColumn(),
        "left",
        console=Console(stderr=True),
        transient=True,
    )
    tasks: dict[str, Any] = {}

    def show(what: str, done: float, total: float | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield show
