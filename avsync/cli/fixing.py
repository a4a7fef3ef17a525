"""`avsync fix`."""

import signal
from contextlib import ExitStack, closing
from typing import Annotated, Any

import typer

from avsync.batch.fix import Places, fix_all, fix_one
from avsync.batch.options import BatchOptions
from avsync.cli import options as opt
from avsync.cli import reporting
from avsync.cli.console import ExitStatus, Output, write_reports
from avsync.cli.progress import batch_view, progress_bar
from avsync.media.search import LIST, read_names
from avsync.pages.folder import Pages
from avsync.pipeline.options import DetectOptions
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.remux.report import COLUMNS, FixReport
from avsync.tolerance import ACCEPT, DEFAULT, Tolerance

STATUS = {
    "error": ExitStatus.FAILED,
    "undetermined": ExitStatus.UNDETERMINED,
    "unverified": ExitStatus.UNDETERMINED,
}
STDIN = 0  # its descriptor

Target = Annotated[str, typer.Option("--output", "-o", help="File, or folder for several.")]
Offset = Annotated[
    float | None, typer.Option(help="Delay the sound by so many ms; do not measure before.")
]
Track = Annotated[
    int | None, typer.Option(help="Measure and move this track alone; 1 is the first.")
]
Reencode = Annotated[
    bool, typer.Option("--reencode-audio", help="For players that ignore start times.")
]
Drift = Annotated[bool, typer.Option(help="Also look for sound that runs away.")]
Pitch = Annotated[
    bool, typer.Option("--keep-pitch", help="Correct drift without a change of pitch.")
]
KeepSound = Annotated[
    bool, typer.Option("--keep-sound", help="Beside --audio, keep the film's own sound, as it is.")
]
Tolerable = Annotated[str, typer.Option(help="Leave alone what is inside: as in detect.")]
Always = Annotated[bool, typer.Option("--always-write", help="Copy what is inside the tolerance.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the ffmpeg command, write nothing.")]


def fix(
    output: Target,
    inputs: opt.Inputs = None,
    offset: Offset = None,
    audio_track: Track = None,
    video_track: opt.VideoTrack = None,
    reencode_audio: Reencode = False,
    drift: Drift = True,
    keep_pitch: Pitch = False,
    tolerance: Tolerable = DEFAULT,
    always_write: Always = False,
    force: opt.Force = False,
    dry_run: DryRun = False,
    as_json: opt.AsJson = False,
    as_jsonl: opt.AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    curve: opt.WithCurve = False,
    max_offset: opt.MaxOffset = 1.0,
    accept: opt.Accept = ACCEPT,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    weights: opt.WeightsName = "default",
    audio: opt.Audio = None,
    keep_sound: KeepSound = False,
    device: opt.Device = "auto",
    runtime: opt.Runtime = "auto",
    globs: opt.Globs = None,
    null: opt.Null = False,
    jobs: opt.Jobs = None,
    timeout: opt.Timeout = None,
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    report: reporting.Report = None,
    json_schema: Annotated[bool, opt.json_schema(FixReport)] = False,
) -> None:
    """Put sound and picture in step without encoding anything again, and measure the result.

    One file:  avsync fix talk.mp4 -o talk.synced.mp4

    Many:      avsync fix rushes/ -o synced/
    """
    options = FixOptions(
        DetectOptions(
            max_offset, faces, cropped, weights, device=device, runtime=runtime,
            audio=audio, video_track=video_track, accept=accept,
        ),
        offset, Tolerance.of(tolerance), always_write, force, dry_run, drift,
        RemuxOptions(audio_track, reencode_audio, keep_pitch, keep_sound),
    )  # fmt: skip
    how = BatchOptions(jobs, timeout, ordered or as_json)
    places = Places(opt.named(inputs, null), output, globs or [], null)
    _leave_nothing_behind()
    said = Output(_status_of, COLUMNS, opt.form(as_json, as_jsonl, as_csv, None),
                  not places.is_several, curve, verbose)  # fmt: skip
    if pages := Pages(report, said.alone, tolerance) if report else None:
        pages.prepare(force=force)
    run = _fix_many if places.is_several or timeout else _fix_alone
    with reporting.fix_pages(pages) as watch:
        raise typer.Exit(run(places, options, how, said, quiet, watch))


def _fix_alone(
    places: Places,
    options: FixOptions,
    how: BatchOptions,
    said: Output[FixReport],
    quiet: bool,
    watch: reporting.Watch,
) -> ExitStatus:
    ((path, target),) = places.pairs()
    with progress_bar(quiet) as progress:
        return write_reports(watch(fix_one(path, target, options, progress)), said)


def _fix_many(
    places: Places,
    options: FixOptions,
    how: BatchOptions,
    said: Output[FixReport],
    quiet: bool,
    watch: reporting.Watch,
) -> ExitStatus:
    pairs = places.pairs(read_names(STDIN, b"\0" if places.exact else b"\n"))
    total = None
    if LIST not in places.inputs:
        known = list(pairs)
        pairs, total = iter(known), len(known)
    with ExitStack() as stack:
        view = stack.enter_context(batch_view(quiet, total))
        answers = stack.enter_context(closing(fix_all(pairs, options, how, view.progress)))
        return write_reports(watch(view.watch(answers)), said)


def _status_of(report: FixReport) -> ExitStatus:
    return STATUS.get(report.status, ExitStatus.OK)


def _leave_nothing_behind() -> None:
    """Let what ends the program go through every `finally`."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _leave)


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
