"""`avsync detect`."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from avsync.batch.detect import detect_all, detect_one
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile, sync_in_short
from avsync.cli import options as opt
from avsync.cli import reporting
from avsync.cli.console import ExitStatus, Output, write_reports
from avsync.cli.files import Files
from avsync.cli.progress import batch_view, progress_bar
from avsync.pages.folder import Pages
from avsync.pages.shown import Shown
from avsync.pipeline.options import DetectOptions
from avsync.report import COLUMNS, SyncReport
from avsync.tolerance import ACCEPT, Tolerance


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
        max_offset, faces, cropped, weights, upstream_scoring, device, runtime, audio,
        audio_track, video_track, thorough=thorough, accept=accept)  # fmt: skip
    how = BatchOptions(jobs, timeout, ordered or as_json, engine, ray_address)
    names = opt.named(inputs, null)
    output = Output(
        partial(_status_of, allowed=Tolerance.of(tolerance) if tolerance else None),
        COLUMNS, opt.form(as_json, as_jsonl, as_csv, resume), opt.is_alone(names),
        curve, verbose, opt.wanted(min_confidence, max_abs_offset, resume).wants,
        texts=reporting.texts_for(tool, opt.is_alone(names), tolerance, chosen),
    )  # fmt: skip
    pages = reporting.pages_for(report, how, output.alone, tolerance, preview=preview)
    shown = reporting.pictures(pages, plot, output.alone, force=force, go_on=bool(resume))
    run = _Run(Files(names, globs or [], null), resume, quiet, pages, shown)
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

    files: Files
    resume: Path | None
    quiet: bool
    pages: Pages | None
    shown: Shown

    def one(
        self, options: DetectOptions, how: BatchOptions, output: Output[SyncReport]
    ) -> ExitStatus:
        """Measure the file that is named, in this process."""
        with progress_bar(self.quiet) as progress:
            return write_reports(
                detect_one(self.files.names[0], options, progress, self.shown), output
            )

    def many(
        self, options: DetectOptions, how: BatchOptions, output: Output[SyncReport]
    ) -> ExitStatus:
        """Measure all that is named, in workers."""
        paths, total = self.files.paths()
        with ExitStack() as stack:
            report = (
                stack.enter_context(ReportFile(self.resume, sync_in_short)) if self.resume else None
            )
            view = stack.enter_context(batch_view(self.quiet, total))
            overview = stack.enter_context(reporting.with_overview(self.pages, self.resume))
            found = detect_all(paths, options, how, report, view.progress, self.shown)
            answers = overview.watch(stack.enter_context(closing(found)))
            into = partial(report.append, curve=output.curve) if report else None
            return write_reports(view.watch(answers), replace(output, into=into))
