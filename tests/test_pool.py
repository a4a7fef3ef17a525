"""Who gets which file, and what becomes of it when its worker is lost; with workers made up."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from avsync.batch.pool import Pool
from avsync.batch.processes import core_groups
from avsync.batch.tasks import Result, Task, WorkerLostError
from avsync.errors import MediaError, WeightsError, WorkersError
from avsync.findings import Source
from avsync.report import SyncReport
from avsync.system.resources import cores, default_jobs, free_bytes

SOURCE = Source(1, 2, "", {})


class FakeWorker:
    """Answers after a while; does what a file's name tells it to."""

    made = most_open = 0
    open_now: set["FakeWorker"]
    unlucky: set[str]  # files that have cost a worker already

    def __init__(self) -> None:
        type(self).made += 1

    def open(self) -> None:
        self.open_now.add(self)
        type(self).most_open = max(self.most_open, len(self.open_now))

    def measure(self, path: str, timeout_seconds: float | None) -> SyncReport:
        if path.startswith("kills"):
            raise WorkerLostError("was killed by SIGSEGV")
        if path.startswith("unlucky") and path not in self.unlucky:
            self.unlucky.add(path)
            raise WorkerLostError("was lost")
        if path.startswith("slow"):
            time.sleep(0.2)
        if path.startswith("hangs"):
            raise TimeoutError
        return SyncReport(path, "ok", float(len(path)))

    def close(self) -> None:
        self.open_now.discard(self)


@pytest.fixture
def fake() -> type[FakeWorker]:
    """A kind of worker that counts anew."""
    return type("Fake", (FakeWorker,), {"open_now": set(), "unlucky": set()})


def _tasks(paths: Iterable[str]) -> Iterator[Task[SyncReport]]:
    for number, path in enumerate(paths):
        yield Task(number, path, SOURCE)


def _failed(path: str, why: str) -> SyncReport:
    return SyncReport(path, "error", reasons=(why,))


def _said(answers: Iterable[Result[SyncReport]]) -> list[tuple[str, str]]:
    return [(answer.task.path, answer.report.status) for answer in answers]


def test_every_file_is_answered_once_by_no_more_workers_than_asked_for(
    fake: type[FakeWorker],
) -> None:
    paths = [f"{number}.mp4" for number in range(200)]
    answers = _said(Pool(fake, 3, _failed).run(_tasks(paths)))
    assert sorted(answers) == sorted((path, "ok") for path in paths)
    assert fake.most_open <= 3 and not fake.open_now


def test_no_more_workers_than_files(fake: type[FakeWorker]) -> None:
    assert len(_said(Pool(fake, 16, _failed).run(_tasks(["a", "b"])))) == 2
    assert fake.made <= 2


def test_order_of_completion_or_of_the_files(fake: type[FakeWorker]) -> None:
    paths = ["slow.mp4", *(f"{number}.mp4" for number in range(20))]
    assert _said(Pool(fake, 2, _failed).run(_tasks(paths)))[0][0] != "slow.mp4"
    assert _said(Pool(fake, 2, _failed).run(_tasks(paths), ordered=True)) == [
        (p, "ok") for p in paths
    ]


def test_a_lost_worker_costs_its_file_and_is_replaced(fake: type[FakeWorker]) -> None:
    pool = Pool(fake, 1, _failed, timeout_seconds=9.0)
    answers = list(pool.run(_tasks(["a", "kills", "b", "hangs", "c"])))
    assert _said(answers) == [
        ("a", "ok"), ("kills", "error"), ("b", "ok"), ("hangs", "error"), ("c", "ok"),
    ]  # fmt: skip
    assert "kills: the worker was killed by SIGSEGV" in answers[1].report.reasons[0]
    assert "hangs: not done after 9 s" in answers[3].report.reasons[0]
    assert fake.made == 3


def test_a_file_may_cost_some_workers_where_machines_are_lost(fake: type[FakeWorker]) -> None:
    answers = Pool(fake, 2, _failed, max_retries=2).run(_tasks(["unlucky 1", "kills", "unlucky 2"]))
    assert sorted(_said(answers)) == [
        ("kills", "error"), ("unlucky 1", "ok"), ("unlucky 2", "ok"),
    ]  # fmt: skip


