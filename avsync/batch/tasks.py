"""Files to do, what comes of them, and who does them."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from avsync.findings import Source

R = TypeVar("R")  # what is said of a file
R_co = TypeVar("R_co", covariant=True)
Request = str | tuple[str, str]  # a file to look at; a file, and where to write what comes of it


class WorkerLostError(Exception):
    """The worker has gone; says how."""


class Worker(Protocol[R_co]):
    """Something that does files, one at a time."""

    def open(self) -> None:
        """Wait until it is ready. Raises WorkerLostError, or AvsyncError where it never will be."""

    def measure(self, order: Request, timeout_seconds: float | None) -> R_co:
        """Raises WorkerLostError or TimeoutError; it is of no use after either."""
        ...

    def close(self) -> None:
        """End it at once, whatever it does; may be called from any thread, and again."""


@dataclass(frozen=True, slots=True)
class Task(Generic[R]):
    """A file to do.

    Attributes
    ----------
    number : int
        Place in the input, from 0 on.
    path : str
        Of the file.
    source : Source or None
        What the answer will hold for.
    known : R or None
        What is known of it already: nothing is to be done.
    output : str or None
        Where what comes of it is written, if anything is.
    attempts : int
        Workers that were lost over it.
    """

    number: int
    path: str
    source: Source | None = None
    known: R | None = None
    output: str | None = None
    attempts: int = 0

    @property
    def order(self) -> Request:
        """What a worker is told."""
        return self.path if self.output is None else (self.path, self.output)


@dataclass(frozen=True, slots=True)
class Result(Generic[R]):
    """What came of a task.

    Attributes
    ----------
    task : Task[R]
        What was to be done.
    report : R
        What came of it.
    seconds : float
        That it took.
    """

    task: Task[R]
    report: R
    seconds: float
