"""Batches measured: two jobs against one, equal answers, and memory that does not grow.

    python benchmarks/batch.py CLIPS... --files 300 --alone 300 --memory 200 2000

Prints a table, then the same as JSON. All sides run here and now, one after the other, so that
they are compared on the same machine in the same state.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avsync.media.search import find_media

AVSYNC = [sys.executable, "-m", "avsync", "detect"]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure batches of videos.")
    parser.add_argument("clips", nargs="+", help="videos, or folders of videos")
    parser.add_argument(
        "--files", type=int, default=300, help="to measure with 1 and 2 jobs; 0: none"
    )
    parser.add_argument("--alone", type=int, default=20, help="of them, each by a command alone")
    parser.add_argument("--memory", type=int, nargs=2, default=(200, 2000), metavar="FILES")
    parser.add_argument("--ray", action="store_true", help="also a local Ray cluster of 2 cores")
    chosen = parser.parse_args()
    paths = list(find_media(chosen.clips))
    results: dict[str, Any] = {}
    if chosen.files:
        results |= speed(_spread(paths, chosen.files), chosen.alone, chosen.ray)
    if chosen.memory[1]:
        results |= memory(paths, *chosen.memory)
    for name, value in results.items():
        print(f"{name:<44} {value}")
    print(json.dumps(results))


def speed(paths: Sequence[str], alone: int, ray: bool) -> dict[str, Any]:
    """Seconds with one job and with two, and whether the answers are the same."""
    runs: dict[str, _Run] = {}
    one, two = ["--jobs", "1"], ["--jobs", "2"]
    sides = {"1 job": one, "2 jobs": two, "1 job on 1 core": one}
    if ray:
        sides["Ray, 2 cores"] = ["--jobs", "2", "--engine", "ray"]
    for name, options in sides.items():
        runs[name] = _run(["-", "--jsonl", *options], paths, one_core="1 core" in name)
    first = runs["1 job"].answers
    results: dict[str, Any] = {"files": len(paths), **_counts(first)}
    for name, run in runs.items():
        results[f"seconds, {name}"] = round(run.seconds, 1)
        results[f"cores busy, {name}"] = round(run.cpu_seconds / run.seconds, 2)
        results[f"CPU seconds a file, {name}"] = round(run.cpu_seconds / len(paths), 3)
        results[f"files with another offset, {name}"] = _differ(first, run.answers, "offset_ms")
        results[f"files with another answer, {name}"] = _differ(first, run.answers)
    for name in ("1 job", "1 job on 1 core"):
        results[f"{name} / 2 jobs"] = round(runs[name].seconds / runs["2 jobs"].seconds, 2)
    apart = {path: _run([path, "--jsonl"], ()).answers[path] for path in _spread(paths, alone)}
    results["alone, each by its own command"] = len(apart)
    results["files with another offset, alone"] = _differ(apart, first, "offset_ms")
    results["files with another answer, alone"] = _differ(apart, first)
    return results


def memory(paths: Sequence[str], early: int, late: int) -> dict[str, Any]:
    """Resident MB of the program and of its worker after so many files, in one run."""
    shortest = sorted(paths, key=lambda path: Path(path).stat().st_size)[:late]
    random.Random(0).shuffle(shortest)  # else the longer ones would come late
    listed = [shortest[n % len(shortest)] for n in range(late)]
    sizes: dict[int, dict[str, float]] = {}
    argv = [*AVSYNC, "-", "--jsonl", "--jobs", "1"]
    with tempfile.TemporaryFile() as names:
        names.write("".join(f"{path}\n" for path in listed).encode())
        names.seek(0)
        with subprocess.Popen(argv, stdin=names, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for number, _ in enumerate(process.stdout, 1):
                if number % early == 0 or number == late - 1:  # after the last the worker is gone
                    with suppress(OSError, ValueError):
                        sizes[number] = _resident(process.pid)
    before, after = sizes[early], sizes[late - 1]
    results: dict[str, Any] = {}
    for name in before:
        results[f"{name}: MB after {early} files"] = round(before[name], 1)
        results[f"{name}: MB after {late - 1} files"] = round(after[name], 1)
        results[f"{name}: growth"] = f"{100 * (after[name] / before[name] - 1):+.1f} %"
        results[f"{name}: MB on the way"] = [round(size[name]) for size in sizes.values()]
    return results


def _spread(paths: Sequence[str], count: int) -> list[str]:
    """So many of them, at even distances."""
    count = min(count, len(paths))
    return [paths[n * len(paths) // count] for n in range(count)]


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run of the command said, and what it cost."""

    answers: dict[str, dict[str, Any]]  # by path
    seconds: float  # by the clock on the wall, start of the program included
    cpu_seconds: float  # of it and all that it started


def _run(arguments: Sequence[str], listed: Sequence[str], *, one_core: bool = False) -> _Run:
    """The command with names on its stdin, on all cores or on one of them."""
    cores = os.sched_getaffinity(0)
    before, started = _cpu_seconds_of_the_dead(), time.monotonic()
    done = subprocess.run(
        [*AVSYNC, *arguments],
        input="".join(f"{path}\n" for path in listed).encode(),
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(cores)} if one_core else cores),
    )
    seconds = time.monotonic() - started
    answers = {fields["path"]: fields for fields in map(json.loads, done.stdout.splitlines())}
    return _Run(answers, seconds, _cpu_seconds_of_the_dead() - before)


def _cpu_seconds_of_the_dead() -> float:
    """Of all processes that this one started, directly or not, and that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _counts(answers: dict[str, dict[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(fields["status"] for fields in answers.values()).items()))


def _differ(
    some: dict[str, dict[str, Any]], others: dict[str, dict[str, Any]], field: str | None = None
) -> int:
    """How many of the answers the others do not give just so."""
    if field:
        return sum(some[p][field] != others.get(p, {}).get(field, ...) for p in some)
    return sum(some[path] != others.get(path) for path in some)


def _resident(program: int) -> dict[str, float]:
    """MB of the program, and of its largest child."""
    children = [
        int(number)
        for task in Path(f"/proc/{program}/task").iterdir()
        for number in (task / "children").read_text().split()
    ]
    return {"program": _megabytes(program), "worker": max(map(_megabytes, children))}


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