def test_workers_that_never_start_end_the_run(fake: type[FakeWorker]) -> None:
    class Stillborn(fake):  # type: ignore[valid-type, misc]
        def open(self) -> None:
            raise WorkerLostError("was killed by SIGKILL")

    with pytest.raises(WorkersError, match=r"do not start \(was killed by SIGKILL\)"):
        list(Pool(Stillborn, 1, _failed).run(_tasks(["a"])))


def test_tools_that_cannot_be_had_end_the_run(fake: type[FakeWorker]) -> None:
    class Unarmed(fake):  # type: ignore[valid-type, misc]
        def open(self) -> None:
            raise WeightsError("no weights")

    with pytest.raises(WeightsError, match="no weights"):
        list(Pool(Unarmed, 2, _failed).run(_tasks(["a", "b"])))


def test_a_list_that_breaks_off_is_heard_of(fake: type[FakeWorker]) -> None:
    def paths() -> Iterator[str]:
        yield "a"
        raise MediaError("the list broke off")

    with pytest.raises(MediaError, match="broke off"):
        list(Pool(fake, 1, _failed).run(_tasks(paths())))
    assert not fake.open_now


def test_a_reader_that_takes_its_time_holds_up_the_list(fake: type[FakeWorker]) -> None:
    asked: list[str] = []

    def paths() -> Iterator[str]:
        for number in range(1000):
            asked.append(str(number))
            yield str(number)

    answers = Pool(fake, 2, _failed).run(_tasks(paths()))
    next(answers)
    time.sleep(0.2)
    assert len(asked) < 20
    answers.close()
    assert not fake.open_now


def test_what_is_known_is_not_measured(fake: type[FakeWorker]) -> None:
    known = SyncReport("a", "undetermined")
    tasks = [Task(0, "a", SOURCE, known), Task(1, "b", SOURCE)]
    assert _said(Pool(fake, 1, _failed).run(tasks, ordered=True)) == [
        ("a", "undetermined"),
        ("b", "ok"),
    ]


def test_what_the_machine_allows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from avsync.system import resources

    assert cores() >= 1 and free_bytes() > 0 and 1 <= default_jobs() <= cores()
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text(f"{3 << 30}\n")
    (tmp_path / "memory.current").write_text(f"{2 << 30}\n")
    monkeypatch.setattr(resources, "CGROUP", tmp_path)
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda pid: set(range(64)))
    assert cores() == 2 and free_bytes() <= 1 << 30 and default_jobs() == 1


HEAPS = """
import ctypes, threading
from avsync.system.resources import spare_memory
{call}
at_once = threading.Barrier(4)
def take():
    held = [bytearray(50_000) for _ in range(50)]
    at_once.wait()
threads = [threading.Thread(target=take) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif("glibc" not in platform.libc_ver(), reason="another C library")
def test_threads_take_memory_from_one_heap() -> None:
    def heaps(call: str) -> int:
        code = HEAPS.format(call=call)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr.count("Arena ")

    assert heaps("") > 1
    assert heaps("spare_memory()") == 1


def test_caches_of_shapes_are_capped_but_where_the_user_has_chosen() -> None:
    code = "import os; from avsync.system.resources import *; spare_memory(); "
    code += "print(*(os.environ[name] for name in SHAPE_CACHES))"
    chosen = {**os.environ, "LRU_CACHE_CAPACITY": "7"}
    chosen.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=chosen)
    assert done.stdout.split() == ["64", "7"], done.stderr


def test_each_worker_has_its_cores() -> None:
    assert core_groups([0, 1, 2, 3], 3) == [{0}, {1}, {2, 3}]
    assert core_groups([4, 6], 2) == [{4}, {6}]
    assert core_groups([0, 1], 1) == [{0, 1}]
    assert core_groups([5], 2) == [set(), {5}]  # the first goes anywhere
    assert core_groups([], 2) == [set(), set()]  # nobody says which there are
