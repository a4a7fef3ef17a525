"""Answers on hard cases: right, wrong or "cannot tell", and a table of them in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hard_material import Clip

from avsync.report import SyncReport
from avsync.tolerance import ACCEPT

RIGHT_MS = 40.0
STEP_SECONDS = 1.0  # within which a step must be found
SLOPE_SHARE = 0.05  # within which a drift must be found


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a case."""

    set: str
    kind: str
    clip: str
    outcome: str  # right, wrong or undetermined
    confidence: float | None
    error_ms: float | None = None
    uncertainty_ms: float | None = None
    note: str = ""


def judged(
    name: str, kind: str, clip: Clip, report: SyncReport, truths_ms: Sequence[float]
) -> Result:
    """Compare an answer with the truths, any of which will do."""
    if report.offset_ms is None:
        return Result(name, kind, clip.path.name, "undetermined", report.confidence)
    errors = [abs(ms - truth) for truth in truths_ms for ms in report.range_ms]
    error = min(errors, default=None)
    is_right = error is not None and error <= RIGHT_MS
    return Result(
        name,
        kind,
        clip.path.name,
        "right" if is_right else "wrong",
        report.confidence,
        error,
        report.uncertainty_ms,
    )


def stepped(
    clip: Clip, report: SyncReport, own_ms: float, steps: Sequence[tuple[float, float]]
) -> Result:
    """Steps (seconds, ms) that the sound was given."""
    wanted = [(0.0, own_ms), *((seconds, own_ms + ms) for seconds, ms in steps)]
    found = [(s.start_seconds, s.offset_ms) for s in report.segments]
    fits = len(found) == len(wanted) and all(
        abs(a - c) <= STEP_SECONDS and abs(b - d) <= RIGHT_MS
        for (a, b), (c, d) in zip(found, wanted, strict=True)
    )
    return _run(clip, "steps of +200 and -320 ms", report, fits, str(found))


def drifted(clip: Clip, kind: str, report: SyncReport, wanted: float) -> Result:
    """A slope in ms per minute that the sound was given."""
    found = report.drift_ms_per_minute
    fits = abs(found - wanted) <= SLOPE_SHARE * abs(wanted)
    return _run(clip, kind, report, fits, f"{found:.1f} of {wanted:.1f} ms a minute")


def _run(clip: Clip, kind: str, report: SyncReport, fits: bool, note: str) -> Result:
    told = "right" if fits else "wrong"
    outcome = told if report.offset_ms is not None else "undetermined"
    return Result("varying", kind, clip.path.name, outcome, report.confidence, note=note)


def table(results: Sequence[Result]) -> str:
    """Shares by kind, in Markdown."""
    lines = [
        "| case | files | right | wrong | cannot tell | wrong at 0.9 and more | truth within +- |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys((r.set, r.kind) for r in results):
        some = [r for r in results if (r.set, r.kind) == kind]
        wrong = [r for r in some if r.outcome == "wrong"]
        sure = sum((r.confidence or 0) >= ACCEPT for r in wrong)
        known = [r for r in some if r.error_ms is not None and r.uncertainty_ms is not None]
        covered = [r.error_ms <= r.uncertainty_ms for r in known]  # type: ignore[operator]
        shares = (
            f"{100 * sum(r.outcome == o for r in some) / len(some):.0f} %"
            for o in ("right", "wrong", "undetermined")
        )
        cover = f"{100 * np.mean(covered):.0f} %" if covered else "-"
        cells = " | ".join((kind[1], str(len(some)), *shares, str(sure), cover))
        lines.append(f"| {cells} |")
    return "\n".join(lines)
