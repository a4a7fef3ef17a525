"""Runs a plan: ffmpeg writes the file, without the streams that its container refuses."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from avsync import ffmpeg
from avsync.containers import COVER
from avsync.downloads import Progress, silent
from avsync.errors import MediaError
from avsync.inventory import Inventory
from avsync.remux import OUTPUT, Plan, cover_arguments

TRIAL_SECONDS = "0.1"  # enough for a container to say what it thinks of a stream

Planner = Callable[[tuple[int, ...]], Plan]  # indices of streams to leave out -> what to do


def write(
    planner: Planner, inventory: Inventory, draft: Path, target: Path, progress: Progress = silent
) -> tuple[Plan, tuple[str, ...]]:
    """Write `draft`; returns what was done, and notes on what was left out. Errors name `target`.

    A container may have no place for some of the subtitles, data or attachments: those, and no
    others, are left out. Raises MediaError where it cannot be written even so.
    """
    seconds_done = 0.0

    def show(seconds: float) -> None:
        nonlocal seconds_done
        seconds_done = seconds
        progress("writing", seconds, inventory.duration_seconds)

    whole = planner(())
    with TemporaryDirectory(prefix="avsync-") as folder:
        for index in whole.covers:
            picture = Path(folder) / f"{COVER}{index}"
            _run(cover_arguments(inventory.path, index), picture, target)
        run = partial(_run, target=target, folder=folder)
        try:
            run(whole.arguments, draft, show=show)
            return whole, ()
        except MediaError:
            refused = () if seconds_done else _refused(planner, whole.optional, draft, run)
            if not refused:
                raise
        part = planner(refused)
        run(part.arguments, draft, show=show)
    streams = {stream.index: stream for stream in inventory.streams}
    return part, tuple(
        f"stream {index} ({streams[index].kind.lower()}, {streams[index].codec}) was left out: "
        f"{target.suffix[1:] or 'the container'} cannot hold it"
        for index in refused
    )


def _refused(
    planner: Planner, optional: tuple[int, ...], draft: Path, run: Callable[..., None]
) -> tuple[int, ...]:
    """Which of the streams that may be left out the container refuses, tried one by one."""
    refused = []
    for index in optional:
        others = tuple(other for other in optional if other != index)
        try:
            run([*planner(others).arguments[:-1], "-t", TRIAL_SECONDS, OUTPUT], draft)
        except MediaError:
            refused.append(index)
    return tuple(refused)


def _run(
    arguments: Sequence[str],
    draft: Path,
    target: Path,
    folder: str = "",
    show: Callable[[float], None] = lambda seconds: None,
) -> None:
    """Run ffmpeg with the real names in their places."""
    covers = re.compile(rf"{COVER}\d+")
    url = ffmpeg.input_url(draft)
    real = [
        url if part == OUTPUT else os.path.join(folder, part) if covers.fullmatch(part) else part
        for part in arguments
    ]
    ffmpeg.write_file(real, target, show)
