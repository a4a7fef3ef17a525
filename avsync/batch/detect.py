"""Many files to measure; one failure stops nothing."""

import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from avsync.batch.measure import alone, detect_and_show, not_measured, open_detect
from avsync.batch.options import BatchOptions
from avsync.batch.pool import Pool
from avsync.batch.resume import ReportFile
from avsync.batch.tasks import Request, Result, Task
from avsync.errors import AvsyncError, InterruptError, UsageError
from avsync.findings import Source
from avsync.media.pairs import sound_for
from avsync.media.search import find_media
from avsync.pages.shown import Shown, show
from avsync.pipeline.detect import log_warnings
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.downloads import sha256_of
from avsync.system.progress import Progress, silent
from avsync.system.resources import cores, default_jobs

MOST_LOSSES = 2  # machines that may be lost over a file before it is taken for the cause


def detect_one(
    path: str, options: DetectOptions, progress: Progress = silent, shown: Shown = ()
) -> Iterator[Result[SyncReport]]:
    """The answer for a file alone: in this process, which it takes over, on all cores.

    Raises AvsyncError where the tools cannot be had.
    """
    from avsync.model import weights

    take_over()
    pipeline = Pipeline(options, progress=progress)
    source = _source(path, sha256_of(weights.find(options.weights)), options)

    def work(order: Request) -> SyncReport:
        return detect_and_show(path, pipeline, shown, progress)

    def failed(name: str, why: str) -> SyncReport:
        return show(not_measured(name, why), None, options, shown)

    (result,) = alone(Task(0, path, source), work, failed)
    _ = pipeline.loaded  # a fault of theirs is not the file's
    yield replace(result, report=replace(result.report, source=source))


def detect_all(
    paths: Iterable[str],
    options: DetectOptions,
    how: BatchOptions | None = None,
    answered: ReportFile | None = None,
    progress: Progress = silent,
    shown: Shown = (),
) -> Generator[Result[SyncReport]]:
    """An answer for each path, as soon as it is known; what fails gets status `error`.

    Tools are loaded once in each worker, which also writes what is `shown` of its files. What
    `answered` holds already is given back in short. Raises AvsyncError where tools or workers
    cannot be had, InterruptError on SIGINT and SIGTERM.
    """
    from avsync.model import weights

    how = how or BatchOptions()
    path = weights.find(options.weights)
    notes: list[str] = []
    settled, files = same_faces(options, notes, progress)
    tasks = _tasks(paths, partial(_source, sha256=sha256_of(path), options=options), answered)
    settled = replace(settled, weights=os.fspath(path))
    with _pool(settled, tuple(notes), files, how, shown) as pool:
        answers = pool.run(tasks, how.ordered)
        with closing(answers):
            for answer in answers:
                yield replace(answer, report=replace(answer.report, source=answer.task.source))


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


@contextmanager
def _pool(
    options: DetectOptions,
    notes: tuple[str, ...],
    files: Sequence[Path],
    how: BatchOptions,
    shown: Shown,
) -> Iterator[Pool[SyncReport]]:
    """Workers here or on a cluster; `files` are the face detector's."""
    jobs = how.jobs or default_jobs(options.device)
    if how.engine == "ray":
        from avsync.batch.cluster import connect

        with connect(options, notes, files, how.ray_address, jobs) as cluster:
            slots = how.jobs or cluster.cores
            yield Pool(cluster.make, slots, not_measured, how.timeout_seconds, MOST_LOSSES)
    else:
        from avsync.batch.processes import local_workers

        threads = max(1, cores() // jobs)
        make = local_workers(partial(open_detect, options, notes, threads, shown), jobs, threads)
        yield Pool(make, jobs, not_measured, how.timeout_seconds)


def same_faces(
    options: DetectOptions, notes: list[str], progress: Progress
) -> tuple[DetectOptions, list[Path]]:
    """With the face detector chosen, so that all workers use the same; and the files it needs."""
    from avsync.faces.detectors import resolve_detector

    if options.cropped:
        return options, []
    faces, files = resolve_detector(options.faces, progress, notes)
    return replace(options, faces=faces), files


def _tasks(
    paths: Iterable[str], source_of: Callable[[str], Source], answered: ReportFile | None
) -> Iterator[Task[SyncReport]]:
    """What is to be done, as paths become known; where `answered` is kept, once for each path."""
    seen: set[str] = set()
    number = 0
    for path in paths:
        if answered and path in seen:
            continue
        if answered:
            seen.add(path)
        source = source_of(path)
        known = answered.answer(path, source) if answered else None
        yield Task(number, path, source, known)
        number += 1


def _source(path: str, sha256: str, options: DetectOptions) -> Source:
    """Size and time of a file before it is read; where its sound is another's, of that, too."""
    facts = options.cache_key
    if options.audio is not None:
        facts |= {"audio": [options.audio, *_size_and_time(_sound_for(path, options.audio))]}
    return Source(*_size_and_time(path), sha256, facts)


def _sound_for(path: str, audio: str) -> str:
    try:
        return sound_for(path, audio)
    except AvsyncError:  # is said when it is wanted
        return ""


def _size_and_time(path: str) -> tuple[int | None, int | None]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return None, None
    return found.st_size, found.st_mtime_ns
