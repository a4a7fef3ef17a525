"""The page of one file: the answer, a player, what it was read from, all of it below as JSON."""

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from avsync.findings import Segment
from avsync.media.files import is_url
from avsync.pages import answer, charts
from avsync.pages.answer import Allowed
from avsync.pages.axis import TimeAxis
from avsync.pages.rendering import printable, render
from avsync.pages.sound import copy_of
from avsync.pages.tools import TOOLS, Moved, line_for
from avsync.pipeline.details import Details, offset_at
from avsync.report import SyncReport
from avsync.timebase import FRAMES_PER_SECOND

MOST_LANES = 8
LEAST_REACH_MS = 500.0
SLIDER_MS = 1000.0
PLACEHOLDER = 123_457  # ms: stands in a line for the value that is chosen by hand


@dataclass(frozen=True, slots=True)
class Preview:
    """A small copy that any browser plays."""

    address: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A face over time."""

    name: str
    share: float
    thumbnail: str  # data address; empty: none
    seen: tuple[tuple[float, float], ...]  # percent: left, width
    lips: str  # SVG path
    speaks: tuple[tuple[float, float], ...]  # percent: left, width
    words: str  # the same for those who cannot see it


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
        allowed=allowed,
        scale=_scale(report, allowed) if found else None,
        cure=_cure(report, allowed),
        tools=_tools(report) if found else [],
        looked_at=answer.looked_at(report),
        json=report.to_json(indent=2, curve=False),
        index=index,
        timeline=_timeline(report, details, allowed) if details else None,
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
    stem, suffix = os.path.splitext(report.path)
    return printable(shlex.join(["avsync", "fix", report.path, "-o", f"{stem}.synced{suffix}"]))


def _tools(report: SyncReport) -> list[tuple[str, str]]:
    moved = Moved(report.path, report.offset_ms or 0.0)
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
    lines = {"avsync fix": shlex.join(["avsync", "fix", report.path, "--offset", "@ms@", "-o",
                                       Moved(report.path, 0).beside()])}  # fmt: skip
    for name, line in ((n, line_for(n, Moved(report.path, PLACEHOLDER))) for n in ("mpv", "vlc")):
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


# ---- what was seen and heard, over time


def _timeline(report: SyncReport, details: Details, allowed: Allowed) -> dict[str, Any] | None:
    duration = details.duration_seconds
    if not duration:
        return None
    reach, axis = _reach(report, details), TimeAxis.of(duration, details.looks)
    lanes, others = _lanes(report, details, axis)
    heats = [
        (piece.left, piece.width, charts.heat_map(details.map, piece, reach))
        for piece in axis.pieces
        if details.map
    ]
    return {
        "axis": axis,
        "heats": [heat for heat in heats if heat[2]],
        "offset_ticks": charts.offset_ticks(reach),
        "reach": reach,
        "found": _found_line(report, axis, reach),
        "allowed": _allowed_band(allowed, reach),
        "lanes": lanes,
        "others": others,
        "wave": charts.waveform(details.sounds, axis),
        "speech": [
            span
            for sound in details.sounds
            for a, b in charts.spans_heard(sound)
            for span in axis.spans(a, b)
        ],
    }


def _reach(report: SyncReport, details: Details) -> float:
    """How far the map is shown to either side."""
    widest = float(details.map.offsets_ms[-1]) if details.map else 1000.0
    return min(widest, max(LEAST_REACH_MS, 1.5 * max(map(abs, report.range_ms)), 1000.0))


def _found_line(report: SyncReport, axis: TimeAxis, reach: float) -> str:
    """The found offset over time, as an SVG path."""
    x: list[float] = []
    y: list[float] = []
    for piece in axis.pieces:
        for segment in report.segments:
            start = max(piece.start_seconds, segment.start_seconds)
            end = min(piece.end_seconds, segment.end_seconds)
            for seconds in (start, end) if start < end else ():
                x.append(piece.x(seconds))
                ms = offset_at((segment,), seconds)
                y.append(100 - charts.percent(ms, -reach, reach))
        x.append(0.0)
        y.append(np.nan)  # lifts the pen
    return charts.polyline(x, y)


def _allowed_band(allowed: Allowed, reach: float) -> tuple[float, float]:
    """Top and height in percent."""
    top = max(0.0, 100 - charts.percent(allowed.tolerance.early_ms, -reach, reach))
    bottom = min(100.0, 100 - charts.percent(-allowed.tolerance.late_ms, -reach, reach))
    return top, bottom - top


def _lanes(report: SyncReport, details: Details, axis: TimeAxis) -> tuple[list[Lane], str]:
    """A lane for each of the faces that carry most, in order of appearance; a word on the rest."""
    numbers = sorted(
        range(len(details.faces)),
        key=lambda n: (-report.tracks[n].share, -len(details.faces[n].boxes)),
    )
    shown, rest = sorted(numbers[:MOST_LANES]), numbers[MOST_LANES:]
    lips = np.concatenate([np.zeros(1, np.float32), *(details.faces[n].lips for n in shown)])
    most = float(np.quantile(lips, 0.98)) or 1.0
    lanes = [_lane(report, details, n, f"Face {k + 1}", most, axis) for k, n in enumerate(shown)]
    if not rest:
        return lanes, ""
    share = sum(report.tracks[n].share for n in rest)
    plural = "faces that are" if len(rest) > 1 else "face that is"
    return lanes, f"{len(rest)} more {plural} not shown carry {100 * share:.0f} % of the evidence"


def _lane(
    report: SyncReport, details: Details, number: int, name: str, most: float, axis: TimeAxis
) -> Lane:
    face, track = details.faces[number], report.tracks[number]
    start = face.first_frame / FRAMES_PER_SECOND
    spoken = sum(b - a for a, b in face.speaks)
    return Lane(
        name,
        track.share,
        charts.data_address("image/jpeg", face.thumbnail) if face.thumbnail else "",
        tuple(axis.spans(start, start + len(face.boxes) / FRAMES_PER_SECOND)),
        charts.movement(face.lips / most, start, 1 / FRAMES_PER_SECOND, axis),
        tuple(span for a, b in face.speaks for span in axis.spans(a, b)),
        f"seen from {track.start_seconds:.1f} to {track.end_seconds:.1f} s, "
        f"{100 * track.share:.0f} % of the evidence, speaks for {spoken:.1f} s",
    )


# ---- the distance curve


def curve_of(report: SyncReport, allowed: Allowed) -> dict[str, Any] | None:
    """Mean distance by offset, with its minimum, the runner-up and the range."""
    if report.curve is None:
        return None
    offsets = np.array(report.curve.offsets_ms)
    distances = np.array(report.curve.distances, np.float64)  # None becomes NaN
    if not np.isfinite(distances).any():
        return None
    reach = float(np.abs(offsets).max())
    low, high = float(np.nanmin(distances)), float(np.nanmax(distances))
    margin = 0.08 * (high - low or 1.0)
    low, high = low - margin, high + margin
    best, second = runner_up(offsets, distances)
    tolerance = allowed.tolerance
    left = max(0.0, charts.percent(-tolerance.late_ms, -reach, reach))
    right = min(100.0, charts.percent(tolerance.early_ms, -reach, reach))

    def point(index: int | None) -> dict[str, Any] | None:
        if index is None:
            return None
        x = charts.percent(float(offsets[index]), -reach, reach)
        y = 100 - charts.percent(float(distances[index]), low, high)
        return {"x": x, "y": y, "ms": charts.signed(float(offsets[index])),
                "distance": f"{distances[index]:.3f}"}  # fmt: skip

    return {
        "path": charts.polyline(
            [charts.percent(float(ms), -reach, reach) for ms in offsets],
            [100 - charts.percent(float(d), low, high) for d in distances],
        ),
        "ticks": charts.offset_ticks(reach, 8),
        "narrow_ticks": charts.offset_ticks(reach, 4),
        "best": point(best),
        "second": point(second),
        "allowed": (left, right - left),
        "reach": f"{reach:.0f}",
        "levels": list(_levels(low, high)),
    }


def _levels(low: float, high: float) -> Iterator[charts.Tick]:
    """A few distances at round values."""
    step = next(
        s for s in (k * 10.0**p for p in range(-4, 6) for k in (1, 2, 5)) if (high - low) / s <= 4
    )
    for k in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
        yield charts.Tick(100 - charts.percent(k * step, low, high), f"{k * step:g}")


def runner_up(
    offsets_ms: Sequence[float] | np.ndarray[Any, Any],
    distances: Sequence[float] | np.ndarray[Any, Any],
    apart_ms: float = 100.0,
) -> tuple[int, int | None]:
    """Places of the minimum of a curve and of the best other valley; None: there is none."""
    values = np.where(np.isfinite(distances), distances, np.inf)
    best = int(np.argmin(values))
    valleys = [
        k
        for k in range(1, len(values) - 1)
        if values[k] <= values[k - 1] and values[k] < values[k + 1]
        and abs(offsets_ms[k] - offsets_ms[best]) >= apart_ms
    ]  # fmt: skip
    return best, min(valleys, key=lambda k: float(values[k])) if valleys else None
