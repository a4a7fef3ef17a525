"""Many files, several workers, one file at a time on each, whatever a worker is.

    tasks -> feeder -> to do -> driver + worker, several -> results -> the caller

The feeder and the drivers are threads that only wait, so that a slow list of names holds up no
answer and a slow reader of answers holds up the list. A worker that is lost costs the file it held,
or has it done again elsewhere.
"""

import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from queue import SimpleQueue
from time import monotonic
from typing import Any, Generic

from avsync.batch.tasks import R, Result, Task, Worker, WorkerLostError
from avsync.errors import InterruptError, WorkersError

STARTS = 3  # in a row that may fail before the run is given up
AHEAD_PER_WORKER = 2  # files that are known, but not answered yet
AHEAD_IN_ORDER = 4096  # more of them where answers must wait for one that takes long
PARTING_SECONDS = 5.0  # for threads to notice the end


class Pool(Generic[R]):
    """Runs tasks on up to `jobs` workers, made one by one as tasks come in."""

    def __init__(
        self,
        make: Callable[[], Worker[R]],
        jobs: int,
        failed: Callable[[str, str], R],
        timeout_seconds: float | None = None,
        max_retries: int = 0,
    ) -> None:
        """`failed`: the report on a path whose worker could not do it, and why.

        `max_retries`: workers that a file may cost before it is given up.
        """
        self._make, self._jobs, self._failed = make, jobs, failed
        self._timeout_seconds, self._max_retries = timeout_seconds, max_retries
        self._todo: SimpleQueue[Task[R] | None] = SimpleQueue()
        self._results: SimpleQueue[Result[R] | int | BaseException] = SimpleQueue()
        self._workers: set[Worker[R]] = set()
        self._drivers: list[threading.Thread] = []
        self._lock = threading.Lock()  # of the two above
        self._stopped = False

    def run(self, tasks: Iterable[Task[R]], ordered: bool = False) -> Generator[Result[R]]:
        """An answer for each task, as known or in the order of the tasks.

        Raises AvsyncError where workers cannot be had, InterruptError on SIGINT and SIGTERM, and
        what `tasks` raises. No worker outlives the iterator.
        """
        room = self._jobs * AHEAD_PER_WORKER + (AHEAD_IN_ORDER if ordered else 0)
        self._room = threading.Semaphore(room)
        threading.Thread(target=self._feed, args=(tasks,), daemon=True).start()
        try:
            with _signals_to(self._results):
                answers = self._answers()
                for answer in _in_order(answers) if ordered else answers:
                    yield answer
                    self._room.release()
        finally:
            self._stop()

    def _answers(self) -> Iterator[Result[R]]:
        answered, expected = 0, None
        while answered != expected:
            result = self._results.get()
            if isinstance(result, BaseException):
                raise result
            if isinstance(result, int):  # all are known, so many
                expected = result
            else:
                answered += 1
                yield result

    def _feed(self, tasks: Iterable[Task[R]]) -> None:
        count = 0
        try:
            for task in tasks:
                self._room.acquire()
                count += 1
                if task.known is not None:
                    self._results.put(Result(task, task.known, 0.0))
                    continue
                self._todo.put(task)
                self._start_driver()
            self._results.put(count)
        except BaseException as error:  # the caller must hear of it
            self._results.put(error)

    def _start_driver(self) -> None:
        with self._lock:
            if len(self._drivers) < self._jobs and not self._stopped:
                self._drivers.append(threading.Thread(target=self._drive, daemon=True))
                self._drivers[-1].start()

    def _drive(self) -> None:
        """One worker after another, one task after another."""
        worker: Worker[R] | None = None
        try:
            while not self._stopped:
                worker = worker or self._open_worker()
                task = self._todo.get()
                if task is None:
                    break
                if not self._measure(worker, task):
                    self._part_with(worker)
                    worker = None
        except BaseException as error:  # the caller must hear of it
            self._results.put(error)
        finally:
            if worker:
                self._part_with(worker)

    def _open_worker(self) -> Worker[R]:
        how: WorkerLostError | None = None
        for _ in range(STARTS):
            worker = self._make()
            with self._lock:
                self._workers.add(worker)
            try:
                if self._stopped:
                    break
                worker.open()
                return worker
            except WorkerLostError as lost:
                self._part_with(worker)
                how = lost
        raise WorkersError(f"workers do not start ({how}): try --jobs 1, see avsync doctor")

    def _measure(self, worker: Worker[R], task: Task[R]) -> bool:
        """Answer a task or put it back; whether the worker is still there."""
        started = monotonic()
        try:
            report = worker.measure(task.order, self._timeout_seconds)
            self._results.put(Result(task, report, monotonic() - started))
            return True
        except TimeoutError:
            after = f"{self._timeout_seconds:g} s"
            why = f"not done after {after}: raise --timeout, or look at the file"
        except WorkerLostError as lost:
            if task.attempts < self._max_retries:
                self._todo.put(replace(task, attempts=task.attempts + 1))
                return False
            why = f"the worker {lost} while it had this file; the others are not affected"
        failed = self._failed(task.path, f"{task.path}: {why}")
        self._results.put(Result(task, failed, monotonic() - started))
        return False

    def _part_with(self, worker: Worker[R]) -> None:
        worker.close()
        with self._lock:
            self._workers.discard(worker)

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            workers, drivers = list(self._workers), list(self._drivers)
        for _ in drivers:
            self._todo.put(None)
        for worker in workers:
            worker.close()
        until = monotonic() + PARTING_SECONDS
        for driver in drivers:
            driver.join(max(0.0, until - monotonic()))


def _in_order(answers: Iterator[Result[R]]) -> Iterator[Result[R]]:
    waiting: dict[int, Result[R]] = {}
    number = 0
    for answer in answers:
        waiting[answer.task.number] = answer
        while number in waiting:
            yield waiting.pop(number)
            number += 1


@contextmanager
def _signals_to(results: "SimpleQueue[Any]") -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run between two answers; a second one ends it at once."""

    def note(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        results.put(InterruptError(number, "interrupted; what was answered is whole"))

    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and `&` ask
                before[number] = signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
