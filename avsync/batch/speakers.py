"""Many files in which somebody speaks; one failure stops nothing."""

from collections.abc import Generator, Iterable, Iterator

from avsync.batch.job import Job
from avsync.batch.measure import Work, not_heard, open_speakers
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile
from avsync.batch.tasks import Result
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.speakers import SpeakerReport
from avsync.system.progress import Progress, silent


def find_speakers_in_one(
    path: str, options: DetectOptions, progress: Progress = silent
) -> Iterator[Result[SpeakerReport]]:
    """The answer for a file alone: in this process, which it takes over, on all cores.

    Raises AvsyncError where the tools cannot be had.
    """
    from avsync.pipeline.speakers import find_speakers

    def work(pipeline: Pipeline) -> Work[SpeakerReport]:
        return lambda order: find_speakers(path, pipeline=pipeline, progress=progress)

    return Job(open_speakers, not_heard).one(path, options, work, progress)


def find_speakers_in_all(
    paths: Iterable[str],
    options: DetectOptions,
    how: BatchOptions,
    answered: ReportFile[SpeakerReport] | None = None,
    progress: Progress = silent,
) -> Generator[Result[SpeakerReport]]:
    """An answer for each path, as soon as it is known; as `avsync.batch.detect.detect_all`."""
    return Job(open_speakers, not_heard).run(paths, options, how, answered, progress)
