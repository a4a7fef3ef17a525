"""Many files cut into clips: a data set that a run which was killed goes on with.

`clips.jsonl` in its folder has a line for each file whose clips are all there; what is not told of
in it is cut anew. `manifest.tsv`, which training reads, is written from it when a run ends.
"""

import csv
import io
import json
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from avsync.batch.job import Job
from avsync.batch.measure import not_cut, open_clips
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile, clips_in_short
from avsync.batch.tasks import Result
from avsync.clips import MANIFEST_COLUMNS, ClipsReport
from avsync.errors import OutputError
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.options import DetectOptions
from avsync.system.atomic import write_whole
from avsync.system.progress import Progress, silent

JOURNAL, MANIFEST = "clips.jsonl", "manifest.tsv"


@dataclass(frozen=True, slots=True)
class ClipsJob:
    """Clips that are cut from many files into one folder.

    Attributes
    ----------
    output : Path
        The folder.
    wanted : ClipOptions
        Which clips, and how.
    """

    output: Path
    wanted: ClipOptions

    def run(
        self,
        paths: Iterable[str],
        options: DetectOptions,
        how: BatchOptions,
        progress: Progress = silent,
    ) -> Generator[Result[ClipsReport]]:
        """A report for each path, as soon as its clips are there; the manifest at the end.

        Raises OutputError for a folder that holds something else.
        """
        job = Job(partial(open_clips, self.output, self.wanted), not_cut, self.wanted.facts)
        with self._journal() as journal:
            answers = job.run(self._once(paths), options, how, journal, progress)
            with closing(answers):
                for answer in answers:
                    if answer.task.known is None:
                        journal.append(answer.report)
                    yield answer

    @contextmanager
    def _journal(self) -> Iterator[ReportFile[ClipsReport]]:
        path = self.output / JOURNAL
        if not path.exists() and self.output.is_dir() and any(_own(self.output)):
            raise OutputError(
                f"{self.output}: holds other files, and no {JOURNAL}; name a new folder"
            )
        try:
            self.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.output}: {error.strerror}; name a folder") from error
        report = ReportFile(path, clips_in_short)
        try:
            with report as journal:
                yield journal
        finally:  # what counts no more is gone from the journal now
            write_manifest(self.output)

    def _once(self, paths: Iterable[str]) -> Iterator[str]:
        """Files that are no clips of this data set."""
        inside = os.path.realpath(self.output) + os.sep
        return (path for path in paths if not os.path.realpath(path).startswith(inside))


def write_manifest(output: Path) -> None:
    """The clips of a data set, in the order of their names, as training reads them.

    Raises OutputError where it cannot be written.
    """
    with (output / JOURNAL).open(encoding="utf-8") as journal:
        reports = [ClipsReport.from_dict(json.loads(line)) for line in journal]
    rows = [row for report in reports for row in report.to_manifest()]
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(MANIFEST_COLUMNS)
    writer.writerows(sorted(rows))
    write_whole(output / MANIFEST, os.fsencode(text.getvalue()))


def _own(folder: Path) -> Iterator[str]:
    """Names in a folder that are not hidden."""
    return (name for name in os.listdir(folder) if not name.startswith("."))
