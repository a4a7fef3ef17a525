"""Many files to measure; one failure stops nothing."""

import os
import signal
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from itertools import chain

from avsync.batch.job import Job
from avsync.batch.measure import Work, detect_and_show, not_measured, open_detect
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile
from avsync.batch.tasks import Result
from avsync.errors import InterruptError, UsageError
from avsync.media.search import find_media
from avsync.pages.shown import Shown, show
from avsync.pipeline.detect import log_warnings
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.progress import Progress, silent


def detect_one(
    path: str, options: DetectOptions, progress: Progress = silent, shown: Shown = ()
) -> Iterator[Result[SyncReport]]:
    """The answer for a file alone: in this process, which it takes over, on all cores.

    Raises AvsyncError where the tools cannot be had.
    """

    def work(pipeline: Pipeline) -> Work[SyncReport]:
        return lambda order: detect_and_show(path, pipeline, shown, progress)

    def failed(name: str, why: str) -> SyncReport:
        return show(not_measured(name, why), None, options, shown)

    return Job(open_detect, failed).one(path, options, work, progress)


def detect_all(
    paths: Iterable[str],
    options: DetectOptions,
    how: BatchOptions | None = None,
    answered: ReportFile[SyncReport] | None = None,
    progress: Progress = silent,
    shown: Shown = (),
) -> Generator[Result[SyncReport]]:
    """An answer for each path, as soon as it is known; what fails gets status `error`.

    Tools are loaded once in each worker, which also writes what is `shown` of its files. What
    `answered` holds already is given back in short. Raises AvsyncError where tools or workers
    cannot be had, InterruptError on SIGINT and SIGTERM.
    """
    job = Job(partial(open_detect, shown=shown), not_measured)
    return job.run(paths, options, how or BatchOptions(), answered, progress)


def detect_many(
    paths: Iterable[str | os.PathLike[str]],
    options: DetectOptions | None = None,
    how: BatchOptions | None = None,
    *,
    jobs: int | None = None,
    progress: Progress = silent,
) -> Iterator[SyncReport]:
    """Measure many files on all cores, or on a Ray cluster.

    Parameters
    ----------
    paths : iterable of path
        Files, and folders, whose videos are taken; read as they are wanted.
    options : DetectOptions, optional
        How to look at them.
    how : BatchOptions, optional
        Time for each, order, engine.
    jobs : int, optional
        Files at once, if `how` is not given; else what cores and memory allow.
    progress : callable, optional
        Is told (what, done, total) while something is downloaded.

    Yields
    ------
    SyncReport
        One for each path, as soon as it is known. A file that cannot be read is a report of status
        `error`, not an exception.

    Raises
    ------
    AvsyncError
        Where weights, the face detector or workers cannot be had, or a folder cannot be read.

    Examples
    --------
    >>> import avsync
    >>> [report.status for report in avsync.detect_many(["docs/talking.mp4", "no.mp4"], jobs=1)]
    ['ok', 'error']
    """
    if how and jobs:
        raise UsageError("is given in `how` already", "jobs", jobs)
    if isinstance(paths, str | os.PathLike):
        raise UsageError("a list of files, not one", "paths", paths)
    options, how = options or DetectOptions(), how or BatchOptions(jobs)
    names = chain.from_iterable(map(_files_of, paths))
    try:
        for result in detect_all(names, options, how, progress=progress):
            log_warnings(result.report)
            yield result.report
    except InterruptError as error:
        if error.signal_number == signal.SIGINT:  # as any other function of Python's ends
            raise KeyboardInterrupt from error
        raise


def _files_of(path: str | os.PathLike[str]) -> Iterable[str]:
    name = os.fspath(path)
    return find_media([name]) if os.path.isdir(name) else [name]
