"""One file of a batch: whatever goes wrong with it becomes its answer."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from avsync.errors import AvsyncError, MediaError
from avsync.media.files import passes_by
from avsync.pages.folder import Pages
from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:  # --help needs no OpenCV
    from avsync.pipeline.details import Collector


def try_detect(
    path: str,
    options: DetectOptions,
    pipeline: Pipeline,
    progress: Progress = silent,
    *,
    alone: bool = False,
    pages: Pages | None = None,
) -> SyncReport:
    """As `detect`; whatever goes wrong with the file becomes a report of status `error`.

    Unless it is `alone`, a pipe is refused: of those in folders, many are never written to. With
    `pages`, the file's page is written, too.
    """
    from avsync.pipeline.details import Collector

    collector = Collector(options.max_offset_seconds) if pages else None
    report = _tried(path, options, pipeline, progress, collector, alone=alone)
    if pages and collector:
        report = pages.write(report, collector, options)
    return report


def _tried(
    path: str,
    options: DetectOptions,
    pipeline: Pipeline,
    progress: Progress,
    collector: "Collector | None",
    *,
    alone: bool,
) -> SyncReport:
    try:
        if passes_by(path) and not alone:
            raise MediaError(f"{path}: not a regular file; a pipe is read alone only")
        return detect(path, options, pipeline=pipeline, progress=progress, collector=collector)
    except AvsyncError as error:
        why = str(error)
    except Exception as error:  # a file that finds a fault in some library must not stop the others
        words = " ".join(str(error).split())
        why = f"{path}: unexpected {type(error).__name__}: {words}; please report it with the file"
    return SyncReport(path, "error", reasons=(why,))


def open_measure(
    options: DetectOptions, notes: tuple[str, ...], threads: int, pages: Pages | None = None
) -> Callable[[str], SyncReport]:
    """Load the tools once, in a process that does nothing but measure files on so many threads.

    `notes` go into every report. Raises AvsyncError where the tools cannot be had.
    """
    take_over(threads)
    pipeline = Pipeline(options, threads=threads, notes=notes)
    _ = pipeline.loaded  # what cannot be had is said now
    return partial(try_detect, options=options, pipeline=pipeline, pages=pages)
