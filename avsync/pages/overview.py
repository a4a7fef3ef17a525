"""The page of many files: counts, a histogram of their offsets, a table that leads to each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.pages import answer, charts
from avsync.pages.answer import Allowed, Mood
from avsync.pages.folder import FILES, INDEX, slug
from avsync.pages.rendering import printable, render
from avsync.prose import confidence_in_words
from avsync.report import SyncReport
from avsync.system.atomic import write_whole

ROWS_PER_PAGE = 1000  # of the tables that need no script
FEWEST_BARS, MOST_BARS = 16, 60
BAR_STEPS_MS = (10, 20, 40, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 60_000, 600_000)
MOODS: dict[Mood, str] = {
    "out": "outside the tolerance",
    "failed": "cannot be read",
    "unsure": "cannot tell",
    "good": "inside the tolerance",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A file in the table."""

    path: str
    mood: Mood
    offset_ms: float | None  # the worst of it
    confidence: float | None
    words: str  # what is odd, or in doubt
    page: str  # address; empty: there is none

    @classmethod
    def of(cls, report: SyncReport, allowed: Allowed, folder: Path) -> "Row":
        """What the table says of a report; its page counts where it is there."""
        worst = None if report.offset_ms is None else max(report.range_ms, key=abs)
        reasons = (reason.removeprefix(f"{report.path}: ") for reason in report.reasons)
        said = [*reasons, *report.warnings]
        if not answer.is_constant(report):
            said.insert(0, answer.headline(report))
        page = folder / FILES / f"{slug(report.path)}.html"
        return cls(
            printable(report.path),
            answer.mood_of(report, allowed),
            worst,
            report.confidence,
            printable("; ".join(said)),
            f"{FILES}/{page.name}" if page.is_file() else "",
        )

    @property
    def sort_key(self) -> tuple[int, float, str]:
        """What needs a look comes first."""
        return (list(MOODS).index(self.mood), -abs(self.offset_ms or 0.0), self.path)

    @property
    def offset_words(self) -> str:
        """With a sign, and what that means."""
        if self.offset_ms is None:
            return ""
        rounded = round(self.offset_ms)
        which = " early" if rounded > 0 else " late" if rounded < 0 else ""
        return f"{abs(rounded)} ms{which}"

    @property
    def confidence_words(self) -> str:
        """A percentage; nothing that is estimated is certain."""
        return "" if self.confidence is None else confidence_in_words(self.confidence)

    @property
    def values(self) -> list[Any]:
        """For the script that sorts and filters."""
        offset = None if self.offset_ms is None else round(self.offset_ms, 1)
        confidence = None if self.confidence is None else round(self.confidence, 3)
        return [self.path, offset, self.mood, confidence, self.words, self.page]


def write_overview(reports: Iterable[SyncReport], folder: Path, allowed: Allowed) -> None:
    """Write the overview of a batch into its folder. Raises AvsyncError or OSError."""
    rows = sorted(
        (Row.of(report, allowed, folder) for report in reports), key=lambda row: row.sort_key
    )
    for name, page in overview_pages(rows, allowed).items():
        write_whole(folder / name, page.encode())


def overview_pages(rows: Sequence[Row], allowed: Allowed) -> dict[str, str]:
    """Pages by name: the first does all by itself, the others are for who has no JavaScript."""
    parts = [rows[k : k + ROWS_PER_PAGE] for k in range(0, max(1, len(rows)), ROWS_PER_PAGE)]
    names = [INDEX, *(f"index-{k}.html" for k in range(2, len(parts) + 1))]
    counts = Counter(row.mood for row in rows)
    shared = {
        "title": f"{len(rows):,} files" if len(rows) != 1 else "1 file",
        "allowed": allowed,
        "counts": [(mood, words, counts[mood]) for mood, words in MOODS.items()],
        "histogram": _histogram(rows, allowed),
        "names": names,
    }
    pages = {}
    for number, (name, part) in enumerate(zip(names, parts, strict=True)):
        data = [row.values for row in rows] if number == 0 else None
        pages[name] = render(
            "overview.html", ("table.js",) if data else (), rows=part, number=number,
            moods=MOODS, data=data, **shared,
        )  # fmt: skip
    return pages


def _histogram(rows: Sequence[Row], allowed: Allowed) -> dict[str, Any] | None:
    """How many files have which offset; None: none has any."""
    offsets = np.array([row.offset_ms for row in rows if row.offset_ms is not None])
    if not len(offsets):
        return None
    tolerance = allowed.tolerance
    widest = max(float(np.abs(offsets).max()), tolerance.early_ms, tolerance.late_ms, 100.0)
    bars = np.clip(6 * np.sqrt(len(offsets)), FEWEST_BARS, MOST_BARS)  # few files, wide bars
    step = next((s for s in BAR_STEPS_MS if 2 * widest / s <= bars), BAR_STEPS_MS[-1])
    half = int(np.ceil(widest / step)) + 1
    edges = (np.arange(-half, half + 2) - 0.5) * step
    counts, _ = np.histogram(offsets, edges)
    reach, most = float(edges[-1]), int(counts.max())
    width = 100 * step / (2 * reach)
    left = charts.percent(-tolerance.late_ms, -reach, reach)
    return {
        "bars": [
            (charts.percent(float(a), -reach, reach) + 0.08 * width, 0.84 * width,
             max(1.2, 92 * int(n) / most))
            for a, n in zip(edges, counts, strict=False) if n
        ],
        "allowed": (left, charts.percent(tolerance.early_ms, -reach, reach) - left),
        "ticks": charts.offset_ticks(reach, 8),
        "narrow_ticks": charts.offset_ticks(reach, 4),
        "most": most,
        "step": step,
        "words": _in_words(offsets),
    }  # fmt: skip


def _in_words(offsets: NDArray[np.float64]) -> str:
    low, middle, high = (
        charts.signed(float(ms)) for ms in (offsets.min(), np.median(offsets), offsets.max())
    )
    if len(offsets) == 1:
        return f"One offset: {middle} ms"
    return f"{len(offsets)} offsets from {low} to {high} ms, median {middle} ms"
