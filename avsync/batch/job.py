"""What is told of each of many files, or of one alone; one failure stops nothing."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from avsync.batch.measure import Failed, Work, alone
from avsync.batch.options import BatchOptions
from avsync.batch.pool import Pool
from avsync.batch.resume import ReportFile
from avsync.batch.tasks import R, Request, Result, Task
from avsync.errors import AvsyncError
from avsync.findings import Source
from avsync.media.pairs import sound_for
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.downloads import sha256_of
from avsync.system.progress import Progress
from avsync.system.resources import cores, default_jobs

if TYPE_CHECKING:
    from avsync.clips import ClipsReport
    from avsync.speakers import SpeakerReport

M = TypeVar("M", SyncReport, "SpeakerReport", "ClipsReport")  # what is told of a file
Open = Callable[[DetectOptions, int], Callable[[Request], R]]  # in the worker
MOST_LOSSES = 2  # machines that may be lost over a file before it is taken for the cause


@dataclass(frozen=True, slots=True)
class Job(Generic[M]):
    """Something that is told of each of many files.

    Attributes
    ----------
    open : callable
        Loads the tools in a worker, gives what does a file.
    failed : callable
        The report on a path that could not be done, and why.
    facts : mapping
        What else than `DetectOptions` its answers hold for.
    """

    open: Open[M]
    failed: Failed[M]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def one(
        self,
        path: str,
        options: DetectOptions,
        work: Callable[[Pipeline], Work[M]],
        progress: Progress,
    ) -> Iterator[Result[M]]:
        """A file alone: in this process, which it takes over, on all cores.

        `work` makes what does it of loaded tools. Raises AvsyncError where those cannot be had.
        """
        from avsync.model import weights

        take_over()
        pipeline = Pipeline(options, progress=progress)
        source = _source_of(path, sha256_of(weights.find(options.weights)), options, self.facts)
        (result,) = alone(Task(0, path, source), work(pipeline), self.failed)
        _ = pipeline.loaded  # a fault of theirs is not the file's
        yield replace(result, report=replace(result.report, source=source))

    def run(
        self,
        paths: Iterable[str],
        options: DetectOptions,
        how: BatchOptions,
        answered: ReportFile[M] | None,
        progress: Progress,
    ) -> Generator[Result[M]]:
        """Many files, in workers; see `avsync.batch.detect.detect_all`."""
        from avsync.model import weights

        path = weights.find(options.weights)
        files = fetch_faces(options, progress)
        tasks = _tasks(
            paths,
            partial(_source_of, sha256=sha256_of(path), options=options, facts=self.facts),
            answered,
        )
        settled = replace(options, weights=os.fspath(path))
        with _pool(self, settled, files, how) as pool:
            answers = pool.run(tasks, how.ordered)
            with closing(answers):
                for answer in answers:
                    yield replace(answer, report=replace(answer.report, source=answer.task.source))


@contextmanager
def _pool(
    job: Job[M],
    options: DetectOptions,
    files: Sequence[Path],
    how: BatchOptions,
) -> Iterator[Pool[M]]:
    """Workers here or on a cluster; `files` are the face detector's."""
    jobs = how.jobs or default_jobs(options.device)
    if how.engine == "ray":
        from avsync.batch.cluster import connect

        with connect(job.open, options, files, how.ray_address, jobs) as cluster:
            slots = how.jobs or cluster.cores
            yield Pool(cluster.make, slots, job.failed, how.timeout_seconds, MOST_LOSSES)
    else:
        from avsync.batch.processes import local_workers

        threads = max(1, cores() // jobs)
        make = local_workers(partial(job.open, options, threads), jobs, threads)
        yield Pool(make, jobs, job.failed, how.timeout_seconds)


def fetch_faces(options: DetectOptions, progress: Progress) -> list[Path]:
    """The files of the face detector, so that not all workers fetch them.

    Raises AvsyncError where they cannot be had.
    """
    from avsync.faces.detectors import detector_files

    return [] if options.cropped else detector_files(options.faces, progress)


def _tasks(
    paths: Iterable[str], facts_of: Callable[[str], Source], answered: ReportFile[M] | None
) -> Iterator[Task[M]]:
    """What is to be done, as paths become known; where `answered` is kept, once for each path."""
    seen: set[str] = set()
    number = 0
    for path in paths:
        if answered and path in seen:
            continue
        if answered:
            seen.add(path)
        source = facts_of(path)
        known = answered.answer(path, source) if answered else None
        yield Task(number, path, source, known)
        number += 1


def _source_of(path: str, sha256: str, options: DetectOptions, facts: Mapping[str, Any]) -> Source:
    """Size and time of a file before it is read; where its sound is another's, of that, too."""
    facts = {**options.cache_key, **facts}
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
