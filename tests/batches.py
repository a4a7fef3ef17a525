"""What tests of many files share: the real command while it runs, its processes, its lines."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 300.0  # the machine may be busy


@contextmanager
def running(*args: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The real command, its output in pipes; killed in the end if it still runs."""
    argv = [sys.executable, "-m", "avsync", *map(os.fspath, args)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(argv, text=True, **{**pipes, **options}) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[str]) -> str:
    """A line of what the command prints, and no more of it.

    What `process.stdout` has read ahead, `communicate` would not give back.
    """
    assert process.stdout
    line = b""
    while (letter := os.read(process.stdout.fileno(), 1)) and letter != b"\n":
        line += letter
    return line.decode()


def fields_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """JSON Lines, each of which must be whole."""
    return [json.loads(line) for line in lines]


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """What `holds` gives as soon as it is true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what}")


def processes_below(pid: int) -> dict[int, str]:
    """Command lines of a process's children and theirs, by process number."""
    found: dict[int, str] = {}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for child in _children(parent):
            found[child] = command_line(child)
            waiting.append(child)
    return found


def workers_of(pid: int) -> list[int]:
    """The worker processes of a run."""
    return [child for child in _children(pid) if "spawn_main" in command_line(child)]


def command_line(pid: int) -> str:
    """Empty for a process that is gone, or dead and not yet buried."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def are_gone(pids: Iterable[int]) -> bool:
    """Whether none of them runs any more."""
    return not any(map(command_line, pids))


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except OSError:
        return []
