"""Many files to put right: each gets a place of its own; one failure stops nothing."""

import contextlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic

from avsync.batch.detect import BatchOptions
from avsync.batch.pool import Pool, Request, Result, Task
from avsync.batch.processes import local_workers
from avsync.errors import AvsyncError, UsageError
from avsync.media.files import LIST, find_media
from avsync.pipeline.loading import Pipeline, take_over
from avsync.remux.fix import FixOptions, fix
from avsync.remux.report import FixReport
from avsync.system.atomic import TEMPORARY, remove_stale
from avsync.system.progress import Progress, silent
from avsync.system.resources import cores, default_jobs


@dataclass(frozen=True, slots=True)
class Places:
    """Where files come from, and where what comes of them is written."""

    inputs: Sequence[str]
    output: str
    globs: Sequence[str] = ()
    exact: bool = False  # names of a list are taken as they are: they ended with a null byte

    def __post_init__(self) -> None:
        if self.is_several and os.path.isfile(self.output):
            raise UsageError(f"-o {self.output}: is a file; several inputs need a folder")

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
    pipeline, started = _tools(options, progress, cores()), monotonic()
    order = (path, os.fspath(target))
    report = _try_fix(order, options, pipeline, progress)
    yield Result(Task(0, path, output=order[1]), report, monotonic() - started)


def fix_all(
    pairs: Iterable[tuple[str, Path]],
    options: FixOptions,
    how: BatchOptions | None = None,
    progress: Progress = silent,
) -> Generator[Result[FixReport]]:
    """The fate of each of many files, as soon as it is known; what fails gets status `error`.

    Weights and face finder are loaded once in each worker. Processes are spawned: a program that
    calls this needs `if __name__ == "__main__":`. Raises AvsyncError where tools or workers cannot
    be had, InterruptError on SIGINT and SIGTERM; what a worker was writing then is removed.
    """
    how = how or BatchOptions()
    jobs = how.jobs or default_jobs(options.detect.device)
    threads = max(1, cores() // jobs)
    notes: list[str] = []
    options = _settled(options, notes, progress)
    make = local_workers(partial(_open_fix, options, tuple(notes), threads), jobs, threads)
    folders: set[Path] = set()
    pool = Pool[FixReport](make, jobs, _failed, how.timeout_seconds)
    try:
        with closing(pool.run(_tasks(pairs, folders), how.ordered)) as answers:
            yield from answers
    finally:
        for folder in folders:  # of workers that were ended while they wrote
            with contextlib.suppress(OSError):
                remove_stale(folder)


def _settled(options: FixOptions, notes: list[str], progress: Progress) -> FixOptions:
    """With the face detector chosen, so that all workers use the same."""
    from avsync.faces.detectors import resolve_detector

    faces = options.detect.faces
    if not options.detect.cropped and not (options.offset_ms is not None and options.dry_run):
        try:
            faces, _ = resolve_detector(faces, progress, notes)
        except AvsyncError:
            if options.offset_ms is None:
                raise
    return replace(options, detect=replace(options.detect, faces=faces))


def _tasks(pairs: Iterable[tuple[str, Path]], folders: set[Path]) -> Iterator[Task[FixReport]]:
    """What is to be done; `folders` gets those that will be written to."""
    taken: dict[Path, str] = {}
    for number, (path, target) in enumerate(pairs):
        output = os.fspath(target)
        if other := taken.get(target):
            why = f"{target}: is written for {other} already, not for {path}, too"
            yield Task(number, path, known=_failed(path, why), output=output)
            continue
        taken[target] = path
        folders.add(target.parent)
        yield Task(number, path, output=output)


def _open_fix(
    options: FixOptions, notes: tuple[str, ...], threads: int
) -> Callable[[Request], FixReport]:
    """Load the tools once, in a process that puts many files right on so many threads."""
    pipeline = _tools(options, silent, threads, notes)
    if pipeline:
        import torch

        torch.set_num_threads(threads)
    return partial(_try_fix, options=options, pipeline=pipeline)


def _try_fix(
    order: Request, options: FixOptions, pipeline: Pipeline | None, progress: Progress = silent
) -> FixReport:
    assert isinstance(order, tuple)
    path, target = order
    try:
        return fix(path, target, options, pipeline=pipeline, progress=progress)
    except AvsyncError as error:
        return _failed(path, str(error))
    except Exception as error:  # a file that finds a fault in some library must not stop the others
        words = " ".join(str(error).split())
        why = f"unexpected {type(error).__name__}: {words}; please report it with the file"
        return _failed(path, f"{path}: {why}")


def _tools(
    options: FixOptions, progress: Progress, threads: int, notes: Sequence[str] = ()
) -> Pipeline | None:
    """Where the offset is given they only serve to measure the result, and may be missing."""
    if options.offset_ms is not None and options.dry_run:
        return None
    try:
        take_over(threads)
        return Pipeline(options.detect, progress=progress, threads=threads, notes=notes)
    except AvsyncError:
        if options.offset_ms is None:
            raise
    return None


def _failed(path: str, why: str) -> FixReport:
    return FixReport(path, None, "error", reasons=(why,))


def _is_temporary(path: str) -> bool:
    return TEMPORARY.fullmatch(Path(path).parent.name) is not None
