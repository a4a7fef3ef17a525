"""Where pages go: one file, or a folder with an overview and a page for each video."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from avsync.errors import OutputError, UsageError
from avsync.media.files import is_url, passes_by
from avsync.pages.answer import Allowed
from avsync.pages.rendering import render
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.atomic import write_whole

if TYPE_CHECKING:  # --help needs no OpenCV
    from avsync.pipeline.details import Details

INDEX = "index.html"
FILES = "files"  # folder of the pages of a batch
LONGEST_NAME = 48
MOST_INSIDE_BYTES = 20_000_000  # of a preview inside a page


@dataclass(frozen=True, slots=True)
class Pages:
    """What is written of each file, and where; may be sent to a worker."""

    target: Path  # a page, or the folder of all
    alone: bool = True  # one file was named
    tolerance: str | None = None  # as `--tolerance` has it
    preview: bool = False  # also a small copy of each video

    @property
    def is_page(self) -> bool:
        """Whether all is in one file."""
        return self.target.suffix.lower() in (".html", ".htm")

    def page_of(self, path: str) -> Path:
        """Where the page of a video lies."""
        if self.is_page:
            return self.target
        return self.target / (INDEX if self.alone else f"{FILES}/{slug(path)}.html")

    def prepare(self, *, force: bool, go_on: bool = False) -> None:
        """See to it that pages can be written, before anything is measured.

        Raises UsageError for one page of many files, OutputError where something else is there
        (unless `force`; `go_on`: a report made before is gone on with) or nothing can be written.
        """
        if self.is_page and not self.alone:
            raise UsageError(f"--report {self.target}: several files need a folder; name one")
        place = self.target
        if self.is_page and place.is_dir():
            raise OutputError(f"{place}: is a folder; name a page, or a folder not called .html")
        if not self.is_page and place.exists() and not place.is_dir():
            raise OutputError(f"{place}: is a file; name a folder, or a page that ends in .html")
        folder = place.parent if self.is_page else place
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = place.exists() if self.is_page else any(place.iterdir())
        except OSError as error:
            raise OutputError(f"{folder}: cannot write there: {error.strerror}") from error
        if taken and not force and not (go_on and (place / INDEX).is_file()):
            raise OutputError(f"{place}: exists already; give --force to replace it")
        if not os.access(folder, os.W_OK):
            raise OutputError(f"{folder}: cannot write there: Permission denied")
        render("empty.html", ())  # what pages need is here

    def write(self, report: SyncReport, details: "Details | None", options: DetectOptions) -> None:
        """Write the page of a file. Raises AvsyncError or OSError."""
        from avsync.pages.file import file_page

        target = self.page_of(report.path)
        target.parent.mkdir(exist_ok=True)
        preview = None
        if self.preview and report.status != "error":
            preview = self._preview(report.path, target, options)
        index = None if self.alone else f"../{INDEX}"
        allowed = Allowed.of(self.tolerance)
        page = file_page(report, details, target, allowed, preview=preview, index=index)
        write_whole(target, page.encode())

    def _preview(self, path: str, target: Path, options: DetectOptions) -> str | None:
        """The address of a small copy, for the page."""
        from avsync.pages.charts import data_address
        from avsync.pages.copies import write_small_copy

        if is_url(path) or passes_by(path):
            return None
        copy = target.with_suffix(".mp4")
        write_small_copy(path, copy, options)
        if not self.is_page or copy.stat().st_size > MOST_INSIDE_BYTES:
            return copy.name
        data = copy.read_bytes()
        copy.unlink()
        return data_address("video/mp4", data)


def slug(path: str) -> str:
    """A name for the page of a video that any file system and browser takes, one for each path.

    >>> slug("rushes/Scene 1 (take 2).mov")
    'Scene-1-take-2-b2ee8c32'
    """
    digest = hashlib.blake2b(os.fsencode(path), digest_size=4).hexdigest()
    plain = re.sub(r"[^A-Za-z0-9]+", "-", Path(path).stem)[:LONGEST_NAME].strip("-")
    return f"{plain or 'video'}-{digest}"
