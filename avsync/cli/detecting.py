"""`avsync detect`."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from avsync.batch.detect import detect_all, detect_one
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile
from avsync.cli import options as opt
from avsync.cli import reporting
from avsync.cli.console import ExitStatus, Output, write_reports
from avsync.cli.progress import batch_view, progress_bar
from avsync.errors import UsageError
from avsync.media.files import passes_by
from avsync.media.search import LIST, find_media, read_names
from avsync.pages.folder import Pages
from avsync.pages.shown import Shown
from avsync.pipeline.options import DetectOptions
from avsync.report import COLUMNS, SyncReport
from avsync.tolerance import ACCEPT, Tolerance

STDIN = 0  # its descriptor


def detect(
    inputs: opt.Inputs = None,
    as_json: opt.AsJson = False,
    as_jsonl: opt.AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    curve: opt.WithCurve = False,
    max_offset: opt.MaxOffset = 1.0,
    accept: opt.Accept = ACCEPT,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    weights: opt.WeightsName = "default",
    upstream_scoring: opt.UpstreamScoring = False,
    thorough: opt.Thorough = False,
    tolerance: opt.ToleranceName = None,
    audio: opt.Audio = None,
    audio_track: opt.AudioTrack = None,
    video_track: opt.VideoTrack = None,
    device: opt.Device = "auto",
    runtime: opt.Runtime = "auto",
    min_confidence: opt.MinConfidence = None,
    max_abs_offset: opt.MaxAbsOffset = None,
    globs: opt.Globs = None,
    null: opt.Null = False,
    jobs: opt.Jobs = None,
    timeout: opt.Timeout = None,
    ordered: opt.Ordered = False,
    resume: opt.Resume = None,
    engine: opt.Engine = "local",
    ray_address: opt.RayAddress = None,
    report: reporting.Report = None,
    preview: reporting.Preview = False,
    plot: reporting.PlotFile = None,
    tool: reporting.ForTool = None,
    force: opt.Force = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_schema: Annotated[bool, opt.json_schema(SyncReport)] = False,
) -> None:
    """Measure how far sound and picture are apart.

    One file, in words:   avsync detect talk.mp4

    Many, for a program:  find . -name '*.mp4' | avsync detect - --jsonl > report.jsonl
    """
    chosen = DetectOptions(
        max_offset, faces, cropped, weights, upstream_scoring, device, runtime,
        audio, audio_track, video_track, thorough=thorough, accept=accept,
    )  # fmt: skip
    how = BatchOptions(jobs, timeout, ordered or as_json, engine, ray_address)
    wanted = opt.wanted(min_confidence, max_abs_offset, resume)
    names = opt.named(inputs, null)
    output = Output(
        partial(_status_of, allowed=Tolerance.of(tolerance) if tolerance else None),
        COLUMNS, opt.form(as_json, as_jsonl, as_csv, resume), opt.is_alone(names),
        curve, verbose, wanted.wants,
        texts=reporting.texts_for(tool, opt.is_alone(names), tolerance, chosen),
    )  # fmt: skip
    pages = reporting.pages_for(report, how, output.alone, tolerance, preview=preview)
    shown = reporting.pictures(pages, plot, output.alone, force=force, go_on=bool(resume))
    run = _Run(names, globs or [], null, resume, quiet, pages, shown)
    alone = output.alone and not (timeout or resume or engine != "local")
    raise typer.Exit((run.one if alone else run.many)(chosen, how, output))


def _status_of(report: SyncReport, allowed: Tolerance | None) -> ExitStatus:
    if report.status == "error":
        return ExitStatus.FAILED
    if report.offset_ms is None:
        return ExitStatus.UNDETERMINED
    if allowed and not allowed.allows(report):
        return ExitStatus.OUTSIDE_TOLERANCE
    return ExitStatus.OK


@dataclass(frozen=True, slots=True)
class _Run:
    """Where files come from, and who looks on."""

    names: list[str]
    globs: list[str]
    null: bool
    resume: Path | None
    quiet: bool
    pages: Pages | None
    shown: Shown

    def one(
        self, options: DetectOptions, how: BatchOptions, output: Output[SyncReport]
    ) -> ExitStatus:
        """Measure the file that is named, in this process."""
        with progress_bar(self.quiet) as progress:
            return write_reports(detect_one(self.names[0], options, progress, self.shown), output)

    def many(
        self, options: DetectOptions, how: BatchOptions, output: Output[SyncReport]
    ) -> ExitStatus:
        """Measure all that is named, in workers."""
        if passing := [name for name in self.names if passes_by(name)]:
            why = "is read alone, without --timeout, --resume, --engine"
            raise UsageError(f"{passing[0]}: {why}")
        paths, total = self._paths()
        with ExitStack() as stack:
            report = stack.enter_context(ReportFile(self.resume)) if self.resume else None
            view = stack.enter_context(batch_view(self.quiet, total))
            overview = stack.enter_context(reporting.with_overview(self.pages, self.resume))
            found = detect_all(paths, options, how, report, view.progress, self.shown)
            answers = overview.watch(stack.enter_context(closing(found)))
            into = partial(report.append, curve=output.curve) if report else None
            return write_reports(view.watch(answers), replace(output, into=into))

    def _paths(self) -> tuple[Iterator[str], int | None]:
        """The files, and how many they are where that is known."""
        listed = read_names(STDIN, b"\0" if self.null else b"\n")
        paths = find_media(self.names, listed, self.globs, exact=self.null)
        if LIST in self.names:
            return paths, None
        found = list(paths)
        return iter(found), len(found)
