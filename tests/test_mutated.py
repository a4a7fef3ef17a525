"""Damaged files cost little, leave nothing behind, and are never answered wrongly.

`benchmarks/mutated_files.py` looks at thousands; here it looks at the first few.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY
from mutations import DAMAGES, KINDS

BENCHMARKS = REPOSITORY / "benchmarks"
FILES = 40

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Forked from a program of its own: a test runner has threads.
WATCH = """
import json, os, subprocess, sys, time
from dataclasses import asdict
from watched import Limits, watch

def spin():
    while True:
        pass

def grow():
    held = bytearray(300_000_000)
    time.sleep(60)

def stray():
    subprocess.Popen(["sleep", "60"])
    return 1

def litter():
    open("litter", "w").close()
    return 2

def fail():
    raise ValueError("on purpose")

limits = Limits(cpu_seconds=0.5, bytes=200e6, patience_seconds=60)
works = [spin, grow, stray, litter, fail, lambda: "well"]
seen = [watch(work, limits) for work in works]
seen.append(watch(lambda: time.sleep(60), Limits(patience_seconds=1)))
print(json.dumps([asdict(one) for one in seen]))
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(REPOSITORY)])}
    argv = [sys.executable, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=300)


def test_the_watch_sees_what_it_is_for() -> None:
    done = run("-c", WATCH)
    assert done.returncode == 0, done.stderr
    spun, grown, strayed, littered, failed, well, hung = json.loads(done.stdout)
    assert spun["faults"] == ["too slow"] and 0.5 < spun["cpu_seconds"] < 1.5
    assert grown["faults"][0].startswith("too large: ") and grown["most_bytes"] > 200e6
    assert strayed["faults"] == ["processes left: ['sleep']"] and strayed["result"] == 1
    assert littered["faults"] == ["files left: ['litter']"] and littered["result"] == 2
    assert failed["faults"] == ["ended with 1"] and "ValueError: on purpose" in failed["said"]
    assert hung["faults"] == ["hangs"] and hung["result"] is None
    assert well["faults"] == [] and well["result"] == "well"


@pytest.mark.slow
def test_damaged_files(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    done = run(BENCHMARKS / "mutated_files.py", results, "--files", str(FILES))
    fates: list[dict[str, Any]] = [json.loads(line) for line in results.read_text().splitlines()]
    assert {fate["name"]: fate["faults"] for fate in fates if fate["faults"]} == {}
    assert done.returncode == 0, done.stderr
    assert len(fates) > 0.8 * FILES  # some stamps no container takes
    assert {fate["name"].split("-")[0] for fate in fates} == set(DAMAGES)
    assert {fate["name"].rsplit(".")[-1] for fate in fates} == set(KINDS)
    assert sum(fate["outcome"] == "right" for fate in fates) > 0.3 * len(fates)
