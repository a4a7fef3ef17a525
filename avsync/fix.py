"""The chain that puts a file right: detect -> decide -> write -> measure again -> report.

What was written is measured before it gets its name: a result that is not right never lands.
"""

import os
import shlex
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from avsync import ffmpeg, media, packets
from avsync.containers import COVER
from avsync.detect import detect
from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, UsageError
from avsync.fix_report import FixReport
from avsync.inputs import local_file
from avsync.inventory import Inventory, Stream, measured_bitrate, take_inventory
from avsync.remux import (
    OUTPUT,
    Cure,
    Encoding,
    Plan,
    Wishes,
    cover_arguments,
    encoder_for,
    is_lossless,
    moved_streams,
    must_reencode,
    plan,
)
from avsync.report import SyncReport
from avsync.safe_output import check_target, safe_output
from avsync.timebase import FRAME_MS, offset_in_words, stretch_of_drift
from avsync.tolerance import STANDARDS, Tolerance
from avsync.tools import DetectOptions, Tools, open_tools
from avsync.writing import Planner, write

MAX_RESIDUAL_MS = FRAME_MS  # what is farther off than a frame after its cure was not cured


@dataclass(frozen=True, slots=True)
class FixOptions:
    """How to look at a file, and how to write it."""

    detect: DetectOptions = field(default_factory=DetectOptions)
    offset_ms: float | None = None  # known already: delay the sound by it; None: measure
    tolerance: Tolerance = STANDARDS["ebu-r37"]  # what is inside is left alone
    always_write: bool = False  # copy what is left alone
    force: bool = False  # replace an existing output
    dry_run: bool = False  # only say what ffmpeg would be asked to do
    drift: bool = True  # also look for sound that runs away
    wishes: Wishes = field(default_factory=Wishes)

    def __post_init__(self) -> None:
        moved, heard = self.wishes.audio_track, self.detect.audio_track
        if moved is not None and moved < 1:
            raise UsageError(f"--audio-track {moved}: tracks count from 1")
        if moved and heard and moved != heard:
            raise UsageError(f"audio track {heard} to be heard, {moved} to be moved: name one")
        if self.offset_ms is not None and not abs(self.offset_ms) <= 3_600_000:
            raise UsageError(f"--offset {self.offset_ms:g}: at most an hour, in milliseconds")


def fix(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: FixOptions | None = None,
    *,
    tools: Tools | None = None,
    progress: Progress = silent,
) -> FixReport:
    """Write `path` to `output` with sound and picture in step, and measure the result.

    Where the offset cannot be told, or the result does not measure as right, nothing is written
    and the report says why. Raises an `AvsyncError` where a file cannot be read or written.
    """
    options = options or FixOptions()
    source, target = local_file(path), Path(output)
    options = _with_tracks(source, options)
    inventory = take_inventory(source)
    check_target(source, target, options.force)
    moved_streams(inventory, options.wishes)
    report = FixReport(os.fspath(path), None, "fixed", options.offset_ms)
    cure = Cure(options.offset_ms or 0.0)
    if options.offset_ms is None:
        tools = tools or open_tools(options.detect, progress)
        before = _measure(source, source, options, tools, progress)
        report = replace(report, offset_ms=before.offset_ms, before=before)
        if reasons := _why_not(before):
            return replace(report, status="undetermined", reasons=reasons)
        report = replace(report, drift_ppm=_drift_ppm(before))
        if options.tolerance.allows(before):
            return _leave_alone(report, source, target, options)
        cure = Cure(before.offset_ms or 0.0, stretch_of_drift(before.drift_ms_per_minute))
    planner = planner_for(inventory, target, cure, options.wishes)
    planned = planner(())
    report = replace(report, method=_method(planned, cure), notes=planned.notes)
    if options.dry_run:
        return replace(
            report, status="planned", commands=_commands(planned, inventory, target, options)
        )
    return _write_and_prove(report, planner, inventory, target, options, tools, progress)


def _with_tracks(source: Path, options: FixOptions) -> FixOptions:
    """With the tracks that are measured: the output may call others its default.

    Raises MediaError, as `detect` does, where there is no such file or track.
    """
    look = options.detect
    info = media.probe(source, options.wishes.audio_track or look.audio_track, look.video_track)
    look = replace(look, audio_track=info.audio_track, video_track=info.video_track)
    return replace(options, detect=look)


def _measure(
    path: Path, name: Path, options: FixOptions, tools: Tools, progress: Progress
) -> SyncReport:
    """Look at all of a file, since drift and steps must not be missed; it is called `name`."""
    listening = replace(options.detect, varies=options.drift, thorough=True)
    return replace(detect(path, listening, tools=tools, progress=progress), path=os.fspath(name))


