"""`avsync report`, and what `--report` asks of other commands."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from avsync.batch.options import BatchOptions
from avsync.batch.tasks import Result
from avsync.cli import options as opt
from avsync.cli import texts
from avsync.cli.console import Texts
from avsync.cure_lines import TOOLS, check_tool
from avsync.errors import DataError, OutputError, UsageError
from avsync.pages.answer import Allowed
from avsync.pages.folder import Pages
from avsync.pages.shown import Picture, Plot
from avsync.pipeline.options import DetectOptions
from avsync.remux.report import FixReport
from avsync.report import SyncReport

Report = Annotated[
    Path | None,
    opt.picture_option(
        "--report",
        help="Folder for pages to look at, or page.html of one file.",
        show_default=False,
    ),
]
ForTool = Annotated[
    str | None,
    opt.answer_option(
        "--for", help=f"Only the line that cures it in {', '.join(TOOLS)}.", show_default=False
    ),
]
PlotFile = Annotated[
    Path | None,
    opt.picture_option(
        "--plot", help="Curve and map of one file: .png, .svg or .pdf.", show_default=False
    ),
]
Watch = Callable[[Iterable[Result[FixReport]]], Iterator[Result[FixReport]]]
Preview = Annotated[
    bool,
    opt.picture_option("--preview", help="In the report, a small copy that any browser plays."),
]


def report(
    reports: Annotated[Path, typer.Argument(help="JSON Lines of avsync detect.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the page to.")],
    tolerance: opt.ToleranceName = None,
    force: opt.Force = False,
) -> None:
    """Make the overview page of a finished report, with counts, offsets and a table.

    avsync report report.jsonl -o pages/
    """
    found = list(read_reports(reports))
    pages = Pages(output, alone=False, tolerance=tolerance)
    pages.prepare(force=force)
    _write_overview(found, output, tolerance)


def read_reports(path: Path) -> Iterator[SyncReport]:
    """The reports of JSON Lines, of each file the last; a half-written last line is left out.

    Raises DataError where it is something else.
    """
    last: dict[str, SyncReport] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    found = _report_in(line, f"{path}: line {number}")
                except DataError:
                    if line.endswith(b"\n"):
                        raise
                    break
                last[found.path] = found
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name a report in JSON Lines") from error
    yield from last.values()


def texts_for(
    tool: str | None, alone: bool, tolerance: str | None, options: DetectOptions
) -> Texts[SyncReport]:
    """How answers are told. Raises UsageError for a program that is not known."""
    if tool:
        return texts.ForTool(check_tool(tool), options)
    return texts.AtLength(sys.stdout) if alone else texts.Table(Allowed.of(tolerance))


def pictures(
    pages: Pages | None, plot: Path | None, alone: bool, *, force: bool, go_on: bool
) -> list[Picture]:
    """What is to be drawn, ready to be written.

    Raises UsageError for what cannot be had together, OutputError for what cannot be written.
    """
    if plot and not alone:
        raise UsageError("of one file only; for several there is --report", "plot", plot)
    shown: list[Picture] = []
    if pages:
        pages.prepare(force=force, go_on=go_on)
        shown.append(pages)
    if plot:
        Plot(plot).prepare(force=force)
        shown.append(Plot(plot))
    return shown


def pages_for(
    report: Path | None, how: BatchOptions, alone: bool, tolerance: str | None, *, preview: bool
) -> Pages | None:
    """What `--report` asks for. Raises UsageError for what cannot be had together."""
    if report is None:
        if preview:
            raise UsageError("--preview belongs to --report; for a video see avsync preview")
        return None
    if how.engine != "local":
        raise UsageError(
            "--report is written on this machine: leave out --engine, or make the page later "
            "with avsync report"
        )
    return Pages(report, alone, tolerance, preview)


@contextmanager
def with_overview(pages: Pages | None, resumed: Path | None) -> Iterator["Overview"]:
    """Keeps what is answered; the overview is written when the run ends, however it ends."""
    overview = Overview(kept=pages is not None and not pages.alone)
    try:
        yield overview
    finally:
        if pages and overview.kept:
            found = read_reports(resumed) if resumed else overview.reports
            _write_overview(found, pages.target, pages.tolerance)


@contextmanager
def fix_pages(pages: Pages | None) -> Iterator[Watch]:
    """Writes the page of each file that was put right, and in the end that of all."""
    kept: list[FixReport] = []

    def watch(answers: Iterable[Result[FixReport]]) -> Iterator[Result[FixReport]]:
        for answer in answers:
            if pages:
                from avsync.pages.fixed import write_fix_page

                write_fix_page(answer.report, pages)
                kept.append(answer.report)
            yield answer

    try:
        yield watch
    finally:
        if pages and not pages.alone:
            from avsync.pages.fixed import write_fix_overview

            write_fix_overview(kept, pages)


class Overview:
    """The answers that have come so far."""

    def __init__(self, *, kept: bool) -> None:
        self.kept = kept  # whether anybody will want them
        self.reports: list[SyncReport] = []

    def watch(self, answers: Iterable[Result[SyncReport]]) -> Iterator[Result[SyncReport]]:
        """Pass them on."""
        for answer in answers:
            if self.kept:
                self.reports.append(answer.report)
            yield answer


def _write_overview(reports: Iterable[SyncReport], folder: Path, tolerance: str | None) -> None:
    from avsync.pages.overview import write_overview

    try:
        write_overview(reports, folder, Allowed.of(tolerance))
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there: {error.strerror}") from error


def _report_in(line: bytes, where: str) -> SyncReport:
    try:
        fields = json.loads(line)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise DataError(f"{where} is no JSON object; name a report in JSON Lines")
    try:
        return SyncReport.from_dict(fields)
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
