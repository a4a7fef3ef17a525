"""Many files to put right: each gets a place of its own; one failure stops nothing."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from avsync.batch import find_media
from avsync.detect import Tools, open_tools
from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, OutputError, UsageError
from avsync.fix import FixOptions, fix
from avsync.fix_report import FixReport
from avsync.safe_output import TEMPORARY


def is_folder_wanted(inputs: list[str], output: str) -> bool:
    """Whether the output is a folder: it is one, is written as one, or has to take several files.

    Raises UsageError where it would have to be one and is a file.
    """
    several = len(inputs) != 1 or inputs[0] == "-" or os.path.isdir(inputs[0])
    if several and os.path.isfile(output):
        raise UsageError(f"-o {output}: is a file; several inputs need a folder")
    return several or os.path.isdir(output) or output.endswith(("/", os.sep))


def targets(
    inputs: list[str], output: str, stdin: Iterable[str] = ()
) -> Iterator[tuple[str, Path]]:
    """(input, output) of each file; what a folder holds keeps its place below the output folder.

    Files below the output folder are results, not inputs.
    """
    if not is_folder_wanted(inputs, output):
        yield inputs[0], Path(output)
        return
    results = Path(output).resolve()
    for name in inputs:
        folder = Path(name) if name != "-" and os.path.isdir(name) else None
        for path in find_media([name], stdin):
            if folder is None:
                yield path, Path(output) / Path(path).name
            elif results not in Path(path).resolve().parents and not _is_temporary(path):
                yield path, Path(output) / Path(path).relative_to(folder)


def fix_all(
    pairs: Iterable[tuple[str, Path]], options: FixOptions, progress: Progress = silent
) -> Iterator[FixReport]:
    """A report for each pair, as soon as it is known; what fails gets status `error`.

    Weights and face finder are loaded once. Raises AvsyncError where they cannot be and are needed.
    """
    tools = _tools(options, progress)
    taken: dict[Path, str] = {}
    for path, target in pairs:
        try:
            if other := taken.get(target):
                raise OutputError(f"{target}: is written for {other} already, not for {path}, too")
            taken[target] = path
            yield fix(path, target, options, tools=tools, progress=progress)
        except AvsyncError as error:
            yield FixReport(path, None, "error", reasons=(str(error),))


def _tools(options: FixOptions, progress: Progress) -> Tools | None:
    """Where the offset is given they only serve to measure the result, and may be missing."""
    if options.offset_ms is None:
        return open_tools(options.detect, progress)
    if options.dry_run:
        return None
    with contextlib.suppress(AvsyncError):
        return open_tools(options.detect, progress)
    return None


def _is_temporary(path: str) -> bool:
    return TEMPORARY.fullmatch(Path(path).parent.name) is not None
