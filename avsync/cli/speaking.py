"""`avsync speakers`."""

from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile, speakers_in_short
from avsync.batch.speakers import find_speakers_in_all, find_speakers_in_one
from avsync.cli import options as opt
from avsync.cli.console import ExitStatus, Output, Texts, write_reports
from avsync.cli.files import Files
from avsync.cli.progress import batch_view, progress_bar
from avsync.cli.turns import RttmLines, VttCues
from avsync.errors import UsageError
from avsync.pipeline.options import DetectOptions
from avsync.speakers import COLUMNS, SpeakerReport

STATUS = {"error": ExitStatus.FAILED, "undetermined": ExitStatus.UNDETERMINED}

AsRttm = Annotated[bool, opt.answer_option("--rttm", help="RTTM, as diarization has it.")]
AsVtt = Annotated[bool, opt.answer_option("--vtt", help="WebVTT, with a NOTE on each face.")]
WithFrames = Annotated[
    bool, opt.answer_option("--frames", help="JSON with box and score of every 40 ms.")
]


def speakers(
    inputs: opt.Inputs = None,
    as_json: opt.AsJson = False,
    as_jsonl: opt.AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    as_rttm: AsRttm = False,
    as_vtt: AsVtt = False,
    frames: WithFrames = False,
    max_offset: opt.MaxOffset = 1.0,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
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
    resume: opt.Resume = None,
    engine: opt.Engine = "local",
    ray_address: opt.RayAddress = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_schema: Annotated[bool, opt.json_schema(SpeakerReport)] = False,
) -> None:
    """Find who on screen speaks when.

    One file, in words:     avsync speakers talk.mp4

    Many, for diarization:  avsync speakers talks/ --rttm > talks.rttm
    """
    chosen = DetectOptions(
        max_offset, faces, cropped, weights, device=device, runtime=runtime,
        audio=audio, audio_track=audio_track, video_track=video_track,
    )  # fmt: skip
    how = BatchOptions(jobs, timeout, ordered or as_json, engine, ray_address)
    names = opt.named(inputs, null)
    is_alone = opt.is_alone(names)
    form = opt.form(as_json, as_jsonl, as_csv, resume)
    texts = _texts(as_rttm, as_vtt, is_alone)
    if texts and (as_json or as_jsonl or as_csv or resume):
        raise UsageError("--rttm and --vtt go with no other form, and not with --resume")
    output = Output(_status_of, COLUMNS, form, is_alone, frames, verbose, texts=texts)
    run = _Run(Files(names, globs or [], null), resume, quiet)
    alone = is_alone and not (timeout or resume or engine != "local")
    raise typer.Exit((run.one if alone else run.many)(chosen, how, output))


def _texts(as_rttm: bool, as_vtt: bool, is_alone: bool) -> Texts[SpeakerReport] | None:
    if as_rttm and as_vtt:
        raise UsageError("choose one of --rttm and --vtt")
    if as_vtt and not is_alone:
        raise UsageError("--vtt is of one file: a WebVTT file has one timeline")
    return RttmLines() if as_rttm else VttCues() if as_vtt else None


def _status_of(report: SpeakerReport) -> ExitStatus:
    return STATUS.get(report.status, ExitStatus.OK)


@dataclass(frozen=True, slots=True)
class _Run:
    """Where files come from."""

    files: Files
    resume: Path | None
    quiet: bool

    def one(
        self, options: DetectOptions, how: BatchOptions, output: Output[SpeakerReport]
    ) -> ExitStatus:
        """Look at the file that is named, in this process."""
        with progress_bar(self.quiet) as progress:
            return write_reports(
                find_speakers_in_one(self.files.names[0], options, progress), output
            )

    def many(
        self, options: DetectOptions, how: BatchOptions, output: Output[SpeakerReport]
    ) -> ExitStatus:
        """Look at all that is named, in workers."""
        paths, total = self.files.paths()
        with ExitStack() as stack:
            report = None
            if self.resume:
                report = stack.enter_context(ReportFile(self.resume, speakers_in_short))
            view = stack.enter_context(batch_view(self.quiet, total))
            found = find_speakers_in_all(paths, options, how, report, view.progress)
            answers = stack.enter_context(closing(found))
            into = partial(report.append, curve=output.curve) if report else None
            return write_reports(view.watch(answers), replace(output, into=into))
