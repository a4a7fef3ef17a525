"""Answers as people read them: one at length, many as a table, or a line for another program."""

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TextIO

from avsync.cli.console import one_line
from avsync.cure_lines import Moved, line_for
from avsync.errors import AvsyncError
from avsync.findings import Curve
from avsync.pages.answer import Allowed, headline, is_constant, mood_of
from avsync.pipeline.options import DetectOptions
from avsync.prose import MARGIN, confidence_in_words, report_in_words
from avsync.report import SyncReport

BARS = "▁▂▃▄▅▆▇█"
BAR_COUNT = 41  # an odd number, so that one of them stands for no offset at all
NAMED_FILES = 3  # with the same note, before they are only counted
MOODS = {
    "out": "outside {}",
    "good": "inside {}",
    "unsure": "cannot tell",
    "failed": "cannot be read",
}


class AtLength:
    """A file's answer in a few lines, with its curve on a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._draws = out.isatty() and can_write(out, BARS)

    def of(self, report: SyncReport) -> str | None:
        """What went wrong is told on stderr."""
        if report.status == "error":
            return None
        text = report_in_words(report)
        if not self._draws or report.curve is None:
            return text
        path, answer, *more = text.split("\n")
        return "\n".join([path, answer, MARGIN + sparkline(report.curve), *more])

    def end(self) -> Iterator[str]:
        """There is but one."""
        yield from ()


class Table:
    """A line for each file, then counts, and each note once."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._moods: Counter[str] = Counter()
        self._notes: defaultdict[str, list[str]] = defaultdict(list)  # files by what is noted

    def of(self, report: SyncReport) -> str | None:
        """Offset, confidence, file, and what there is to say."""
        self._moods[mood_of(report, self._allowed)] += 1
        if report.status == "error":
            return None
        path = one_line(report.path)
        for warning in report.warnings:
            self._notes[warning].append(path)
        sure = "" if report.confidence is None else confidence_in_words(report.confidence)
        if report.offset_ms is None:
            return f"{'cannot tell':<14}{sure:>9}{'':>11}  {path}: {'; '.join(report.reasons)}"
        spread = f"+-{report.uncertainty_ms:.0f} ms" if report.uncertainty_ms is not None else ""
        why = "" if is_constant(report) else f": {headline(report)}"
        return f"{_worst_in_words(report):<14}{sure:>9}{spread:>11}  {path}{why}"

    def end(self) -> Iterator[str]:
        """Counts, and notes with the files they are on, all of them unless they are named."""
        counts = [
            f"{self._moods[mood]} {words.format(self._allowed.name)}"
            for mood, words in MOODS.items()
            if self._moods[mood]
        ]
        total = sum(self._moods.values())
        read = total - self._moods["failed"]
        if total:
            yield f"{total} file{'s' if total != 1 else ''}: {', '.join(counts)}"
        for note, paths in self._notes.items():
            yield f"note{'' if len(paths) == read else _on(paths)}: {note}"


class ForTool:
    """The line that cures each file in another program, and nothing else."""

    def __init__(self, tool: str, options: DetectOptions) -> None:
        self._tool, self._options = tool, options

    def of(self, report: SyncReport) -> str | None:
        """Nothing of files that no single value cures; why not is told on stderr."""
        path = one_line(report.path)
        if report.status == "error":
            return None
        if report.offset_ms is None:
            print(f"avsync: {path}: cannot tell: {'; '.join(report.reasons)}", file=sys.stderr)
            return None
        if not is_constant(report):
            why = f"{headline(report)}; no single value cures that, see avsync fix"
            print(f"avsync: {path}: {why}", file=sys.stderr)
            return None
        stream = self._stream(report.audio or report.path)
        moved = Moved(report.path, report.offset_ms, stream, report.audio)
        return line_for(self._tool, moved)

    def end(self) -> Iterator[str]:
        """Nothing: lines are for a shell."""
        yield from ()

    def _stream(self, path: str) -> int:
        """The index of the sound that was heard, where the program wants it."""
        from avsync.media.probe import probe  # numpy comes with it

        if self._tool != "mkvmerge":
            return 1
        try:
            info = probe(path, self._options.audio_track, self._options.video_track)
        except AvsyncError:
            return 1
        return info.audio.index if info.audio else 1


def sparkline(curve: Curve, count: int = BAR_COUNT) -> str:
    """A distance curve in letters: the lowest of each part of the range, late sound to the left.

    >>> sparkline(Curve((-10.0, 0.0, 10.0), (1.0, 0.0, None)), 3)
    '-10 █▁  +10 ms'
    """
    parts = [_lowest(part) for part in _parts(curve.distances, count)]
    known = [value for value in parts if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    step = (high - low) / (len(BARS) - 1) or 1.0
    bars = (" " if value is None else BARS[round((value - low) / step)] for value in parts)
    return f"{curve.offsets_ms[0]:.0f} {''.join(bars)} {curve.offsets_ms[-1]:+.0f} ms"


def can_write(out: TextIO, text: str) -> bool:
    """Whether the encoding of an output has these letters."""
    try:
        text.encode(out.encoding or "ascii")
    except UnicodeError:
        return False
    return True


def _parts(values: Sequence[float | None], count: int) -> Iterator[Sequence[float | None]]:
    count = min(count, len(values))
    for k in range(count):
        yield values[k * len(values) // count : (k + 1) * len(values) // count]


def _lowest(values: Sequence[float | None]) -> float | None:
    return min((v for v in values if v is not None and math.isfinite(v)), default=None)


def _worst_in_words(report: SyncReport) -> str:
    late, early = report.range_ms
    worst = round(late if -late > early else early)
    if worst == 0:
        return "in step"
    return f"{abs(worst)} ms {'early' if worst > 0 else 'late'}"


def _on(paths: Sequence[str]) -> str:
    if len(paths) > NAMED_FILES:
        return f" on {len(paths)} files"
    return f" on {', '.join(paths)}"
