"""Runs a plan: ffmpeg writes the file, without the streams that its container refuses."""

from collections.abc import Callable
from pathlib import Path

from avsync import ffmpeg
from avsync.downloads import Progress, silent
from avsync.errors import MediaError
from avsync.inventory import Inventory
from avsync.remux import OUTPUT, Plan

TRIAL_SECONDS = "0.1"  # enough for a container to say what it thinks of a stream

Planner = Callable[[tuple[int, ...]], Plan]  # indices of streams to leave out -> what to do


def write(
    planner: Planner, inventory: Inventory, draft: Path, target: Path, progress: Progress = silent
) -> tuple[str, ...]:
    """Write `draft`; returns notes on what had to be left out. Errors name `target`.

    A container may have no place for some of the subtitles, data or attachments: those, and no
    others, are left out. Raises MediaError where it cannot be written even so.
    """
    seconds_done = 0.0

    def show(seconds: float) -> None:
        nonlocal seconds_done
        seconds_done = seconds
        progress("writing", seconds, inventory.duration_seconds)

    whole = planner(())
    try:
        _run(whole, draft, target, show)
        return ()
    except MediaError:
        refused = () if seconds_done else _refused(planner, whole, draft, target)
        if not refused:
            raise
    _run(planner(refused), draft, target, show)
    streams = {stream.index: stream for stream in inventory.streams}
    return tuple(
        f"stream {index} ({streams[index].kind.lower()}, {streams[index].codec}) was left out: "
        f"{target.suffix[1:] or 'the container'} cannot hold it"
        for index in refused
    )


def _refused(planner: Planner, whole: Plan, draft: Path, target: Path) -> tuple[int, ...]:
    """Which of the streams that may be left out the container refuses, tried one by one."""
    refused = []
    for index in whole.optional:
        others = tuple(other for other in whole.optional if other != index)
        try:
            _run(planner(others), draft, target, lambda seconds: None, ("-t", TRIAL_SECONDS))
        except MediaError:
            refused.append(index)
    return tuple(refused)


def _run(
    planned: Plan,
    draft: Path,
    target: Path,
    show: Callable[[float], None],
    limit: tuple[str, ...] = (),
) -> None:
    arguments = [part for part in planned.arguments if part != OUTPUT]
    ffmpeg.write_file([*arguments, *limit, ffmpeg.input_url(draft)], target, show)
