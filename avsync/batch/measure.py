"""One file of a batch, by itself or in a worker: whatever goes wrong with it becomes its report."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from avsync.batch.tasks import Request, Result, Task
from avsync.errors import AvsyncError, MediaError
from avsync.media.files import passes_by
from avsync.pages.shown import Shown, show
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.remux.options import FixOptions
from avsync.remux.report import FixReport
from avsync.report import SyncReport
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from avsync.clips import ClipsReport
    from avsync.speakers import SpeakerReport

R = TypeVar("R")
Work = Callable[[Request], R]  # what is done with a file; may raise anything
Failed = Callable[[str, str], R]  # the report on a path that could not be done, and why


def report_on(order: Request, work: Work[R], failed: Failed[R]) -> R:
    """What comes of a file; an error is a report, too."""
    path = order if isinstance(order, str) else order[0]
    try:
        return work(order)
    except AvsyncError as error:
        why = str(error)
    except Exception as error:  # a file that finds a fault in some library must not stop the others
        words = " ".join(str(error).split())
        why = f"{path}: unexpected {type(error).__name__}: {words}; please report it with the file"
    return failed(path, why)


def alone(task: Task[R], work: Work[R], failed: Failed[R]) -> Iterator[Result[R]]:
    """The result of a file that is the only one."""
    started = monotonic()
    report = report_on(task.order, work, failed)
    yield Result(task, report, monotonic() - started)


def open_detect(
    options: DetectOptions, threads: int, shown: Shown = ()
) -> Callable[[Request], SyncReport]:
    """Load the tools once, in a process that does nothing but measure files on so many threads.

    What is `shown` of each file is written. Raises AvsyncError where the tools cannot be had.
    """
    work = partial(_detect, pipeline=_opened(options, threads), shown=shown)
    return partial(report_on, work=work, failed=not_measured)


def open_speakers(options: DetectOptions, threads: int) -> "Callable[[Request], SpeakerReport]":
    """The same, in a process that finds who speaks when."""
    work = partial(_speakers, pipeline=_opened(options, threads))
    return partial(report_on, work=work, failed=not_heard)


def open_clips(
    output: Path, wanted: ClipOptions, options: DetectOptions, threads: int
) -> "Callable[[Request], ClipsReport]":
    """The same, in a process that cuts clips into a folder."""
    pipeline = _opened(options, threads)
    work = partial(_clips, output=output, wanted=wanted, pipeline=pipeline)
    return partial(report_on, work=work, failed=not_cut)


def _opened(options: DetectOptions, threads: int) -> Pipeline:
    take_over(threads)
    pipeline = Pipeline(options, threads=threads)
    _ = pipeline.loaded  # what cannot be had is said now
    return pipeline


def open_fix(options: FixOptions, threads: int) -> Callable[[Request], FixReport]:
    """The same, in a process that puts files right."""
    pipeline = pipeline_to_fix(options, silent, threads)
    return partial(report_on, work=partial(fixed, options, pipeline), failed=not_fixed)


def pipeline_to_fix(options: FixOptions, progress: Progress, threads: int) -> Pipeline | None:
    """Where the offset is given it only serves to measure the result, and may be missing."""
    if options.offset_ms is not None and options.dry_run:
        return None
    try:
        take_over(threads)
        return Pipeline(options.detect, progress=progress, threads=threads)
    except AvsyncError:
        if options.offset_ms is None:
            raise
    return None


def fixed(
    options: FixOptions, pipeline: Pipeline | None, order: Request, progress: Progress = silent
) -> FixReport:
    """Put a file right: an order names it, and the output."""
    from avsync.remux.fix import fix

    assert isinstance(order, tuple)
    return fix(*order, options, pipeline=pipeline, progress=progress)


def not_measured(path: str, why: str) -> SyncReport:
    """The report of a file that could not be read."""
    return SyncReport(path, "error", reasons=(why,))


def not_heard(path: str, why: str) -> "SpeakerReport":
    """The report of a file of which nobody knows who speaks."""
    from avsync.speakers import SpeakerReport

    return SpeakerReport(path, "error", reasons=(why,))


def not_cut(path: str, why: str) -> "ClipsReport":
    """The report of a file of which no clips could be cut."""
    from avsync.clips import ClipsReport

    return ClipsReport(path, "error", reasons=(why,))


def not_fixed(path: str, why: str) -> FixReport:
    """The report of a file that could not be put right."""
    return FixReport(path, None, "error", reasons=(why,))


def detect_and_show(
    path: str, pipeline: Pipeline, shown: Shown, progress: Progress = silent
) -> SyncReport:
    """Measure a file, and write what is wanted to look at."""
    if not shown:
        return pipeline.detect(path, progress=progress)
    from avsync.pipeline.details import Collector

    collector = Collector(pipeline.options.max_offset_seconds)
    report = pipeline.detect(path, progress=progress, collector=collector)
    return show(report, collector.details, pipeline.options, shown)


def _detect(order: Request, pipeline: Pipeline, shown: Shown) -> SyncReport:
    return detect_and_show(_regular(order), pipeline, shown)


def _speakers(order: Request, pipeline: Pipeline) -> "SpeakerReport":
    from avsync.pipeline.speakers import find_speakers

    return find_speakers(_regular(order), pipeline=pipeline)


def _clips(order: Request, output: Path, wanted: ClipOptions, pipeline: Pipeline) -> "ClipsReport":
    from avsync.pipeline.clips import cut_clips

    return cut_clips(_regular(order), output, wanted, pipeline=pipeline)


def _regular(order: Request) -> str:
    assert isinstance(order, str)
    if passes_by(order):  # of those in folders, many are never written to
        raise MediaError(f"{order}: not a regular file; a pipe is read alone only")
    return order
