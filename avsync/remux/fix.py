"""The chain that puts a file right: detect -> decide -> write -> measure again -> report.

What was written is measured before it gets its name: a result that is not right never lands.
"""

import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Literal

from avsync.errors import AvsyncError
from avsync.media import ffmpeg
from avsync.media.container import take_inventory
from avsync.media.files import local_file, readable
from avsync.media.probe import probe
from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.sources import audio_of
from avsync.remux.commands import shell_commands
from avsync.remux.joining import Pair, between, joined
from avsync.remux.move import Move, write_proved
from avsync.remux.options import FixOptions
from avsync.remux.plan import AudioCorrection, Plan, moved_streams
from avsync.remux.report import FixReport
from avsync.report import SyncReport
from avsync.system.atomic import check_target, safe_output
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAME_MS, offset_in_words, stretch_of_drift

MAX_RESIDUAL_MS = FRAME_MS  # what is farther off than a frame after its cure was not cured


def fix(
    path: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: FixOptions | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Progress = silent,
) -> FixReport:
    """Write a file with sound and picture in step, and measure the result.

    Parameters
    ----------
    path, output : path
        The file, and the one to write: into another container, too.
    options : FixOptions, optional
        How.
    pipeline : Pipeline, optional
        Made with `options.detect`: saves loading weights and detector again for every file.
    progress : callable, optional
        Is told (what, done, total).

    Returns
    -------
    FixReport
        Where the offset cannot be told, or the result does not measure as right, nothing is
        written, and the report says why.

    Raises
    ------
    AvsyncError
        Where a file cannot be read or written.

    Examples
    --------
    >>> import avsync, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = avsync.fix("docs/talking.mp4", f"{folder}/synced.mp4")
    >>> report.status, report.method, abs(report.residual_ms) < 5
    ('fixed', 'copy', True)
    """
    how = options or FixOptions()
    run = _fixed if how.detect.audio is None else _fixed_together
    report = run(path, Path(output), how, pipeline, progress)
    return replace(report, notes=(*report.notes, *ffmpeg.notes_on(path)))


def _fixed(
    path: str | os.PathLike[str],
    target: Path,
    options: FixOptions,
    pipeline: Pipeline | None,
    progress: Progress,
) -> FixReport:
    source = local_file(path)
    options = _with_tracks(source, options)
    inventory = take_inventory(source)
    check_target(source, target, options.force)
    moved_streams(inventory, options.remux)
    report = FixReport(os.fspath(path), None, "fixed", options.offset_ms)
    cure = AudioCorrection(options.offset_ms or 0.0)
    if options.offset_ms is None:
        pipeline = pipeline or Pipeline(options.detect, progress=progress)
        before = _measure(source, source, options, pipeline, progress)
        report = replace(report, offset_ms=before.offset_ms, before=before)
        if reasons := _why_not(before):
            return replace(report, status="undetermined", reasons=reasons)
        report = replace(report, drift_ppm=_drift_ppm(before))
        if options.tolerance.allows(before):
            return _leave_alone(report, source, target, options)
        cure = AudioCorrection(
            before.offset_ms or 0.0, stretch_of_drift(before.drift_ms_per_minute)
        )
    move = Move(inventory, target, cure, options.remux)
    planned = move.planner()(())
    report = replace(report, method=_method(planned, cure), notes=planned.notes)
    if options.dry_run:
        return replace(report, status="planned", commands=shell_commands(move, force=options.force))
    return _write_and_prove(report, move, options, pipeline, progress)


def _fixed_together(
    path: str | os.PathLike[str],
    target: Path,
    options: FixOptions,
    pipeline: Pipeline | None,
    progress: Progress,
) -> FixReport:
    """Picture from one file, sound from another: made one file first, then put right."""
    picture = local_file(path)
    sound = local_file(audio_of(picture, options.detect) or "")
    track = options.remux.audio_track or options.detect.audio_track
    pair = Pair.of(Path(readable(picture)), Path(readable(sound)), track, options.remux.keep_sound)
    last = len(pair.own) + 1 if pair.own else None
    alone = replace(
        options,
        detect=replace(options.detect, audio=None, audio_track=last),
        remux=replace(options.remux, audio_track=last, keep_sound=False),
        always_write=True,  # the file of both is what is asked for
    )
    with joined(pair, target, options.force, progress) as (film, notes):
        try:
            report = _fixed(film, target, alone, pipeline, progress)
        except AvsyncError as error:
            raise type(error)(str(error).replace(os.fspath(film), os.fspath(path))) from error
    first = target.with_name(f"joined-{target.stem}{between(target)}")
    commands = [line.replace(str(film), str(first)) for line in report.commands]
    before = report.before and replace(report.before, path=os.fspath(path), audio=os.fspath(sound))
    return replace(
        report,
        path=os.fspath(path),
        before=before,
        notes=(*notes, *report.notes),
        commands=(pair.command(first), *commands) if commands else (),
    )


def _with_tracks(source: Path, options: FixOptions) -> FixOptions:
    """With the tracks that are measured: the output may call others its default.

    Raises MediaError, as `detect` does, where there is no such file or track.
    """
    look = options.detect
    info = probe(source, options.remux.audio_track or look.audio_track, look.video_track)
    look = replace(look, audio_track=info.audio_track, video_track=info.video_track)
    return replace(options, detect=look)


def _measure(
    path: Path, name: Path, options: FixOptions, pipeline: Pipeline, progress: Progress
) -> SyncReport:
    """Look at all of a file, since drift and steps must not be missed; it is called `name`."""
    listening = replace(options.detect, detect_changes=options.drift, thorough=True)
    return replace(
        detect(path, listening, pipeline=pipeline, progress=progress), path=os.fspath(name)
    )


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
        draft.commit()
    return replace(report, output=os.fspath(target))


def _method(planned: Plan, cure: AudioCorrection) -> Literal["copy", "encode", "resample"]:
    if planned.is_copy:
        return "copy"
    return "encode" if cure.stretch == 1.0 else "resample"


def _write_and_prove(
    report: FixReport,
    move: Move,
    options: FixOptions,
    pipeline: Pipeline | None,
    progress: Progress,
) -> FixReport:
    """Write beside the target, prove it, and give it its name only if it is right."""
    source, target = move.inventory.path, move.target
    with safe_output(source, target, options.force, source.stat().st_size) as draft:
        written = write_proved(move, draft.path, progress)
        report = replace(report, notes=(*report.notes, *written.notes))
        if written.doubts:
            return replace(report, status="unverified", reasons=written.doubts)
        try:
            pipeline = pipeline or Pipeline(options.detect, progress=progress)
            after = _measure(draft.path, target, options, pipeline, progress)
            doubts = _doubts(after)
            report = replace(report, after=after, residual_ms=after.offset_ms)
        except AvsyncError as error:
            if options.offset_ms is None:
                raise
            doubts = (f"not measured after the fix: {error}",)
        if doubts and options.offset_ms is None:
            return replace(report, status="unverified", reasons=doubts, residual_ms=None)
        draft.commit()
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
