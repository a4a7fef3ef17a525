"""`avsync fix`."""

import json
import signal
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from avsync.cli import options as opt
from avsync.console import Exit, progress_bar
from avsync.detect import DetectOptions
from avsync.errors import UsageError
from avsync.fix import FixOptions
from avsync.fix_many import fix_all, is_folder_wanted, targets
from avsync.fix_report import FixReport
from avsync.remux import Wishes
from avsync.report import Tolerance

STATUS = {"error": Exit.FAILED, "undetermined": Exit.UNDETERMINED, "unproven": Exit.UNDETERMINED}


Inputs = Annotated[
    list[str], typer.Argument(help="Videos, folders of videos, or - for a list on stdin.")
]
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
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object; a list for several.")]
AsJsonl = Annotated[bool, typer.Option("--jsonl", help="A JSON object a line, as known.")]
Range = Annotated[float, typer.Option(help="Search so many seconds to either side.")]


def fix(
    inputs: Inputs,
    output: Output,
    offset: Offset = None,
    audio_track: Track = None,
    reencode_audio: Reencode = False,
    drift: Drift = True,
    keep_pitch: Pitch = False,
    tolerance: Tolerable = "ebu-r37",
    always_write: Always = False,
    force: opt.Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    as_jsonl: AsJsonl = False,
    max_offset: Range = 1.0,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    weights: opt.WeightsName = "default",
    device: opt.Device = "auto",
    quiet: opt.Quiet = False,
) -> None:
    """Put sound and picture in step without encoding anything again, and measure the result.

    One file:  avsync fix talk.mp4 -o talk.synced.mp4

    Many:      avsync fix rushes/ -o synced/
    """
    if as_json and as_jsonl:
        raise UsageError("choose one of --json and --jsonl")
    options = FixOptions(
        DetectOptions(max_offset, faces, cropped, weights, device=device),
        offset,
        Tolerance.of(tolerance),
        always_write,
        force,
        dry_run,
        drift,
        Wishes(audio_track, reencode_audio, keep_pitch),
    )
    several = is_folder_wanted(inputs, output)
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _leave)  # through every `finally`, so that nothing stays behind
    with progress_bar(quiet) as progress:
        reports = fix_all(targets(inputs, output, sys.stdin), options, progress)
        worst = _write(reports, as_json, as_jsonl, several)
    raise typer.Exit(worst)


def _write(reports: Iterable[FixReport], as_json: bool, as_jsonl: bool, several: bool) -> Exit:
    """Say each file's fate as soon as it is known; returns the exit status."""
    worst, kept = Exit.OK, []
    for report in reports:
        if report.status == "error":
            print(f"avsync: {'; '.join(report.reasons)}", file=sys.stderr)
        worst = _worse(worst, STATUS.get(report.status, Exit.OK))
        if as_json:
            kept.append(report.to_dict())
        elif as_jsonl:
            print(report.to_json(), flush=True)
        elif report.status != "error":
            print(report.to_text(), flush=True)
    if as_json:
        print(json.dumps(kept if several or not kept else kept[0], indent=2))
    return worst


def _worse(a: Exit, b: Exit) -> Exit:
    return max(a, b, key=(Exit.OK, Exit.UNDETERMINED, Exit.FAILED).index)


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(128 + number)
