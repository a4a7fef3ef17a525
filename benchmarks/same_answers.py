"""Do two reports say the same? For a change that must not change answers.

    avsync detect CLIPS... --jsonl > before.jsonl        # with the one version
    avsync detect CLIPS... --jsonl > after.jsonl         # with the other
    python benchmarks/same_answers.py before.jsonl after.jsonl

    python benchmarks/same_answers.py --choose 100 CORPUS    # file names, spread over its folders

Prints how far the answers lie apart, and ends with status 1 if any lies outside the tolerances.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from avsync.media.search import find_media

OFFSET_MS = 5.0  # an eighth of a frame, half a step of the search
SURE = 0.9  # what is answered with such confidence must stay so close
UNSURE_MS = 40.0  # what is answered with less
CONFIDENCE = 0.1
NEAR_THE_BAR = 0.2  # a status may change where confidence lies so near to what is asked for
Report = dict[str, Any]


def main() -> None:
    """Compare two reports, or choose files."""
    parser = argparse.ArgumentParser(description="Compare two reports in JSON Lines.")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--choose", type=int, help="so many media files below each folder, in all")
    parser.add_argument("--bar", type=float, default=0.7, help="confidence asked for")
    chosen = parser.parse_args()
    if chosen.choose:
        print(*choose(chosen.paths, chosen.choose), sep="\n")
        return
    before, after = map(read, chosen.paths)
    figures, odd = compare(before, after, chosen.bar)
    for name, value in figures.items():
        print(f"{name:<52}{value}")
    for line in odd:
        print(f"outside: {line}")
    sys.exit(1 if odd or before.keys() != after.keys() else 0)


def read(path: str) -> dict[str, Report]:
    """Answers by file."""
    lines = Path(path).read_text().splitlines()
    return {fields["path"]: fields for fields in map(json.loads, lines)}


def choose(folders: list[str], count: int) -> list[str]:
    """Files at even distances in each folder, as many from each as can be."""
    found = [list(find_media([folder])) for folder in folders]
    each = -(-count // len(found))
    picked = [[files[n * len(files) // each] for n in range(each)] for files in found]
    return [path for paths in picked for path in paths][:count]


def compare(
    before: dict[str, Report], after: dict[str, Report], bar: float
) -> tuple[dict[str, Any], list[str]]:
    """What there is to say of two reports, and the files outside the tolerances."""
    shared = [(before[path], after[path]) for path in before if path in after]
    answered = [(a, b) for a, b in shared if a["status"] == b["status"] == "ok"]
    moved = np.array([abs(a["offset_ms"] - b["offset_ms"]) for a, b in answered])
    surer = np.array([_confidence(b) - _confidence(a) for a, b in shared])
    figures = {
        "files in both": len(shared),
        "answered in both": len(answered),
        "status changed": sum(a["status"] != b["status"] for a, b in shared),
        "offsets equal to 0.1 ms": _share(moved <= 0.1),
        "offsets within 1 ms": _share(moved <= 1.0),
        f"offsets within {OFFSET_MS:g} ms": _share(moved <= OFFSET_MS),
        "median, 95th percentile, largest difference, ms": _spread(moved),
        "confidence: median, 95th percentile, largest change": _spread(np.abs(surer)),
    }
    odd = [f"{a['path']}: {why}" for a, b in shared if (why := _objection(a, b, bar))]
    return figures, odd


def _objection(a: Report, b: Report, bar: float) -> str:
    if a["status"] != b["status"]:
        near = "error" not in (a["status"], b["status"]) and (
            min(abs(_confidence(side) - bar) for side in (a, b)) <= NEAR_THE_BAR
        )
        return "" if near else f"{a['status']} became {b['status']}"
    if a["status"] != "ok":
        return ""
    moved = abs(a["offset_ms"] - b["offset_ms"])
    allowed = OFFSET_MS if min(_confidence(a), _confidence(b)) >= SURE else UNSURE_MS
    if moved > allowed:
        return f"{a['offset_ms']} became {b['offset_ms']} ms"
    change = abs(_confidence(a) - _confidence(b))
    return f"confidence changed by {change:.2f}" if change > CONFIDENCE + NEAR_THE_BAR else ""


def _confidence(report: Report) -> float:
    return float(report.get("confidence") or 0.0)


def _share(within: Any) -> str:
    return f"{100 * np.mean(within):.0f} %" if len(within) else "none"


def _spread(values: Any) -> str:
    if not len(values):
        return "none"
    return ", ".join(f"{v:.3g}" for v in (*np.quantile(values, [0.5, 0.95]), values.max()))


if __name__ == "__main__":
    main()
