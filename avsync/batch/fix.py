"""Many files to put right: each gets a place of its own; one failure stops nothing."""

import contextlib
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from avsync.batch.job import fetch_faces
from avsync.batch.measure import alone, fixed, not_fixed, open_fix, pipeline_to_fix
from avsync.batch.options import BatchOptions
from avsync.batch.pool import Pool
from avsync.batch.processes import local_workers
from avsync.batch.tasks import Result, Task
from avsync.errors import AvsyncError, UsageError
from avsync.media.search import LIST, find_media
from avsync.remux.options import FixOptions
from avsync.remux.report import FixReport
from avsync.system.progress import Progress, silent
from avsync.system.resources import cores, default_jobs
from avsync.system.scratch import SCRATCH_NAME, remove_stale


@dataclass(frozen=True, slots=True)
class Places:
    """Where files come from, and where what comes of them is written.

    Attributes
    ----------
    inputs : Sequence[str]
        Names, as on a command line.
    output : str
        File or folder to write to.
    globs : Sequence[str]
        Patterns of the files that are taken from folders.
    exact : bool
        Names of a list are taken as they are: they ended with a null byte.
    """

    inputs: Sequence[str]
    output: str
    globs: Sequence[str] = ()
    exact: bool = False

    def __post_init__(self) -> None:
        if self.is_several and os.path.isfile(self.output):
            raise UsageError("is a file; several inputs need a folder", "output", self.output)

    @property
    def is_several(self) -> bool:
        """Whether it is not just one file that was named."""
        alone = len(self.inputs) == 1 and self.inputs[0] != LIST
        return not alone or os.path.isdir(self.inputs[0])

    @property
    def _is_folder(self) -> bool:
        """Whether the output is one, is written as one, or has to take several files."""
        written_as_one = self.output.endswith(("/", os.sep))
        return self.is_several or written_as_one or os.path.isdir(self.output)

    def pairs(self, stdin: Iterable[str] = ()) -> Iterator[tuple[str, Path]]:
        """(input, output) of each file; what a folder holds keeps its place below the output.

        Files below the output folder are results, not inputs.
        """
        if not self._is_folder:
            yield self.inputs[0], Path(self.output)
            return
        results = Path(self.output).resolve()
        for name in self.inputs:
            folder = Path(name) if name != LIST and os.path.isdir(name) else None
            for path in find_media([name], stdin, self.globs, exact=self.exact):
                if folder is None:
                    yield path, Path(self.output) / Path(path).name
                elif results not in Path(path).resolve().parents and not _is_temporary(path):
                    yield path, Path(self.output) / Path(path).relative_to(folder)


def fix_one(
    path: str, target: Path, options: FixOptions, progress: Progress = silent
) -> Iterator[Result[FixReport]]:
    """The fate of a file alone: in this process, which it takes over, on all cores.

    Raises AvsyncError where the tools cannot be had and are needed.
    """
    pipeline = pipeline_to_fix(options, progress, cores())
    task: Task[FixReport] = Task(0, path, output=os.fspath(target))
    return alone(task, partial(fixed, options, pipeline, progress=progress), not_fixed)


def fix_all(
    pairs: Iterable[tuple[str, Path]],
    options: FixOptions,
    how: BatchOptions | None = None,
    progress: Progress = silent,
) -> Generator[Result[FixReport]]:
    """The fate of each of many files, as soon as it is known; what fails gets status `error`.

    Weights and face detector are loaded once in each worker. Raises AvsyncError where tools or
    workers cannot be had, InterruptError on SIGINT and SIGTERM; what a worker was writing then is
    removed.
    """
    how = how or BatchOptions()
    jobs = how.jobs or default_jobs(options.detect.device)
    threads = max(1, cores() // jobs)
    _fetch_faces(options, progress)
    make = local_workers(partial(open_fix, options, threads), jobs, threads)
    folders: set[Path] = set()
    pool = Pool[FixReport](make, jobs, not_fixed, how.timeout_seconds)
    try:
        with closing(pool.run(_tasks(pairs, folders), how.ordered)) as answers:
            yield from answers
    finally:
        for folder in folders:  # of workers that were ended while they wrote
            with contextlib.suppress(OSError):
                remove_stale(folder)


def _fetch_faces(options: FixOptions, progress: Progress) -> None:
    """What the face detector needs; where the offset is given, it may be missing."""
    if options.offset_ms is not None and options.dry_run:
        return
    try:
        fetch_faces(options.detect, progress)
    except AvsyncError:
        if options.offset_ms is None:
            raise


def _tasks(pairs: Iterable[tuple[str, Path]], folders: set[Path]) -> Iterator[Task[FixReport]]:
    """What is to be done; `folders` gets those that will be written to."""
    taken: dict[Path, str] = {}
    for number, (path, target) in enumerate(pairs):
        output = os.fspath(target)
        if other := taken.get(target):
            why = f"{target}: is written for {other} already, not for {path}, too"
            yield Task(number, path, known=not_fixed(path, why), output=output)
            continue
        taken[target] = path
        folders.add(target.parent)
        yield Task(number, path, output=output)


def _is_temporary(path: str) -> bool:
    return SCRATCH_NAME.fullmatch(Path(path).parent.name) is not None
