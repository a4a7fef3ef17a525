"""What was seen and heard, over time: the map of offsets, a lane for each face, the sound."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from avsync.findings import offset_at
from avsync.pages import charts
from avsync.pages.answer import Allowed
from avsync.pages.axis import TimeAxis
from avsync.pipeline.details import Details
from avsync.report import SyncReport
from avsync.timebase import FRAMES_PER_SECOND

MOST_LANES = 8
LEAST_REACH_MS = 500.0


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


def timeline_of(report: SyncReport, details: Details, allowed: Allowed) -> dict[str, Any] | None:
    """What the page draws over time; None where there is no time."""
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
