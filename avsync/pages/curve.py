"""The distance curve on a page: its minimum, the runner-up, the range."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from avsync.pages import charts
from avsync.pages.answer import Allowed
from avsync.report import SyncReport


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
