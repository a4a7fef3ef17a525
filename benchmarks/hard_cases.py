"""Hard cases made from real clips: is the answer right, wrong, or "cannot tell"?

    python benchmarks/hard_cases.py corpus/manifest.tsv --speakers weights/dev-speakers.txt \\
        --json hard-cases.json > hard-cases.md

Every case is a file that is made with ffmpeg and measured as `avsync detect` does. The truth is
what is measured of the clip as it is, moved by a known amount; clips whose own offset is not sure
are left out. Sets: degraded, people, foreign, varying (`--sets`). Prints a table in Markdown.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path

import numpy as np
from hard_material import DEGRADATIONS, Clip, degrade, join, mix_scene, move_pieces, swap_sound

from avsync.detect import DetectOptions, Tools, detect, open_tools
from avsync.report import SyncReport

SURE = 0.9  # confidence from which a clip's own offset is taken for the truth
RIGHT_MS = 40.0
STEP_SECONDS = 1.0  # within which a step must be found
SAME_SECONDS = 0.1
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


class Bench:
    """Clips, tools, and a place for files."""

    def __init__(self, clips: Sequence[Clip], folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.options = DetectOptions()
        self.tools: Tools = open_tools(self.options)
        self.rng = np.random.default_rng(0)
        self.clips = [c for clip in clips if (c := self._measured(clip))]

    def _measured(self, clip: Clip) -> Clip | None:
        report = self.look(clip.path)
        if report.offset_ms is None or (report.confidence or 0) < SURE or len(report.segments) > 1:
            return None
        face = max(report.tracks, key=lambda track: track.share).box
        return replace(clip, offset_ms=report.offset_ms, face=face)

    def look(self, path: Path, max_offset_seconds: float = 1.0) -> SyncReport:
        """Measure a file."""
        options = replace(self.options, max_offset_seconds=max_offset_seconds)
        return detect(path, options, tools=self.tools)

    def spread(self, count: int, clips: Sequence[Clip] | None = None) -> list[Clip]:
        """So many clips, each as often as the others."""
        return [clip for clip, _ in zip(cycle(clips or self.clips), range(count), strict=False)]

    def moved_ms(self) -> int:
        """A random delay of the sound."""
        return int(self.rng.integers(-700, 701))

    def new(self) -> Path:
        """A file that takes the place of the last."""
        return self.folder / "case.mkv"


def degraded(bench: Bench) -> Iterator[Result]:
    """Bad pictures and bad sounds of one person."""
    for kind in DEGRADATIONS:
        for clip in bench.spread(bench.count):
            moved = bench.moved_ms()
            report = bench.look(degrade(clip, kind, moved, bench.rng, bench.new()))
            yield judged("degraded", kind, clip, report, [clip.offset_ms - moved])


def people(bench: Bench) -> Iterator[Result]:
    """Two faces side by side."""
    for kind in ("beside a picture", "beside somebody who talks mutely", "two talk at once"):
        for clip in bench.spread(bench.count):
            others = [c for c in bench.clips if c.speaker != clip.speaker]
            other = others[int(bench.rng.integers(len(others)))]
            moves = bench.moved_ms(), bench.moved_ms()
            report = bench.look(mix_scene(clip, other, kind, moves, bench.rng, bench.new()))
            truths = [clip.offset_ms - moves[0]]
            if kind == "two talk at once":
                truths.append(other.offset_ms - moves[1])
            result = judged("people", kind, clip, report, truths)
            yield replace(result, note=_who(report, kind))


def _who(report: SyncReport, kind: str) -> str:
    """Whether the person who is heard, on the left, is named."""
    if report.offset_ms is None or kind == "two talk at once":
        return ""
    face = max(report.tracks, key=lambda track: track.share)
    return "right person" if face.box[0] + face.box[2] / 2 < 320 else "wrong person"


def foreign(bench: Bench) -> Iterator[Result]:
    """Sound that does not belong to the face: every answer is wrong."""
    choices: dict[str, Callable[[Clip, Clip], bool]] = {
        "another speaker": lambda a, b: a.speaker != b.speaker and a.language == b.language,
        "another language": lambda a, b: a.speaker != b.speaker and a.language != b.language,
        "another moment of the speaker": _is_another_moment,
    }
    for kind, fits in choices.items():
        able = [c for c in bench.clips if any(fits(c, other) for other in bench.clips)]
        for clip in bench.spread(2 * bench.count, able):
            others = [c for c in bench.clips if fits(clip, c)]
            other = others[int(bench.rng.integers(len(others)))]
            path = swap_sound(clip, other, bench.new())
            for seconds in (1.0, 10.0):
                name = f"{kind}, within {seconds:.0f} s"
                yield judged("foreign", name, clip, bench.look(path, seconds), [])


def _is_another_moment(a: Clip, b: Clip) -> bool:
    """Clips of about the same length may be copies of one recording."""
    return a.speaker == b.speaker and abs(a.seconds - b.seconds) > SAME_SECONDS


def varying(bench: Bench) -> Iterator[Result]:
    """Three minutes of one person, with steps and drift."""
    longest = sorted(bench.clips, key=lambda clip: -clip.seconds)[: max(3, bench.count // 8)]
    for clip in longest:
        base = join(clip, 180.0, bench.folder / "base.mkv")
        own = bench.look(base)
        if own.offset_ms is None:
            continue
        path = move_pieces(base, [(0.0, 0), (70.0, -200), (120.0, 320)], 1.0, bench.new())
        yield _stepped(clip, bench.look(path), own.offset_ms, [(70.0, 200.0), (120.0, -320.0)])
        for kind, stretch in (("drift of 1000 ppm", 1.001), ("25 against 24 fps", 25 / 24)):
            path = move_pieces(base, [(0.0, 0)], stretch, bench.new())
            yield _drifted(clip, kind, bench.look(path), 60_000 * (1 - stretch))


def _stepped(
    clip: Clip, report: SyncReport, own_ms: float, steps: Sequence[tuple[float, float]]
) -> Result:
    wanted = [(0.0, own_ms), *((seconds, own_ms + ms) for seconds, ms in steps)]
    found = [(s.start_seconds, s.offset_ms) for s in report.segments]
    fits = len(found) == len(wanted) and all(
        abs(a - c) <= STEP_SECONDS and abs(b - d) <= RIGHT_MS
        for (a, b), (c, d) in zip(found, wanted, strict=True)
    )
    return _run(clip, "steps of +200 and -320 ms", report, fits, str(found))


def _drifted(clip: Clip, kind: str, report: SyncReport, wanted: float) -> Result:
    """Slope in ms per minute."""
    found = report.drift_ms_per_minute
    fits = abs(found - wanted) <= SLOPE_SHARE * abs(wanted)
    return _run(clip, kind, report, fits, f"{found:.1f} of {wanted:.1f} ms a minute")


def _run(clip: Clip, kind: str, report: SyncReport, fits: bool, note: str) -> Result:
    told = "right" if fits else "wrong"
    outcome = told if report.offset_ms is not None else "undetermined"
    return Result("varying", kind, clip.path.name, outcome, report.confidence, note=note)


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


def table(results: Sequence[Result]) -> str:
    """Shares by kind, in Markdown."""
    lines = [
        "| case | files | right | wrong | cannot tell | wrong at 0.9 and more | truth within +- |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys((r.set, r.kind) for r in results):
        some = [r for r in results if (r.set, r.kind) == kind]
        wrong = [r for r in some if r.outcome == "wrong"]
        sure = sum((r.confidence or 0) >= SURE for r in wrong)
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


def read_clips(manifest: Path, speakers: Path, least_seconds: float) -> list[Clip]:
    """Real clips of the speakers, not the shortest, by turns of speakers."""
    names = set(speakers.read_text().split())
    with manifest.open(newline="") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["speaker"] in names]
    rows = [r for r in rows if r["kind"] == "real" and float(r["duration_s"]) >= least_seconds]
    turns: dict[str, int] = {}
    keyed = []
    for row in rows:
        turns[row["speaker"]] = turns.get(row["speaker"], 0) + 1
        keyed.append((turns[row["speaker"]], row))
    return [
        Clip(manifest.parent / r["file"], r["speaker"], r["language"], float(r["duration_s"]))
        for _, r in sorted(keyed, key=lambda pair: pair[0])
    ]


SETS = {"degraded": degraded, "people": people, "foreign": foreign, "varying": varying}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description="Measure hard cases.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--speakers", type=Path, required=True, help="one a line")
    parser.add_argument("--count", type=int, default=50, help="files of each kind")
    parser.add_argument("--least-seconds", type=float, default=4.0, help="of a clip")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--json", type=Path, help="every case")
    chosen = parser.parse_args()
    clips = read_clips(chosen.manifest, chosen.speakers, chosen.least_seconds)
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(clips, Path(folder), chosen.count)
        print(f"{len(bench.clips)} of {len(clips)} clips are sure", file=sys.stderr)
        for name in chosen.sets:
            for result in SETS[name](bench):
                results.append(result)
                if result.outcome == "wrong":
                    print(asdict(result), file=sys.stderr, flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(r) for r in results], indent=1))
    print(table(results))


if __name__ == "__main__":
    main()
