"""Runs a plan: ffmpeg writes the file, without the streams that its container refuses."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.media.container import Inventory
from avsync.media.streams import Stream
from avsync.remux.containers import COVER, cannot_hold
from avsync.remux.plan import OUTPUT, Plan, cover_arguments
from avsync.system.progress import Progress, silent

TRIAL_SECONDS = 0.1  # enough for a container to say what it thinks of a stream
UNKNOWN = re.compile("Unable to (?:find|choose) a[n ]")  # output format
REFUSAL = "Could not write header"  # ffmpeg's words for what a container does not hold

Planner = Callable[[tuple[int, ...]], Plan]  # indices of streams to leave out -> what to do


def write(
    planner: Planner, inventory: Inventory, draft: Path, target: Path, progress: Progress = silent
) -> tuple[Plan, tuple[str, ...]]:
    """Write `draft`; returns what was done, and notes on what was left out. Errors name `target`.

    A container may have no place for some of the subtitles, data or attachments: those, and no
    others, are left out. Raises MediaError where it cannot be written even so.
    """
    seconds_done, total = 0.0, inventory.duration_seconds or 0.0

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
            show(max(seconds_done, total))  # of copies, ffmpeg 7 does not tell
            return whole, ()
        except MediaError as error:
            if UNKNOWN.search(str(error)):
                words = f"ffmpeg knows no container by {target.suffix or 'no suffix'}"
                raise MediaError(f"{target}: {words}: name an output in .mkv") from None
            if REFUSAL in str(error):
                misfits = _misfits(planner, inventory, whole, draft, run)
                if misfits:
                    raise MediaError(f"{target}: {cannot_hold(target.suffix, misfits)}") from None
            if seconds_done or not (refused := _refused(planner, inventory, whole, draft, run)):
                raise
        part = planner(refused)
        run(part.arguments, draft, show=show)
        show(max(seconds_done, total))
    streams = {stream.index: stream for stream in inventory.streams}
    return part, tuple(
        f"stream {index} ({streams[index].kind.lower()}, {streams[index].codec}) was left out: "
        f"{target.suffix[1:] or 'the container'} cannot hold it"
        for index in refused
    )


def _misfits(
    planner: Planner, inventory: Inventory, whole: Plan, draft: Path, run: Callable[..., None]
) -> list[Stream]:
    """Which of the pictures and sounds a container refuses, each tried alone."""
    needed = [s for s in inventory.streams if s.index in {*whole.streams} - {*whole.optional}]
    misfits = []
    for stream in needed:
        others = tuple(index for index in whole.streams if index != stream.index)
        try:
            run(_trial(planner(others), inventory), draft)
        except MediaError as error:
            misfits += [stream] if REFUSAL in str(error) else []
    return misfits


def _refused(
    planner: Planner, inventory: Inventory, whole: Plan, draft: Path, run: Callable[..., None]
) -> tuple[int, ...]:
    """Which of the streams that may be left out the container refuses, tried one by one."""
    refused = []
    for index in whole.optional:
        others = tuple(other for other in whole.optional if other != index)
        try:
            run(_trial(planner(others), inventory), draft)
        except MediaError:
            refused.append(index)
    return tuple(refused)


def _trial(planned: Plan, inventory: Inventory) -> list[str]:
    """Arguments that write the first moments alone; stamps may be those of the file."""
    seconds = max(0.0, inventory.start_seconds) + TRIAL_SECONDS
    return [*planned.arguments[:-1], "-t", f"{seconds:.6f}", OUTPUT]


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
