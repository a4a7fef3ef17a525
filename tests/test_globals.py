"""Whoever imports avsync keeps the settings of their process, whatever avsync's threads do."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from syncnet_checkpoint import checkpoint

STATE = """
import gc, json, os, signal, sys, threading, warnings
import cv2, numpy, python_speech_features, torch

def at_once(work):
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()

def state():
    of_new_threads = []
    at_once(lambda: of_new_threads.append(torch.get_num_threads()))
    return {
        "switch interval": sys.getswitchinterval(), "collecting": gc.isenabled(),
        "threshold": gc.get_threshold(), "frozen": gc.get_freeze_count(),
        "OpenCV": cv2.getNumThreads(), "OpenCV says": cv2.utils.logging.getLogLevel(),
        "torch": [torch.get_num_threads(), *of_new_threads], "filters": list(warnings.filters),
        "numpy": numpy.geterr(), "umask": (mask := os.umask(0o22), os.umask(mask)),
        "signals": list(map(signal.getsignal, signal.valid_signals())), "folder": os.getcwd(),
        "environment": dict(os.environ), "path": list(sys.path),
    }

def check(what):
    now = state()
    changed = {name: (before[name], now[name]) for name in before if before[name] != now[name]}
    assert not changed, f"{what}: {changed}"

cv2.setNumThreads(2)
before = state()
"""
LOOK = """
import avsync
from avsync.media import ffmpeg
check("import")
words = ffmpeg.command(ffmpeg.builder().input("in").output("out"))
reports = []
options = avsync.DetectOptions(faces=sys.argv[2])
at_once(lambda: reports.append(avsync.detect(sys.argv[1], options)))
assert [report.status for report in reports] == ["ok", "ok"], reports
assert ffmpeg.command(ffmpeg.builder().input("in").output("out")) == words, "ffmpeg"
check("detect")
"""
LOAD = """
import itertools, time
from avsync.model import weights
load, pauses = torch.load, itertools.count(0.3, 0.3)
def slowly(*args, **options):  # who begins last ends last
    time.sleep(next(pauses))
    return load(*args, **options)
torch.load = slowly
at_once(lambda: weights.load(sys.argv[1]))
check("load")
"""


def _run(code: str, *arguments: str | Path) -> None:
    argv = [sys.executable, "-c", STATE + code, *map(str, arguments)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("faces", ["hog", "yunet"])
def test_two_threads_that_measure_change_nothing(
    monkeypatch: pytest.MonkeyPatch, faces: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    _run(LOOK, REPOSITORY / "docs" / "talking.mp4", faces)


def test_two_threads_that_load_foreign_weights_change_nothing(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "syncnet.pth"
    torch.save(checkpoint(), path)
    _run(LOAD, path)
