"""Many inputs: folders and lists become files, files become answers; one failure stops nothing."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic

from avsync.batch.measure import open_measure, try_detect
from avsync.batch.pool import Pool, Result, Task
from avsync.batch.resume import ReportFile
from avsync.errors import UsageError
from avsync.media.files import find_media, read_names
from avsync.pages.folder import Pages
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.report import Source, SyncReport
from avsync.system.downloads import sha256_of
from avsync.system.progress import Progress, silent
from avsync.system.resources import cores, default_jobs

__all__ = ["BatchOptions", "detect_all", "find_media", "read_names"]

MOST_LOSSES = 2  # machines that may be lost over a file before it is taken for the cause
ENGINES = ("local", "ray")
LONGEST_SECONDS = 7 * 86400  # that a pipe is waited for: the system counts milliseconds in 32 bits


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How many files are measured at once, and where."""

    jobs: int | None = None  # at once; None: what cores and memory allow
    timeout_seconds: float | None = None  # for one file
    ordered: bool = False  # answers in the order of the files, not of completion
    engine: str = "local"  # local: processes of our own; ray: a Ray cluster
    ray_address: str | None = None  # of its head; None: a cluster for this run, on this machine

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs}: 1 or more")
        if self.timeout_seconds is not None and not 0 < self.timeout_seconds <= LONGEST_SECONDS:
            raise UsageError(
                f"--timeout {self.timeout_seconds:g}: more than 0 seconds, and a week at most"
            )
        if self.engine not in ENGINES:
            raise UsageError(f"--engine {self.engine}: choose {' or '.join(ENGINES)}")
        if self.ray_address and self.engine != "ray":
            raise UsageError("--ray-address: only with --engine ray")


def detect_one(
    path: str, options: DetectOptions, progress: Progress = silent, pages: Pages | None = None
) -> Iterator[Result[SyncReport]]:
    """The answer for a file alone: in this process, which it takes over, on all cores.

    Raises AvsyncError where the tools cannot be had.
    """
    from avsync.model import weights

    take_over()
    pipeline = Pipeline(options, progress=progress)
    sha256 = sha256_of(weights.find(options.weights))
    source = _source(path, sha256, options)
    started = monotonic()
    report = try_detect(path, options, pipeline, progress, alone=True, pages=pages)
    report = replace(report, source=source)
    _ = pipeline.loaded  # a fault of theirs is not the file's
    yield Result(Task(0, path, source), report, monotonic() - started)


def detect_all(
    paths: Iterable[str],
    options: DetectOptions,
    how: BatchOptions | None = None,
    answered: ReportFile | None = None,
    progress: Progress = silent,
    pages: Pages | None = None,
) -> Generator[Result[SyncReport]]:
    """An answer for each path, as soon as it is known; what fails gets status `error`.

    Tools are loaded once in each worker, which writes the pages of its files. What `answered` holds
    already is given back in short. Processes are spawned: a program that calls this needs
    `if __name__ == "__main__":`. Raises AvsyncError where tools or workers cannot be had,
    InterruptError on SIGINT and SIGTERM.
    """
    from avsync.faces.detectors import resolve_detector
    from avsync.model import weights

    how = how or BatchOptions()
    path = weights.find(options.weights)
    notes: list[str] = []
    settled = options
    files: list[Path] = []
    if not options.cropped:  # all workers must use the same faces
        faces, files = resolve_detector(options.faces, progress, notes)
        settled = replace(options, faces=faces)
    tasks = _tasks(paths, partial(_source, sha256=sha256_of(path), options=options), answered)
    settled = replace(settled, weights=os.fspath(path))
    with _pool(settled, tuple(notes), files, how, pages) as pool:
        answers = pool.run(tasks, how.ordered)
        with closing(answers):
            for answer in answers:
                yield replace(answer, report=replace(answer.report, source=answer.task.source))


@contextmanager
def _pool(
    options: DetectOptions,
    notes: tuple[str, ...],
    files: Sequence[Path],
    how: BatchOptions,
    pages: Pages | None,
) -> Iterator[Pool[SyncReport]]:
    """Workers here or on a cluster; `files` are the face detector's."""
    jobs = how.jobs or default_jobs(options.device)
    if how.engine == "ray":
        from avsync.batch.cluster import connect

        with connect(options, notes, files, how.ray_address, jobs) as cluster:
            slots = how.jobs or cluster.cores
            yield Pool(cluster.make, slots, _failed, how.timeout_seconds, MOST_LOSSES)
    else:
        from avsync.batch.processes import local_workers

        threads = max(1, cores() // jobs)
        make = local_workers(partial(open_measure, options, notes, threads, pages), jobs, threads)
        yield Pool(make, jobs, _failed, how.timeout_seconds)


def _failed(path: str, why: str) -> SyncReport:
    return SyncReport(path, "error", reasons=(f"{path}: {why}",))


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
    """Size and time of a file before it is read."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a name with a null byte
        return Source(None, None, sha256, options.cache_key)
    return Source(found.st_size, found.st_mtime_ns, sha256, options.cache_key)
