"""The page of one file: the answer, a player, what it was read from, all of it below as JSON."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from avsync.cure_lines import TOOLS, Moved, fix_line, line_for
from avsync.findings import Segment
from avsync.media.files import is_url
from avsync.pages import answer, charts
from avsync.pages.answer import Allowed
from avsync.pages.axis import TimeAxis
from avsync.pages.curve import curve_of
from avsync.pages.over_time import timeline_of
from avsync.pages.rendering import printable, render
from avsync.pages.sound import copy_of
from avsync.pipeline.details import Details
from avsync.report import SyncReport

SLIDER_MS = 1000.0
PLACEHOLDER = 123_457  # ms: stands in a line for the value that is chosen by hand


@dataclass(frozen=True, slots=True)
class Preview:
    """A small copy that any browser plays."""

    address: str


def file_page(
    report: SyncReport,
    details: Details | None,
    target: Path,
    allowed: Allowed,
    *,
    preview: str | None = None,
    index: str | None = None,
) -> str:
    """The page of a file, as it is to be written to `target`.

    `preview` is the address of a small copy for the player, `index` that of the overview. Without
    `details` the page says what the report alone can.
    """
    found = report.offset_ms is not None
    return render(
        "file.html",
        ("player.js",),
        report=report,
        title=printable(os.path.basename(report.path) or report.path),
        mood=answer.mood_of(report, allowed),
        headline=answer.headline(report),
        facts=answer.facts(report, allowed),
        steps=answer.steps(report),
        is_constant=answer.is_constant(report),
        allowed=allowed,
        scale=_scale(report, allowed) if found else None,
        cure=_cure(report, allowed),
        tools=_tools(report) if found and answer.is_constant(report) else [],
        looked_at=answer.looked_at(report),
        json=report.to_json(indent=2, curve=False),
        index=index,
        timeline=timeline_of(report, details, allowed) if details else None,
        curve=curve_of(report, allowed),
        player=_player(report, details, target, preview),
    )


def _scale(report: SyncReport, allowed: Allowed) -> dict[str, Any]:
    """The offset on a line from late to early, with what is allowed."""
    first, last = report.range_ms
    spread = report.uncertainty_ms or 0.0
    late, early = -allowed.tolerance.late_ms, allowed.tolerance.early_ms
    outer = (late, early, first - spread, last + spread)
    reach = 1.25 * max(80.0, *map(abs, outer))
    place = [charts.percent(ms, -reach, reach) for ms in outer]
    marks = []
    for one in report.segments or (Segment(0.0, 0.0, report.offset_ms or 0.0),):
        ends = sorted(
            charts.percent(ms, -reach, reach) for ms in (one.offset_ms, one.end_offset_ms)
        )
        marks.append((ends[0], round(ends[1] - ends[0], 3)))
    return {
        "allowed": (place[0], place[1] - place[0]),
        "unsure": (place[2], place[3] - place[2]) if len(marks) == 1 else None,
        "marks": marks,
        "ticks": charts.offset_ticks(reach),
        "zero": 50,
    }


def _cure(report: SyncReport, allowed: Allowed) -> str | None:
    """The command that puts it right, where `fix` would not leave it alone."""
    if report.offset_ms is None or allowed.tolerance.allows(report):
        return None
    if len(report.segments) > 1 or is_url(report.path):
        return None
    return printable(fix_line(Moved(report.path, report.offset_ms, sound=report.audio)))


def _tools(report: SyncReport) -> list[tuple[str, str]]:
    moved = Moved(report.path, report.offset_ms or 0.0, sound=report.audio)
    return [(name, printable(line_for(name, moved))) for name in TOOLS]


def _player(
    report: SyncReport, details: Details | None, target: Path, preview: str | None
) -> dict[str, Any] | None:
    """What the player needs; None where there is nothing to play."""
    video = preview or video_address(report.path, target.parent)
    if video is None or report.status == "error":
        return None
    copy = copy_of(details.sounds) if details else None
    segments = report.segments or (Segment(0.0, 0.0, report.offset_ms or 0.0),)
    moved = Moved(report.path, PLACEHOLDER, sound=report.audio)
    lines = {"avsync fix": fix_line(moved, "--offset", "@ms@")}
    for name, line in ((n, line_for(n, moved)) for n in ("mpv", "vlc")):
        lines[name] = line.replace(f"{PLACEHOLDER / 1000:.3f}", "@s@").replace(
            str(PLACEHOLDER), "@ms@"
        )
    return {
        "video": video,
        "is_preview": preview is not None,
        "sound": charts.data_address(copy.kind, copy.data) if copy else "",
        "slider_ms": max(SLIDER_MS, 50 * np.ceil(max(map(abs, report.range_ms)) / 50)),
        "data": {
            "stretches": [
                [s.start_seconds, s.end_seconds, s.at_seconds]
                for s in (copy.stretches if copy else ())
            ],
            "segments": [[s.start_seconds, s.offset_ms, s.drift_ms_per_minute] for s in segments],
            "duration": report.duration_seconds or 0,
            "pieces": [
                [piece.start_seconds, piece.end_seconds, piece.left, piece.width]
                for piece in (
                    TimeAxis.of(details.duration_seconds, details.looks).pieces if details else ()
                )
            ],
            "lines": {name: printable(line) for name, line in lines.items()},
        },
    }


def video_address(path: str, folder: Path) -> str | None:
    """Where a page in a folder finds a file: relative, any bytes; None for what is no file."""
    if is_url(path) or not os.path.isfile(path) or path.startswith(("/dev/", "/proc/")):
        return None
    return quote(os.fsencode(os.path.relpath(path, folder)))
