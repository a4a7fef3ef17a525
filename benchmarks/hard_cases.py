"""Hard cases made from real clips: is the answer right, wrong, or "cannot tell"?

    python benchmarks/hard_cases.py corpus/manifest.tsv --speakers weights/dev-speakers.txt \\
        --json hard-cases.json > hard-cases.md

Every case is a file that is made with ffmpeg and measured as `avsync detect` does. The truth is
what is measured of the clip as it is, moved by a known amount; clips whose own offset is not sure
are left out. Sets: degraded, people, foreign, varying, wide (`--sets`). Prints a table in Markdown.
"""

import argparse
import csv
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import cycle
from pathlib import Path

import numpy as np
from hard_films import compile_clips
from hard_material import (
    DEGRADATIONS,
    Clip,
    add_sound,
    degrade,
    join,
    mix_scene,
    move_pieces,
    moved,
    swap_sound,
)
from hard_scores import Result, drifted, judged, stepped, table

from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.tolerance import ACCEPT

SAME_SECONDS = 0.1
WIDE_MS = 30_000
CLIPS_PER_FILM = 12


class Bench:
    """Clips, tools, and a place for files."""

    def __init__(self, clips: Sequence[Clip], folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.options = DetectOptions()
        self.pipeline: Pipeline = Pipeline(self.options)
        self.rng = np.random.default_rng(0)
        self.clips = [c for clip in clips if (c := self._measured(clip))]

    def _measured(self, clip: Clip) -> Clip | None:
        report = self.look(clip.path)
        if (
            report.offset_ms is None
            or (report.confidence or 0) < ACCEPT
            or len(report.segments) > 1
        ):
            return None
        face = max(report.tracks, key=lambda track: track.share).box
        return replace(clip, offset_ms=report.offset_ms, face=face)

    def look(self, path: Path, max_offset_seconds: float = 1.0) -> SyncReport:
        """Measure a file."""
        options = replace(self.options, max_offset_seconds=max_offset_seconds)
        return detect(path, options, pipeline=self.pipeline)

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
            for seconds in (1.0, 10.0, 30.0):
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
        yield stepped(clip, bench.look(path), own.offset_ms, [(70.0, 200.0), (120.0, -320.0)])
        for kind, stretch in (("drift of 1000 ppm", 1.001), ("25 against 24 fps", 25 / 24)):
            path = move_pieces(base, [(0.0, 0)], stretch, bench.new())
            yield drifted(clip, kind, bench.look(path), 60_000 * (1 - stretch))


def wide(bench: Bench) -> Iterator[Result]:
    """Searched within 30 s: short clips; and films, also far out of step or with foreign sound."""
    for clip in bench.spread(bench.count):
        moved_ms = bench.moved_ms()
        path = degrade(clip, "as it is", moved_ms, bench.rng, bench.new())
        report = bench.look(path, WIDE_MS / 1000)
        yield judged("wide", "a clip, within 30 s", clip, report, [clip.offset_ms - moved_ms])
    for number in range(max(2, bench.count // 4)):
        yield from _film(bench, number)


def _film(bench: Bench, number: int) -> Iterator[Result]:
    first, second = _two_casts(bench)
    picture = bench.folder / "film.mkv"
    foreign_sound = compile_clips(second, picture)
    own_sound = compile_clips(first, picture)
    name = replace(first[0], path=Path(f"film {number}"))
    far_ms = int(bench.rng.integers(1_500, WIDE_MS - 1_000)) * (1 if number % 2 else -1)
    near_ms = bench.moved_ms()
    cases = {
        "a film far out of step": (moved(own_sound, far_ms), [-far_ms]),
        "a film a little out of step": (moved(own_sound, near_ms), [-near_ms]),
        "a film with another's sound": (foreign_sound, []),
    }
    for kind, (sound, truths) in cases.items():
        path = add_sound(picture, sound, bench.new())
        for seconds in (1.0, WIDE_MS / 1000):
            started = time.monotonic()
            report = bench.look(path, seconds)
            took = f"{time.monotonic() - started:.2f} s"
            case = f"{kind}, within {seconds:.0f} s"
            yield replace(judged("wide", case, name, report, truths), note=took)


def _two_casts(bench: Bench) -> tuple[list[Clip], list[Clip]]:
    """Clips for two films, none of whose speakers is in both: clips may be copies of each other."""
    speakers = sorted({clip.speaker for clip in bench.clips})
    chosen = set(bench.rng.permutation(speakers)[: len(speakers) // 2])
    order = [bench.clips[index] for index in bench.rng.permutation(len(bench.clips))]
    first = [clip for clip in order if clip.speaker in chosen]
    second = [clip for clip in order if clip.speaker not in chosen]
    return first[:CLIPS_PER_FILM], second[:CLIPS_PER_FILM]


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


SETS = {
    "degraded": degraded,
    "people": people,
    "foreign": foreign,
    "varying": varying,
    "wide": wide,
}


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
