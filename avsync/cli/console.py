"""What is written where: reports to stdout, errors to stderr; the exit status."""

import csv
import io
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any, Generic, Protocol, TextIO, TypeVar

from avsync.batch.tasks import Result
from avsync.errors import InterruptError, OutputError


class ReportLike(Protocol):
    """What is said of a file, by whichever command."""

    @property
    def path(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    def to_dict(self, curve: bool) -> dict[str, Any]: ...
    def to_rows(self) -> Iterable[tuple[Any, ...]]: ...
    def to_text(self) -> str: ...


S = TypeVar("S", bound=ReportLike)
S_contra = TypeVar("S_contra", contravariant=True)
FIGURES = ("offset_ms", "confidence", "residual_ms")  # as far as a report has them
SIGPIPE: int = getattr(signal, "SIGPIPE", 13)  # which Windows does not send


class Texts(Protocol[S_contra]):
    """How reports become text."""

    def of(self, report: S_contra) -> str | None:
        """One of them; None: nothing is said of it on stdout."""

    def end(self) -> Iterable[str]:
        """What is said of all of them."""
        ...


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
class Output(Generic[S]):
    """What becomes of the answers."""

    status_of: Callable[[S], ExitStatus]
    columns: tuple[str, ...]  # of CSV
    form: OutputFormat = OutputFormat.TEXT
    alone: bool = False  # a single file was named, so that JSON is an object and not a list
    curve: bool = False  # stands in JSON
    verbose: bool = False  # a line on stderr for each file
    wants: Callable[[S], bool] = lambda report: True
    into: Callable[[S], None] | None = None  # a report to go on with, instead of stdout
    texts: Texts[S] | None = None  # for people; None: each as it says itself


def write_reports(answers: Iterable[Result[S]], output: Output[S]) -> ExitStatus:
    """Write each report as soon as it is known; returns the exit status of all, wanted or not.

    Raises OutputError where they cannot be written, InterruptError where nobody reads any more.
    """
    worst, kept = ExitStatus.OK, []
    out = sys.stdout  # now: what measures the files may put another in its place
    if output.form is OutputFormat.CSV:
        write_line(csv_line(output.columns), out)
    for answer in answers:
        report = answer.report
        worst = worse(worst, output.status_of(report))
        log_line(answer, output.verbose)
        if (answer.task.known is not None and output.into) or not output.wants(report):
            continue
        if output.into:
            output.into(report)
        elif output.form is OutputFormat.JSON:
            kept.append(report.to_dict(output.curve))
        elif line := _line(report, output):
            write_line(line, out)
    if output.texts and output.form is OutputFormat.TEXT and not output.into:
        for line in output.texts.end():
            write_line(line, out)
    if output.form is OutputFormat.JSON:
        write_line(json.dumps(kept[0] if output.alone and kept else kept, indent=2), out)
    return worst


def _line(report: S, output: Output[S]) -> str | None:
    """A report as it is written; None: what went wrong is told on stderr."""
    if output.form is OutputFormat.JSONL:
        return json.dumps(report.to_dict(output.curve))
    if output.form is OutputFormat.CSV:
        return "\n".join(map(csv_line, report.to_rows()))
    if output.texts:
        return output.texts.of(report)
    return None if report.status == "error" else report.to_text()


def csv_line(values: tuple[Any, ...]) -> str:
    """One line of CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)  # both of which it then quotes
    return text.getvalue()[:-2]


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
        **{name: getattr(report, name, None) for name in FIGURES},
        "seconds": round(answer.seconds, 3),
        "path": json.dumps(report.path),
        "reasons": json.dumps("; ".join(report.reasons)) if report.reasons else None,
    }
    words = [f"{name}={value}" for name, value in fields.items() if value is not None]
    print(*words, file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """A text with its line ends and terminal commands spelt out: a file name may hold any."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda c: c[0].encode("unicode_escape").decode(), text)


def worse(a: ExitStatus, b: ExitStatus) -> ExitStatus:
    """The exit status of a run in which both happened."""
    order = (
        ExitStatus.OK,
        ExitStatus.OUTSIDE_TOLERANCE,
        ExitStatus.UNDETERMINED,
        ExitStatus.FAILED,
    )
    return max(a, b, key=order.index)
