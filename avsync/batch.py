"""Many inputs: folders and lists become files, files become reports; one failure stops nothing."""

import os
from collections.abc import Iterable, Iterator

from avsync.detect import DetectOptions, detect, open_tools
from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, MediaError
from avsync.report import SyncReport


def find_media(inputs: Iterable[str], stdin: Iterable[str] = ()) -> Iterator[str]:
    """Files of inputs: a file is itself, a folder its media files, `-` the lines of `stdin`.

    Raises MediaError for a folder without media.
    """
    for name in inputs:
        if name == "-":
            yield from (line.rstrip("\r\n") for line in stdin if line.strip())
        elif os.path.isdir(name):
            yield from _files_below(name)
        else:
            yield name


def detect_all(
    paths: Iterable[str],
    options: DetectOptions,
    progress: Progress = silent,
) -> Iterator[SyncReport]:
    """A report for each path, as soon as it is known; what fails gets status `error`.

    Weights and face finder are loaded once, before the first file. Raises AvsyncError where they
    cannot be.
    """
    tools = open_tools(options, progress)
    for path in paths:
        try:
            yield detect(path, options, tools=tools, progress=progress)
        except AvsyncError as error:
            yield SyncReport(path, "error", reasons=(str(error),))


def _files_below(folder: str) -> Iterator[str]:
    from avsync.media import files_below

    found = files_below(folder)
    if not found:
        raise MediaError(f"{folder}: no media files in this folder; name a folder with videos")
    yield from map(os.fspath, found)
