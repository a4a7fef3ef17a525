"""`avsync fix`."""

import json
import signal
import sys
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from avsync.batch import BatchOptions, read_names
from avsync.cli import options as opt
from avsync.console import Exit, Form, batch_view, progress_bar, put_line, say, worse
from avsync.fix import FixOptions
from avsync.fix_many import Places, fix_all, fix_one
from avsync.fix_report import COLUMNS, FixReport
from avsync.inputs import LIST
from avsync.pool import Answer
from avsync.remux import Wishes
from avsync.report import csv_line
from avsync.tolerance import Tolerance
from avsync.tools import DetectOptions

STATUS = {"error": Exit.FAILED, "undetermined": Exit.UNDETERMINED, "unproven": Exit.UNDETERMINED}
STDIN = 0  # its descriptor

Output = Annotated[str, typer.Option("--output", "-o", help="File, or folder for several.")]
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
Pitch = Annotated[bool, typer.Option("--keep-pitch", help="Cure drift without a change of pitch.")]
Tolerable = Annotated[str, typer.Option(help="Leave alone what is inside: as in detect.")]
Always = Annotated[bool, typer.Option("--always-write", help="Copy what is inside the tolerance.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the ffmpeg command, write nothing.")]
Range = Annotated[float, typer.Option(help="Search so many seconds to either side.")]


def fix(
    output: Output,
    inputs: opt.Inputs = None,
    offset: Offset = None,
    audio_track: Track = None,
    video_track: opt.VideoTrack = None,
    reencode_audio: Reencode = False,
    drift: Drift = True,
    keep_pitch: Pitch = False,
    tolerance: Tolerable = "ebu-r37",
    always_write: Always = False,
    force: opt.Force = False,
    dry_run: DryRun = False,
    as_json: opt.AsJson = False,
    as_jsonl: opt.AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    max_offset: Range = 1.0,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    weights: opt.WeightsName = "default",
    device: opt.Device = "auto",
    globs: opt.Globs = None,
    null: opt.Null = False,
    jobs: opt.Jobs = None,
    timeout: opt.Timeout = None,
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Put sound and picture in step without encoding anything again, and measure the result.

    One file:  avsync fix talk.mp4 -o talk.synced.mp4

    Many:      avsync fix rushes/ -o synced/
    """
    form = opt.form(as_json, as_jsonl, as_csv, None)
    options = FixOptions(
        DetectOptions(max_offset, faces, cropped, weights, device=device, video_track=video_track),
        offset,
        Tolerance.of(tolerance),
        always_write,
        force,
        dry_run,
        drift,
        Wishes(audio_track, reencode_audio, keep_pitch),
    )
    how = BatchOptions(jobs, timeout, ordered or as_json)
    places = Places(opt.named(inputs, null), output, globs or [], null)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _leave)  # through every `finally`, so that nothing stays behind
    run = _fix_many if places.is_several or timeout else _fix_alone
    saying = _Saying(form, not places.is_several, quiet, verbose)
    raise typer.Exit(run(places, options, how, saying))


@dataclass(frozen=True, slots=True)
class _Saying:
    """What is said, and how."""

    form: Form
    alone: bool  # a single file was named
    quiet: bool
    verbose: bool


def _fix_alone(places: Places, options: FixOptions, how: BatchOptions, saying: _Saying) -> Exit:
    ((path, target),) = places.pairs()
    with progress_bar(saying.quiet) as progress:
        return _write(fix_one(path, target, options, progress), saying)


def _fix_many(places: Places, options: FixOptions, how: BatchOptions, saying: _Saying) -> Exit:
    pairs = places.pairs(read_names(STDIN, b"\0" if places.exact else b"\n"))
    total = None
    if LIST not in places.inputs:
        known = list(pairs)
        pairs, total = iter(known), len(known)
    with ExitStack() as stack:
        view = stack.enter_context(batch_view(saying.quiet, total))
        answers = stack.enter_context(closing(fix_all(pairs, options, how, view.progress)))
        return _write(view.watch(answers), saying)


def _write(answers: Iterable[Answer[FixReport]], saying: _Saying) -> Exit:
    """Say each file's fate as soon as it is known; returns the exit status."""
    worst, kept = Exit.OK, []
    if saying.form is Form.CSV:
        put_line(csv_line(COLUMNS), sys.stdout)
    for answer in answers:
        report = answer.report
        worst = worse(worst, STATUS.get(report.status, Exit.OK))
        say(answer, saying.verbose)
        if saying.form is Form.JSON:
            kept.append(report.to_dict())
        elif saying.form is Form.JSONL:
            put_line(report.to_json(), sys.stdout)
        elif saying.form is Form.CSV:
            put_line(csv_line(report.to_row()), sys.stdout)
        elif report.status != "error":
            put_line(report.to_text(), sys.stdout)
    if saying.form is Form.JSON:
        put_line(json.dumps(kept[0] if saying.alone else kept, indent=2), sys.stdout)
    return worst


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
