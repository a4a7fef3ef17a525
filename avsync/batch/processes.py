"""Workers on this machine: processes of our own that load the tools once.

A worker leads a process group of its own, so that its ffmpeg ends with it, and a Ctrl-C on the
terminal reaches the program alone. It listens to its pipe while it works: when the program is gone,
however it went, the pipe ends, and the worker ends itself.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import pairwise
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any, Generic, cast

from avsync.batch.tasks import R, Request, WorkerLostError
from avsync.errors import AvsyncError, WorkersError
from avsync.system.resources import allowed_cores, spare_memory

Cores = frozenset[int]  # that a worker stays on; empty: any
Open = Callable[[], Callable[[Any], R]]  # in the worker: load the tools, give what does an order

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Two threads that wait for different processes at once may each reap the other's.
_starting_or_ending = threading.Lock()


class LocalWorker(Generic[R]):
    """A worker process."""

    def __init__(self, open_measure: Open[R], threads: int, berths: "SimpleQueue[Cores]") -> None:
        """`threads`: how many the libraries in it may use; it stays on cores taken from `berths`.

        Raises WorkersError.
        """
        self._berths: SimpleQueue[Cores] | None = berths
        self._cores = _taken_from(berths)
        spawn = multiprocessing.get_context("spawn")  # torch and OpenCV do not survive a fork
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(
            target=_work, args=(theirs, open_measure, threads, self._cores), daemon=True
        )
        try:
            with _starting_or_ending, _no_main_module():
                self._process.start()
        except OSError as error:
            raise WorkersError(f"no worker can be started ({error}): try fewer --jobs") from error
        theirs.close()

    def open(self) -> None:
        """Wait until the tools are loaded. Raises what loading raised, or WorkerLostError."""
        error = self._receive()
        if isinstance(error, AvsyncError):
            raise error

    def measure(self, order: Request, timeout_seconds: float | None) -> R:
        """Do a file; raises WorkerLostError where the process dies, or TimeoutError."""
        try:
            self._pipe.send(order)
            if not self._pipe.poll(timeout_seconds):
                raise TimeoutError
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise WorkerLostError(self._how_it_ended()) from error
        return cast(R, self._receive())

    def close(self) -> None:
        """Kill the process and what it has started."""
        with _starting_or_ending:
            if self._process.exitcode is None:
                _kill_group(self._process.pid)
                self._process.kill()  # where it had not yet come to lead a group
                self._process.join()
            if self._berths:
                self._berths.put(self._cores)
            self._berths = None

    def _receive(self) -> object:
        try:
            return self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorkerLostError(self._how_it_ended()) from error

    def _how_it_ended(self) -> str:
        with _starting_or_ending:
            _kill_group(self._process.pid)  # its ffmpeg, if it has left one
            self._process.join()
        code = self._process.exitcode or 0
        if code >= 0:
            return f"ended with status {code}"
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Let a process that starts import nothing of the program that asks for it.

    It needs nothing of it, and a script could go without the usual guard against being imported.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def local_workers(open_measure: Open[R], jobs: int, threads: int) -> Callable[[], LocalWorker[R]]:
    """What makes workers for a pool of so many.

    Each has its cores: left to itself, the system often has two of them, or one and its ffmpeg,
    wait for the same core while another is idle.
    """
    berths: SimpleQueue[Cores] = SimpleQueue()
    for cores in core_groups(sorted(allowed_cores()), jobs):
        berths.put(cores)
    return partial(LocalWorker, open_measure, threads, berths)


def core_groups(cores: Sequence[int], jobs: int) -> list[Cores]:
    """Cores for each of so many workers: all of them, in even shares; none where there are fewer.

    Three workers, [0, 1, 2, 3] -> {0}, {1}, {2, 3}.
    """
    bounds = [number * len(cores) // jobs for number in range(jobs + 1)]
    return [frozenset(cores[a:b]) for a, b in pairwise(bounds)]


def _taken_from(berths: "SimpleQueue[Cores]") -> Cores:
    try:
        return berths.get_nowait()
    except Empty:
        return frozenset()


def _kill_group(leader: int | None) -> None:
    if leader and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of zombies
            os.killpg(leader, signal.SIGKILL)


def _work(pipe: Connection, open_measure: Open[Any], threads: int, cores: Cores) -> None:
    """The life of a worker."""
    spare_memory()
    if cores:
        os.sched_setaffinity(0, cores)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    # The list on stdin and the answers on stdout are the program's own.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.environ |= dict.fromkeys(THREAD_VARIABLES, str(threads))  # read when numpy is imported
    orders: SimpleQueue[Request] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, orders), daemon=True).start()
    try:
        measure = open_measure()
    except AvsyncError as error:
        pipe.send(error)
        return
    pipe.send(None)
    while True:
        pipe.send(measure(orders.get()))


def _listen(pipe: Connection, orders: "SimpleQueue[Request]") -> None:
    try:
        while True:
            orders.put(pipe.recv())
    except (EOFError, OSError):
        _kill_group(os.getpgrp() if hasattr(os, "getpgrp") else None)
        os._exit(1)
