"""`avsync clips`."""

from contextlib import ExitStack, closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avsync.batch.clips import ClipsJob
from avsync.batch.options import BatchOptions
from avsync.cli import options as opt
from avsync.cli.console import ExitStatus, Output, write_reports
from avsync.cli.files import Files
from avsync.cli.progress import batch_view
from avsync.clips import COLUMNS, ClipsReport
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.options import DetectOptions

STATUS = {"error": ExitStatus.FAILED, "undetermined": ExitStatus.UNDETERMINED}


class Crop(StrEnum):
    """What clips show."""

    FACE = "face"
    MOUTH = "mouth"
    NONE = "none"


def clips(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the clips.")],
    inputs: opt.Inputs = None,
    min_seconds: Annotated[float, typer.Option(help="Shorter clips are left out.")] = 1.0,
    max_seconds: Annotated[float, typer.Option(help="Longer ones are divided.")] = 20.0,
    crop: Annotated[
        Crop, typer.Option(help="face as in LRS and SyncNet, mouth, or none: all of the picture.")
    ] = Crop.FACE,
    size: Annotated[int, typer.Option(help="Side of a crop in pixels.")] = 224,
    as_json: opt.AsJson = False,
    as_jsonl: opt.AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    boxes: Annotated[
        bool, opt.answer_option("--frames", help="JSON with the box of every 40 ms.")
    ] = False,
    max_offset: opt.MaxOffset = 1.0,
    faces: opt.Faces = "auto",
    weights: opt.WeightsName = "default",
    audio: opt.Audio = None,
    audio_track: opt.AudioTrack = None,
    video_track: opt.VideoTrack = None,
    device: opt.Device = "auto",
    runtime: opt.Runtime = "auto",
    globs: opt.Globs = None,
    null: opt.Null = False,
    jobs: opt.Jobs = None,
    timeout: opt.Timeout = None,
    ordered: opt.Ordered = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_schema: Annotated[bool, opt.json_schema(ClipsReport)] = False,
) -> None:
    """Cut raw videos into clips in which one face is seen and heard to speak, in step.

    A clean data set:  avsync clips raw/ -o data/

    And training:      avsync train data/manifest.tsv -o mine.safetensors

    Interrupted, the same command goes on. clips.jsonl in the folder tells of every clip;
    manifest.tsv is what prepare, train and evaluate read.
    """
    wanted = ClipOptions(min_seconds, max_seconds, crop.value, size)
    chosen = DetectOptions(
        max_offset, faces, weights=weights, device=device, runtime=runtime,
        audio=audio, audio_track=audio_track, video_track=video_track,
    )  # fmt: skip
    names = opt.named(inputs, null)
    form = opt.form(as_json, as_jsonl, as_csv, None)
    told = Output(_status_of, COLUMNS, form, opt.is_alone(names), boxes, verbose)
    paths, total = Files(names, globs or [], null).paths()
    how = BatchOptions(jobs, timeout, ordered or as_json)
    with ExitStack() as stack:
        view = stack.enter_context(batch_view(quiet, total))
        found = ClipsJob(output, wanted).run(paths, chosen, how, view.progress)
        answers = stack.enter_context(closing(found))
        raise typer.Exit(write_reports(view.watch(answers), told))


def _status_of(report: ClipsReport) -> ExitStatus:
    return STATUS.get(report.status, ExitStatus.OK)
