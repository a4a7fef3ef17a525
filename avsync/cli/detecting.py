"""`avsync detect`."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from avsync.batch.detect import BatchOptions, detect_all, detect_one, find_media, read_names
from avsync.batch.resume import ReportFile
from avsync.cli import options as opt
from avsync.cli import reporting
from avsync.cli.console import ExitStatus, Output, batch_view, progress_bar, write_reports
from avsync.errors import UsageError
from avsync.media.files import LIST, passes_by
from avsync.pages.folder import Pages
from avsync.pipeline.options import DetectOptions
from avsync.tolerance import Filter, Tolerance

STDIN = 0  # its descriptor


def detect(
    inputs: opt.Inputs = None,
    as_json: opt.AsJson = False,
    as_jsonl: opt.AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    max_offset: Annotated[float, typer.Option(help="Search so many seconds to either side.")] = 1.0,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    weights: opt.WeightsName = "default",
    upstream_scoring: Annotated[
        bool,
        typer.Option("--upstream-scoring", help="Also LSE-D, LSE-C and offset as SyncNet has."),
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Look at long files from end to end.")
    ] = False,
    tolerance: opt.ToleranceName = None,
    audio_track: opt.AudioTrack = None,
    video_track: opt.VideoTrack = None,
    device: opt.Device = "auto",
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
    force: opt.Force = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Measure how far sound and picture are apart.

    One file, in words:   avsync detect talk.mp4

    Many, for a program:  find . -name '*.mp4' | avsync detect - --jsonl > report.jsonl
    """
    chosen = DetectOptions(
        max_offset,
        faces,
        cropped,
        weights,
        upstream_scoring,
        device,
        audio_track,
        video_track,
        thorough=thorough,
    )
    how = BatchOptions(jobs, timeout, ordered or as_json, engine, ray_address)
    form = opt.form(as_json, as_jsonl, as_csv, resume)
    wanted = Filter(min_confidence, max_abs_offset)
    if resume and wanted.asks:
        raise UsageError("--resume keeps every answer: filter the finished report instead")
    allowed = Tolerance.of(tolerance) if tolerance else None
    names = opt.named(inputs, null)
    alone = len(names) == 1 and names[0] != LIST and not os.path.isdir(names[0])
    output = Output(form, alone, allowed, wanted, verbose=verbose)
    pages = reporting.pages_for(report, how, alone, tolerance, preview=preview)
    if pages:
        pages.prepare(force=force, go_on=resume is not None)
    if alone and not (timeout or resume or engine != "local"):
        with progress_bar(quiet) as progress:
            worst = write_reports(detect_one(names[0], chosen, progress, pages), output)
    else:
        if passing := [name for name in names if passes_by(name)]:
            raise UsageError(f"{passing[0]}: is read alone, without --timeout, --resume, --engine")
        batch = _Batch(names, globs or [], null, resume, quiet, pages)
        worst = _detect_many(batch, chosen, how, output)
    raise typer.Exit(worst)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Where many files come from, and who looks on."""

    names: list[str]
    globs: list[str]
    null: bool
    resume: Path | None
    quiet: bool
    pages: Pages | None

    def paths(self) -> tuple[Iterator[str], int | None]:
        """The files, and how many they are where that is known."""
        listed = read_names(STDIN, b"\0" if self.null else b"\n")
        paths = find_media(self.names, listed, self.globs, exact=self.null)
        if LIST in self.names:
            return paths, None
        found = list(paths)
        return iter(found), len(found)


def _detect_many(
    batch: _Batch, options: DetectOptions, how: BatchOptions, output: Output
) -> ExitStatus:
    paths, total = batch.paths()
    with ExitStack() as stack:
        report = stack.enter_context(ReportFile(batch.resume)) if batch.resume else None
        view = stack.enter_context(batch_view(batch.quiet, total))
        overview = stack.enter_context(reporting.with_overview(batch.pages, batch.resume))
        found = detect_all(paths, options, how, report, view.progress, batch.pages)
        answers = overview.watch(stack.enter_context(closing(found)))
        return write_reports(view.watch(answers), replace(output, into=report))
