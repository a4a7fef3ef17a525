"""Answers as figures of matplotlib's, which is imported when one is asked for."""

from typing import TYPE_CHECKING, Any

import numpy as np

from avsync.errors import ToolMissingError
from avsync.prose import confidence_in_words
from avsync.timebase import offset_in_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from avsync.pipeline.details import Details, OffsetMap
    from avsync.report import SyncReport

INK, ACCENT, FOUND, SOFT = "#1c2430", "#1d5fbf", "#c2410c", "#566070"
STYLE: dict[Any, Any] = {"font.size": 9, "axes.edgecolor": SOFT}


def figure(report: "SyncReport", details: "Details | None" = None) -> "Figure":
    """The distance curve, and where details are given, offsets over time below it.

    Raises ToolMissingError where matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ToolMissingError("plots need matplotlib: pip install 'avsync[report]'") from error

    has_map = details is not None and details.map is not None
    with matplotlib.rc_context(STYLE):  # nothing of the program that calls this changes
        made = Figure(figsize=(7.0, 5.4 if has_map else 3.0), layout="constrained")
        axes = made.subplots(2 if has_map else 1, 1, squeeze=False)[:, 0]
        _draw_curve(axes[0], report)
        if details is not None and details.map is not None:
            _draw_map(axes[1], report, details.map)
        made.suptitle(_title(report), x=0.01, ha="left", fontsize=11, color=INK, parse_math=False)
    return made


def _title(report: "SyncReport") -> str:
    if report.offset_ms is None or report.confidence is None:
        return "Cannot tell"
    words = offset_in_words(report.offset_ms).capitalize()
    spread = f", \N{PLUS-MINUS SIGN}{report.uncertainty_ms:.0f} ms" if report.uncertainty_ms else ""
    return f"{words}, confidence {confidence_in_words(report.confidence)}{spread}"


def _draw_curve(axes: "Axes", report: "SyncReport") -> None:
    axes.set(xlabel="offset, ms (positive: sound early)", ylabel="mean distance")
    if report.curve is None:
        return
    offsets = np.array(report.curve.offsets_ms)
    distances = np.array(report.curve.distances, np.float64)  # None becomes NaN
    axes.plot(offsets, distances, color=ACCENT, linewidth=1.4)
    if np.isfinite(distances).any():
        best = int(np.nanargmin(distances))
        axes.plot(offsets[best], distances[best], "o", color=FOUND, markersize=6)
        axes.annotate(
            f"{offsets[best]:+.0f} ms", (offsets[best], distances[best]), (8, 2),
            textcoords="offset points", color=FOUND,
        )  # fmt: skip
    axes.axvline(0, color=SOFT, linewidth=0.8, linestyle=":")
    axes.set_xlim(offsets[0], offsets[-1])
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)


def _draw_map(axes: "Axes", report: "SyncReport", offset_map: "OffsetMap") -> None:
    axes.set(xlabel="time, s", ylabel="offset, ms")
    gains = offset_map.smoothed()
    finite = gains[np.isfinite(gains)]
    edges = np.concatenate([offset_map.start_seconds, offset_map.start_seconds[-1:]])
    edges[-1:] += offset_map.seconds_each
    levels: dict[str, Any] = {"cmap": "Blues", "vmin": 0.0, "rasterized": True}
    if len(finite):
        levels["vmax"] = max(1e-6, float(np.quantile(finite, 0.995)))
    ms = offset_map.offsets_ms
    step = float(ms[1] - ms[0])
    rows = np.concatenate([ms - step / 2, ms[-1:] + step / 2])
    mesh = axes.pcolormesh(edges, rows, gains.T, **levels)
    for segment in report.segments:
        ends = (segment.start_seconds, segment.end_seconds)
        axes.plot(
            ends, (segment.offset_ms, segment.end_offset_ms), "--", color=FOUND, linewidth=1.2
        )
    axes.figure.colorbar(mesh, ax=axes, label="fit, in units of noise", pad=0.01)
