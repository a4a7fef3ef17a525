"""How far a run is: bars on stderr, where that is a terminal."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from avsync.batch.tasks import Result
from avsync.cli.console import S
from avsync.system.progress import Progress, silent


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar on stderr, where that is a terminal."""
    with _bars(quiet) as bars:
        yield _shown_in(bars)


class BatchView:
    """Counts answers, and shows them where a bar is given."""

    def __init__(self, bars: Any, total: int | None) -> None:
        self.progress = _shown_in(bars)  # of what comes before the first file
        self._bars, self._total = bars, total
        self._task: Any = None
        self._counts: Counter[str] = Counter()
        self._measured, self._since = 0, monotonic()
        self._film_seconds = 0.0  # of what is answered

    def watch(self, answers: Iterable[Result[S]]) -> Iterator[Result[S]]:
        """Pass answers on, and count them."""
        for answer in answers:
            self._counts[answer.report.status] += 1
            self._measured += answer.task.known is None
            self._film_seconds += getattr(answer.report, "duration_seconds", None) or 0.0
            if self._bars:
                if self._task is None:
                    self._task = self._bars.add_task("", total=self._total)
                done = sum(self._counts.values())
                self._bars.update(self._task, completed=done, description=self.summary())
            yield answer

    def summary(self) -> str:
        """Files done, at what rate, and what came of them."""
        counts = ", ".join(f"{count} {status}" for status, count in sorted(self._counts.items()))
        rate = self._measured / max(monotonic() - self._since, 1e-3)
        of_all = f" of {self._total}" if self._total is not None else ""
        film = f", {self._film_seconds:,.0f} s of film" if self._film_seconds else ""
        return f"{sum(self._counts.values())}{of_all} files{film}, {rate:.1f}/s: {counts}"


@contextmanager
def batch_view(quiet: bool, total: int | None) -> Iterator[BatchView]:
    """A bar over all files on stderr, where that is a terminal, and a last word when it ends."""
    with _bars(quiet) as bars:
        view = BatchView(bars, total)
        yield view
    if bars:
        print(f"avsync: {view.summary()}", file=sys.stderr)


@contextmanager
def _bars(quiet: bool) -> Iterator[Any]:
    """rich's bars on stderr; None where nobody would see them."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TimeElapsedColumn, TimeRemainingColumn

    with Bars(
        *Bars.get_default_columns()[:-1],
        TimeElapsedColumn(),
        "gone,",
        TimeRemainingColumn(),
        "left",
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else answers would be shown and not written
    ) as bars:
        yield bars


def _shown_in(bars: Any) -> Progress:
    tasks: dict[str, Any] = {}

    def show(what: str, done: float, total: float | None) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    return show if bars else silent
