"""What is written where: reports to stdout, progress and errors to stderr; the exit status."""

import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from time import monotonic
from typing import Any, Protocol, TextIO, TypeVar

from avsync.batch.pool import Result
from avsync.batch.resume import ReportFile
from avsync.cli.rows import (
    COLUMNS,
    csv_line,
    to_row,
)
from avsync.errors import InterruptError, OutputError
from avsync.report import (
    SyncReport,
)
from avsync.system.progress import Progress, silent
from avsync.tolerance import Filter, Tolerance


class ReportLike(Protocol):
    """What is said of a file, by whichever command."""

    @property
    def path(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def offset_ms(self) -> float | None: ...
    @property
    def confidence(self) -> float | None: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...


S = TypeVar("S", bound=ReportLike)
SIGPIPE: int = getattr(signal, "SIGPIPE", 13)  # which Windows does not send


class ExitStatus(IntEnum):
    """What the exit status says."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNDETERMINED = 3
    OUTSIDE_TOLERANCE = 4


class OutputFormat(StrEnum):
    """How reports are written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Output:
    """What becomes of the answers."""

    form: OutputFormat = OutputFormat.TEXT
    alone: bool = False  # a single file was named, so that JSON is an object and not a list
    allowed: Tolerance | None = None
    wanted: Filter = field(default_factory=Filter)
    into: ReportFile | None = None  # a report to go on with, instead of stdout
    verbose: bool = False  # a line on stderr for each file


def write_reports(answers: Iterable[Result[SyncReport]], output: Output) -> ExitStatus:
    """Write each report as soon as it is known; returns the exit status of all, wanted or not.

    Raises OutputError where they cannot be written, InterruptError where nobody reads any more.
    """
    worst, kept = ExitStatus.OK, []
    out = sys.stdout  # now: what measures the files may put another in its place
    if output.form is OutputFormat.CSV:
        write_line(csv_line(COLUMNS), out)
    for answer in answers:
        report = answer.report
        worst = worse(worst, _status_of(report, output.allowed))
        log_line(answer, output.verbose)
        if answer.task.known or not output.wanted.wants(report):
            continue
        if output.into:
            output.into.append(report)
        elif output.form is OutputFormat.JSON:
            kept.append(report)
        elif output.form is OutputFormat.JSONL:
            write_line(report.to_json(), out)
        elif output.form is OutputFormat.CSV:
            write_line(csv_line(to_row(report)), out)
        elif report.status != "error":
            write_line(report.to_text(), out)
    if output.form is OutputFormat.JSON:
        objects = [report.to_dict() for report in kept]
        write_line(json.dumps(objects[0] if output.alone and objects else objects, indent=2), out)
    return worst


def write_line(line: str, out: TextIO) -> None:
    """Write a line whole: one write, so that no reader is ever left with half of it."""
    try:
        out.write(f"{line}\n")
        out.flush()
    except BrokenPipeError:
        # What is still in the buffer must not be tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
        raise InterruptError(SIGPIPE) from None
    except OSError as error:
        raise OutputError(f"the report cannot be written: {error.strerror}") from error


def log_line(answer: Result[S], verbose: bool) -> None:
    """Errors on stderr, a line each; with `verbose` every file, for programs to read."""
    report = answer.report
    if not verbose:
        if report.status == "error":
            print(f"avsync: {one_line('; '.join(report.reasons))}", file=sys.stderr)
        return
    fields = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": "error" if report.status == "error" else "info",
        "status": report.status,
        "known": "yes" if answer.task.known else None,  # from the report that is gone on with
        "offset_ms": report.offset_ms,
        "confidence": report.confidence,
        "residual_ms": getattr(report, "residual_ms", None),  # of what was put right
        "seconds": round(answer.seconds, 3),
        "path": json.dumps(report.path),
        "reasons": json.dumps("; ".join(report.reasons)) if report.reasons else None,
    }
    words = [f"{name}={value}" for name, value in fields.items() if value is not None]
    print(*words, file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """A text with its line ends and terminal commands spelt out: a file name may hold any."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda c: c[0].encode("unicode_escape").decode(), text)


def _status_of(report: SyncReport, allowed: Tolerance | None) -> ExitStatus:
    if report.status == "error":
        return ExitStatus.FAILED
    if report.offset_ms is None:
        return ExitStatus.UNDETERMINED
    if allowed and not allowed.allows(report):
        return ExitStatus.OUTSIDE_TOLERANCE
    return ExitStatus.OK


def worse(a: ExitStatus, b: ExitStatus) -> ExitStatus:
    """The exit status of a run in which both happened."""
    order = (
        ExitStatus.OK,
        ExitStatus.OUTSIDE_TOLERANCE,
        ExitStatus.UNDETERMINED,
        ExitStatus.FAILED,
    )
    return max(a, b, key=order.index)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, where that is a terminal."""
    with _bars(quiet) as bars:
        yield _shown_in(bars)


class BatchView:
    """Counts answers, and shows them where a bar is given."""

    def __init__(self, bars: Any, total: int | None) -> None:
        self.progress = _shown_in(bars)  # of what comes before the first file
        self._bars, self._total = bars, total
        self._task: Any = None
        self._counts: Counter[str] = Counter()
        self._measured, self._since = 0, monotonic()

    def watch(self, answers: Iterable[Result[S]]) -> Iterator[Result[S]]:
        """Pass answers on, and count them."""
        for answer in answers:
            self._counts[answer.report.status] += 1
            self._measured += answer.task.known is None
            if self._bars:
                if self._task is None:
                    self._task = self._bars.add_task("", total=self._total)
                done = sum(self._counts.values())
                self._bars.update(self._task, completed=done, description=self.summary())
            yield answer

    def summary(self) -> str:
        """Files done, at what rate, and what came of them."""
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
        rate = self._measured / max(monotonic() - self._since, 1e-3)
        of_all = f" of {self._total}" if self._total is not None else ""
        return f"{sum(self._counts.values())}{of_all} files, {rate:.1f}/s: {counts}"


@contextmanager
def batch_view(quiet: bool, total: int | None) -> Iterator[BatchView]:
    """A bar over all files on stderr, where that is a terminal, and a last word when it ends."""
    with _bars(quiet) as bars:
        view = BatchView(bars, total)
        yield view
    if bars:
        print(f"avsync: {view.summary()}", file=sys.stderr)


@contextmanager
def _bars(quiet: bool) -> Iterator[Any]:
    """rich's bars on stderr; None where nobody would see them."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TimeElapsedColumn, TimeRemainingColumn

    with Bars(
        *Bars.get_default_columns()[:-1],
        TimeElapsedColumn(),
        "gone,",
        TimeRemainingColumn(),
        "left",
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else answers would be shown and not written
    ) as bars:
        yield bars


def _shown_in(bars: Any) -> Progress:
    tasks: dict[str, Any] = {}

    def show(what: str, done: float, total: float | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    return show if bars else silent
