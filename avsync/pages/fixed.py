"""The page of a file that was put right: before and after, beside each other."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from avsync.errors import OutputError
from avsync.pages import answer
from avsync.pages.answer import Allowed, Mood
from avsync.pages.curve import curve_of
from avsync.pages.file import video_address
from avsync.pages.folder import FILES, INDEX, Pages, slug
from avsync.pages.overview import Row, overview_pages
from avsync.pages.rendering import printable, render
from avsync.remux.report import FixReport, FixStatus
from avsync.report import SyncReport
from avsync.system.atomic import write_whole
from avsync.timebase import offset_in_words

MOODS: dict[FixStatus, Mood] = {
    "fixed": "good",
    "in_tolerance": "good",
    "planned": "unsure",
    "undetermined": "unsure",
    "unverified": "out",
    "error": "failed",
}
HEADLINES: dict[FixStatus, str] = {
    "fixed": "Put right",
    "in_tolerance": "Left alone: inside the tolerance",
    "planned": "Planned, nothing written",
    "undetermined": "Not touched: cannot tell",
    "unverified": "Nothing written: it did not prove to be right",
    "error": "Failed",
}
METHODS = {
    "copy": "Picture and sound were copied as they are; only time stamps changed.",
    "encode": "The sound was encoded again; the picture was copied as it is.",
    "resample": "The sound was resampled and encoded again; the picture was copied as it is.",
}


def write_fix_page(report: FixReport, pages: Pages) -> None:
    """Raises AvsyncError."""
    allowed = Allowed.of(pages.tolerance)
    target = pages.page_of(report.path)
    index = None if pages.alone else f"../{INDEX}"
    write_whole(target, fix_page(report, target, allowed, index=index).encode())


def fix_page(report: FixReport, target: Path, allowed: Allowed, *, index: str | None = None) -> str:
    """The page, as it is to be written to `target`."""
    sides = [
        ("Before", report.path, report.before),
        ("After", report.output, report.after),
    ]
    return render(
        "fix.html",
        ("player.js",),
        report=report,
        mood=MOODS[report.status],
        headline=HEADLINES[report.status],
        method=METHODS.get(report.method or "", "") if report.output else "",
        facts=list(_facts(report)),
        sides=[
            _side(name, path, measured, target, allowed)
            for name, path, measured in sides
            if path is not None
        ],
        json=report.to_json(indent=2, curve=False),
        index=index,
    )


def write_fix_overview(reports: Iterable[FixReport], pages: Pages) -> None:
    """Write the overview of many files. Raises AvsyncError."""
    rows = sorted((_row(report, pages.target) for report in reports), key=lambda row: row.sort_key)
    for name, page in overview_pages(rows, Allowed.of(pages.tolerance)).items():
        try:
            write_whole(pages.target / name, page.encode())
        except OSError as error:
            raise OutputError(f"{pages.target}: cannot write there: {error.strerror}") from error


def _facts(report: FixReport) -> Iterable[str]:
    yield from map(printable, report.reasons)
    if report.offset_ms is not None:
        said = "was" if report.before else "given"
        yield f"{said}: {offset_in_words(report.offset_ms)}"
    if report.after and report.after.offset_ms is not None:
        yield f"is: {offset_in_words(report.after.offset_ms)}"
    if report.output:
        yield f"written: {printable(report.output)}"


def _side(
    name: str, path: str, measured: SyncReport | None, target: Path, allowed: Allowed
) -> dict[str, Any]:
    return {
        "name": name,
        "path": printable(path),
        "video": video_address(path, target.parent),
        "mood": answer.mood_of(measured, allowed) if measured else "unsure",
        "headline": answer.headline(measured) if measured else "Not measured",
        "facts": answer.facts(measured, allowed) if measured else [],
        "curve": curve_of(measured, allowed) if measured else None,
    }


def _row(report: FixReport, folder: Path) -> Row:
    """The file as it is now, and what was done to it."""
    now = report.after or report.before
    page = folder / FILES / f"{slug(report.path)}.html"
    words = (HEADLINES[report.status], *_facts(report))
    return Row(
        printable(report.path),
        MOODS[report.status],
        now.offset_ms if now else None,
        now.confidence if now else None,
        "; ".join(words),
        f"{FILES}/{page.name}" if page.is_file() else "",
    )
