"""Many inputs: folders and lists become files, files become reports; one failure stops nothing."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from avsync.detect import DetectOptions, detect, open_tools
from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, MediaError
from avsync.report import SyncReport

MEDIA_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".m2ts",
        ".mts",
        ".flv",
        ".mpg",
        ".mpeg",
        ".wmv",
        ".ogv",
        ".3gp",
        ".mxf",
    ]
)


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
    found = sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in MEDIA_SUFFIXES)
    if not found:
        raise MediaError(f"{folder}: no media files in this folder; name a folder with videos")
    yield from map(os.fspath, found)
