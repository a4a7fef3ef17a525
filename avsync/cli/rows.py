"""Reports as lines of CSV."""

import csv
import io
from typing import Any

from avsync.report import SyncReport

COLUMNS = (
    "path",
    "status",
    "offset_ms",
    "offset_frames",
    "confidence",
    "uncertainty_ms",
    "reasons",
    "min_distance",
    "median_minus_min",
    "lse_d",
    "lse_c",
    "upstream_offset_frames",
    "duration_seconds",
    "looked_seconds",
    "speech_seconds",
    "detector",
    "weights",
)


def csv_line(values: tuple[Any, ...]) -> str:
    """One line of CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(values)  # both of which it then quotes
    return text.getvalue()[:-2]


def to_row(report: SyncReport) -> tuple[Any, ...]:
    """Values of `COLUMNS`."""
    fields = report.to_dict() | {"reasons": "; ".join(report.reasons)}
    return tuple(fields.get(name) for name in COLUMNS)
