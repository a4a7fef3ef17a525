"""Batches measured: two jobs against one, equal answers, and memory that does not grow.

    python benchmarks/batch.py CLIPS... --files 300 --alone 300 --memory 200 2000

Prints a table, then the same as JSON. All sides run here and now, one after the other, so that
they are compared on the same machine in the same state.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from avsync.inputs import find_media

AVSYNC = [sys.executable, "-m", "avsync", "detect"]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure batches of videos.")
    parser.add_argument("clips", nargs="+", help="videos, or folders of videos")
    parser.add_argument("--files", type=int, default=300, help="to measure with 1 and 2 jobs")
    parser.add_argument("--alone", type=int, default=20, help="of them, each by a command alone")
    parser.add_argument("--memory", type=int, nargs=2, default=(200, 2000), metavar="FILES")
    parser.add_argument("--ray", action="store_true", help="also a local Ray cluster of 2 cores")
    chosen = parser.parse_args()
    paths = list(find_media(chosen.clips))
    results = speed(_spread(paths, chosen.files), chosen.alone, chosen.ray)
    if chosen.memory[1]:
        results |= memory(paths, *chosen.memory)
    for name, value in results.items():
        print(f"{name:<44} {value}")
    print(json.dumps(results))


def speed(paths: Sequence[str], alone: int, ray: bool) -> dict[str, Any]:
    """Seconds with one job and with two, and whether the answers are the same."""
    seconds, answers = {}, {}
    sides = {"1 job": ["--jobs", "1"], "2 jobs": ["--jobs", "2"]}
    if ray:
        sides["Ray, 2 cores"] = ["--jobs", "2", "--engine", "ray"]
    for name, options in sides.items():
        started = time.monotonic()
        answers[name] = dict(_answers(paths, options))
        seconds[name] = time.monotonic() - started
    first = answers["1 job"]
    results: dict[str, Any] = {"files": len(paths)}
    results |= {f"seconds, {name}": round(value, 1) for name, value in seconds.items()}
    results["1 job / 2 jobs"] = round(seconds["1 job"] / seconds["2 jobs"], 2)
    for name, other in answers.items():
        results[f"answers that differ, {name}"] = sum(first[p] != other.get(p) for p in paths)
    apart = {path: dict(_answers([path], []))[path] for path in _spread(paths, alone)}
    results[f"answers that differ, {len(apart)} files alone"] = sum(
        first[path] != answer for path, answer in apart.items()
    )
    return results


def memory(paths: Sequence[str], early: int, late: int) -> dict[str, Any]:
    """Resident MB of the program and of its worker after so many files, in one run."""
    shortest = sorted(paths, key=lambda path: Path(path).stat().st_size)
    listed = [shortest[n % min(len(paths), late)] for n in range(late)]
    sizes: dict[int, dict[str, float]] = {}
    argv = [*AVSYNC, "-", "--jsonl", "--jobs", "1"]
    with tempfile.TemporaryFile() as names:
        names.write("".join(f"{path}\n" for path in listed).encode())
        names.seek(0)
        with subprocess.Popen(argv, stdin=names, stdout=subprocess.PIPE) as process:
            assert process.stdout
            for number, _ in enumerate(process.stdout, 1):
                if number in (early, late - 1):  # after the last the worker is gone
                    sizes[number] = _resident(process.pid)
    before, after = sizes[early], sizes[late - 1]
    results: dict[str, Any] = {}
    for name in before:
        results[f"{name}: MB after {early} files"] = round(before[name], 1)
        results[f"{name}: MB after {late - 1} files"] = round(after[name], 1)
        results[f"{name}: growth"] = f"{100 * (after[name] / before[name] - 1):+.1f} %"
    return results


def _spread(paths: Sequence[str], count: int) -> list[str]:
    """So many of them, at even distances."""
    count = min(count, len(paths))
    return [paths[n * len(paths) // count] for n in range(count)]


def _answers(paths: Sequence[str], options: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    done = subprocess.run(
        [*AVSYNC, "-", "--jsonl", *options] if options else [*AVSYNC, *paths, "--jsonl"],
        input="\n".join(paths).encode() if options else None,
        stdout=subprocess.PIPE,
    )
    for line in done.stdout.splitlines():
        fields = json.loads(line)
        yield fields["path"], fields


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
