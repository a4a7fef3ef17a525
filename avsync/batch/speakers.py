"""Many files in which somebody speaks; one failure stops nothing."""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace

from avsync.batch.detect import Job, source_of
from avsync.batch.measure import alone, not_heard, open_speakers
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile
from avsync.batch.tasks import Request, Result, Task
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.speakers import SpeakerReport
from avsync.system.downloads import sha256_of
from avsync.system.progress import Progress, silent


def find_speakers_in_one(
    path: str, options: DetectOptions, progress: Progress = silent
) -> Iterator[Result[SpeakerReport]]:
    """The answer for a file alone: in this process, which it takes over, on all cores.

    Raises AvsyncError where the tools cannot be had.
    """
    from avsync.model import weights
    from avsync.pipeline.speakers import find_speakers

    take_over()
    pipeline = Pipeline(options, progress=progress)
    source = source_of(path, sha256_of(weights.find(options.weights)), options)

    def work(order: Request) -> SpeakerReport:
        return find_speakers(path, pipeline=pipeline, progress=progress)

    (result,) = alone(Task(0, path, source), work, not_heard)
    _ = pipeline.loaded  # a fault of theirs is not the file's
    yield replace(result, report=replace(result.report, source=source))


def find_speakers_in_all(
    paths: Iterable[str],
    options: DetectOptions,
    how: BatchOptions,
    answered: ReportFile[SpeakerReport] | None = None,
    progress: Progress = silent,
) -> Generator[Result[SpeakerReport]]:
    """An answer for each path, as soon as it is known; as `avsync.batch.detect.detect_all`."""
    return Job(open_speakers, not_heard).run(paths, options, how, answered, progress)
