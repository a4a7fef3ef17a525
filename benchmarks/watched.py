"""One piece of work in a process of its own, whose time, memory and remains are watched.

The process is forked, so that what is loaded need not be loaded again; Linux only. Its session
tells which processes are its own.
"""

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.05
LEAVE_SECONDS = 2.0  # in which what it started must have ended, too
TICKS, PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a piece of work."""

    cpu_seconds: float = 20.0
    bytes: float = 1e9
    patience_seconds: float = 300.0  # by the clock: on a busy machine it tells of hangs alone


@dataclass(frozen=True, slots=True)
class Watched:
    """What a piece of work gave, and what it took."""

    result: Any  # None where it did not end by itself
    said: str  # on its stdout and stderr
    cpu_seconds: float  # of it and all that it started
    clock_seconds: float
    most_bytes: int  # resident, all together
    faults: tuple[str, ...]


def watch(work: Callable[[], Any], limits: Limits) -> Watched:
    """Run `work`, whose result JSON can hold, in a process and a temporary folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "work").mkdir()
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            _work(work, place)
        cpu, most, faults = _wait(child, limits, started)
        clock = time.monotonic() - started
        left = sorted(os.listdir(place / "work")) if not faults else []  # it was not ended
        faults += [*_leave(child), *([f"files left: {left}"] if left else [])]
        result, said = place / "result.json", place / "said.txt"
        return Watched(
            json.loads(result.read_text()) if result.exists() else None,
            said.read_text(errors="replace") if said.exists() else "",
            round(cpu, 2),
            round(clock, 2),
            most,
            tuple(faults),
        )


def _work(work: Callable[[], Any], place: Path) -> None:
    """What the child does; never returns."""
    status = 1
    try:
        os.setsid()
        said = os.open(place / "said.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        os.chdir(place / "work")
        os.environ["TMPDIR"] = tempfile.tempdir = os.getcwd()
        result = json.dumps(work())
        (place / "result.json").write_text(result)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _wait(child: int, limits: Limits, started: float) -> tuple[float, int, list[str]]:
    """Processor time, most bytes and faults; ends what takes too much."""
    cpu, most, faults = 0.0, 0, []
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            cpu = max(cpu, usage.ru_utime + usage.ru_stime)
            if status:
                faults.append(f"ended with {os.waitstatus_to_exitcode(status)}")
            return cpu, most, faults
        now, resident = _usage(child)
        cpu, most = max(cpu, now), max(most, resident)
        clock = time.monotonic() - started
        if cpu > limits.cpu_seconds or clock > limits.patience_seconds:
            faults.append("too slow" if cpu > limits.cpu_seconds else "hangs")
        elif most > limits.bytes:
            faults.append(f"too large: {most / 1e6:.0f} MB")
        if faults:
            _kill(child)
            os.wait4(child, 0)
            return cpu, most, faults
        time.sleep(POLL_SECONDS)


def _leave(child: int) -> list[str]:
    """What is still there of a session whose leader has ended; it is ended."""
    until = time.monotonic() + LEAVE_SECONDS
    while _members(child) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    left = [name for name, *_ in _members(child)]
    _kill(child)
    return [f"processes left: {left}"] if left else []


def _usage(session: int) -> tuple[float, int]:
    """Processor seconds so far and resident bytes of a session's processes.

    One that has the leader's name has only just been started, and shares the leader's memory.
    """
    members = _members(session)
    leader = next((name for name, process, *_ in members if process == session), None)
    own = (m for m in members if m[1] == session or m[0] != leader)
    return sum(m[2] for m in members) / TICKS, sum(m[3] for m in own) * PAGE_BYTES


def _kill(session: int) -> None:
    for _, process, *_ in _members(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _members(session: int) -> list[tuple[str, int, int, int]]:
    """(name, id, processor ticks with those of ended children, pages) of a session's processes."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = Path("/proc", entry, "stat").read_text()
        except OSError:
            continue
        name, rest = text.split("(", 1)[1].rsplit(")", 1)
        fields = rest.split()
        if int(fields[3]) == session and fields[0] != "Z":
            ticks = sum(map(int, fields[11:15]))
            found.append((name, int(entry), ticks, int(fields[21])))
    return found