def _drift_ppm(report: SyncReport) -> float:
    return round(report.drift_ms_per_minute * 1000 / 60, 1)


def _why_not(before: SyncReport) -> tuple[str, ...]:
    """Why nothing can be done about a file; empty: it can."""
    if before.offset_ms is None:
        return before.reasons
    if len(before.segments) > 1:
        places = ", ".join(f"{segment.start_seconds:.1f} s" for segment in before.segments[1:])
        return (f"the offset steps (at {places}): cut the file there, then fix each part",)
    return ()


def _leave_alone(report: FixReport, source: Path, target: Path, options: FixOptions) -> FixReport:
    """What is right already is not written, or copied byte for byte."""
    report = replace(report, status="in_tolerance")
    if not options.always_write:
        return report
    if options.dry_run:
        return replace(report, commands=(shlex.join(["cp", "--", str(source), str(target)]),))
    with safe_output(source, target, options.force, source.stat().st_size) as draft:
        shutil.copyfile(source, draft.path)
        draft.publish()
    return replace(report, output=os.fspath(target))


def planner_for(inventory: Inventory, target: Path, cure: Cure, wishes: Wishes) -> Planner:
    """What ffmpeg has to do, with the encoders it has."""
    if not must_reencode(target.suffix, cure, wishes):
        return lambda left_out: plan(inventory, target.suffix, cure, wishes, {}, 0.0, left_out)
    available = ffmpeg.encoders()
    encodings = {
        stream.index: Encoding(encoder_for(stream, available), _bitrate(inventory.path, stream))
        for stream in moved_streams(inventory, wishes)
    }
    start = 0.0
    if video := media.probe(inventory.path).video:
        first = packets.first_stamp_seconds(inventory.path, video.index)
        start = max(0.0, (first or 0.0) - inventory.start_seconds)
    return lambda left_out: plan(inventory, target.suffix, cure, wishes, encodings, start, left_out)


def _bitrate(path: Path, stream: Stream) -> int | None:
    if is_lossless(stream.codec):
        return None
    return stream.bits_per_second or measured_bitrate(path, stream.index)


def _method(planned: Plan, cure: Cure) -> Literal["copy", "encode", "resample"]:
    if planned.is_copy:
        return "copy"
    return "encode" if cure.stretch == 1.0 else "resample"


def _commands(
    planned: Plan, inventory: Inventory, target: Path, options: FixOptions
) -> tuple[str, ...]:
    """Commands for a shell; without --force they replace nothing, either."""
    program = [ffmpeg.find_ffmpeg(), "-nostdin"]
    pictures = {f"{COVER}{index}": f"{target}.cover{index}" for index in planned.covers}
    replaced = {OUTPUT: ffmpeg.input_url(target), "-y": "-y" if options.force else "-n"}
    arguments = [(replaced | pictures).get(part, part) for part in planned.arguments]
    before = [
        [ffmpeg.input_url(picture) if part == OUTPUT else part for part in extraction]
        for index, picture in zip(planned.covers, pictures.values(), strict=True)
        for extraction in (cover_arguments(inventory.path, index),)
    ]
    return tuple(shlex.join([*program, *each]) for each in (*before, arguments))


def _write_and_prove(
    report: FixReport,
    planner: Planner,
    inventory: Inventory,
    target: Path,
    options: FixOptions,
    tools: Tools | None,
    progress: Progress,
) -> FixReport:
    """Write beside the target, measure, and give it its name only if it is right."""
    source = inventory.path
    with safe_output(source, target, options.force, source.stat().st_size) as draft:
        notes = write(planner, inventory, draft.path, target, progress)
        report = replace(report, notes=(*report.notes, *notes))
        try:
            tools = tools or open_tools(options.detect, progress)
            after = _measure(draft.path, target, options, tools, progress)
            doubts = _doubts(after)
            report = replace(report, after=after, residual_ms=after.offset_ms)
        except AvsyncError as error:
            if options.offset_ms is None:
                raise
            doubts = (f"not measured after the fix: {error}",)
        if doubts and options.offset_ms is None:
            return replace(report, status="unproven", reasons=doubts, residual_ms=None)
        draft.publish()
    return replace(report, output=os.fspath(target), notes=(*report.notes, *doubts))


def _doubts(after: SyncReport) -> tuple[str, ...]:
    """Why what was written does not measure as right; empty: it does."""
    if after.offset_ms is None:
        return (f"measured after the fix, nothing can be told: {'; '.join(after.reasons)}",)
    if after.drift_ms_per_minute:
        return (f"measured after the fix, sound drifts by {_drift_ppm(after):.0f} ppm",)
    worst = max(after.range_ms, key=abs)
    if abs(worst) > MAX_RESIDUAL_MS:
        return (f"measured after the fix, {offset_in_words(worst)}",)
    return ()
