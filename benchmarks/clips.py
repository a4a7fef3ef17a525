"""Clips of films in which it is known who speaks when; and of many files, killed on the way.

    python benchmarks/clips.py scenes CORPUS/manifest.tsv --speakers weights/dev-speakers.txt
    python benchmarks/clips.py many FOLDER --kills 2

`scenes` writes films of two shots each: two people, then three others, who take turns as in
`speaker_scenes.py`, in pictures that are cut hard; the sound of each film is moved by up to 0.4 s.
Of each clip it is asked whether its offset is within 40 ms of that, whether anybody but its face is
heard in it for more than 0.2 s, and whether its picture jumps. `many` cuts the files of a folder
with two jobs, kills the run so many times (SIGKILL), lets it end, and compares the manifest, the
journal and the folder.
"""

import argparse
import csv
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from speaker_scenes import PANEL, SAMPLES_PER_FRAME, Scene, load_clips, make_scene

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from avsync.clips import ClipsReport, TalkingClip
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.clips import cut_clips
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions

PANELS = (2, 3)  # of the shots of a film
MOST_MS = 400.0
NEAR_MS = 40.0
FOREIGN_FRAMES = 5  # that somebody else may be heard in a clip
EDGE_FRAMES = 2  # of a clip, where a cut does not show
WIDTH = max(PANELS) * PANEL
KILL_AFTER = 0.25  # of the files, each time


def main() -> None:
    """Do one of the two."""
    parser = argparse.ArgumentParser(description="Measure clips.")
    commands = parser.add_subparsers(dest="command", required=True)
    scenes = commands.add_parser("scenes")
    scenes.add_argument("manifest", type=Path)
    scenes.add_argument("--speakers", type=Path, required=True)
    scenes.add_argument("--films", type=int, default=10)
    scenes.add_argument("--seconds", type=float, default=24)
    many = commands.add_parser("many")
    many.add_argument("folder", type=Path)
    many.add_argument("--kills", type=int, default=2)
    chosen = parser.parse_args()
    if chosen.command == "scenes":
        cut_scenes(chosen)
    else:
        kill_and_go_on(chosen.folder, chosen.kills)


def cut_scenes(chosen: argparse.Namespace) -> None:
    """Films of known truth, clip by clip."""
    pipeline = Pipeline(DetectOptions())
    names = set(chosen.speakers.read_text().split())
    people, _ = load_clips(chosen.manifest, names, pipeline, held_out=True)
    rng = np.random.default_rng(0)
    judged: list[Judged] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.films):
            film = Film(
                tuple(make_scene(people, rng, panels, chosen.seconds / 2) for panels in PANELS),
                round(float(rng.uniform(-MOST_MS, MOST_MS))),
            )
            path = Path(folder, f"{number}.mp4")
            film.write(path)
            report = cut_clips(path, Path(folder, "data"), ClipOptions(), pipeline=pipeline)
            judged += (found := [film.judge(clip) for clip in report.clips])
            print(f"film {number}, sound {film.early_ms:+} ms early: {describe(found)}; "
                  f"{film.share(report):.0%} of its speech", flush=True)  # fmt: skip
    print(f"all: {describe(judged)}")


@dataclass(frozen=True)
class Judged:
    """What is true of a clip."""

    in_step: bool
    is_own: bool
    is_whole: bool
    seconds: float


@dataclass(frozen=True)
class Film:
    """Shots, one after the other, and by how much their sound is early."""

    shots: tuple[Scene, ...]
    early_ms: int

    @property
    def starts(self) -> list[int]:
        """First frame of each shot, and the end."""
        return [0, *accumulate(shot.truth.shape[1] for shot in self.shots)]

    def write(self, path: Path) -> None:
        """As H.264 and AAC."""
        from talking_face import AAC, write_media

        heard = np.concatenate([shot.samples for shot in self.shots])
        shift = round(self.early_ms * SAMPLES_PER_FRAME / 40)
        moved = np.pad(heard, (max(0, -shift), max(0, shift)))[max(0, shift) :][: len(heard)]
        write_media(path, self._pictures(), (WIDTH, PANEL), 25, moved, AAC)

    def _pictures(self) -> Iterator[NDArray[np.uint8]]:
        for picture in chain.from_iterable(shot.pictures() for shot in self.shots):
            left = (WIDTH - picture.shape[1]) // 2
            yield np.pad(picture, ((0, 0), (left, WIDTH - picture.shape[1] - left), (0, 0)))

    def judge(self, clip: TalkingClip) -> Judged:
        """Compare a clip with what is true."""
        first, end = (round(25 * t) for t in (clip.start_seconds, clip.end_seconds))
        shot, start = self._shot_at(first)
        panel = self._panel(clip, shot)
        said = shot.truth[:, first - start : end - start]
        own = said[panel] if 0 <= panel < shot.panels else np.zeros(said.shape[1], bool)
        others = said.sum(axis=0) - own + self._absent(shot)[first - start : end - start]
        return Judged(
            abs(clip.offset_ms - self.early_ms) <= NEAR_MS,
            int((others > 0).sum()) <= FOREIGN_FRAMES and bool(own.any()),
            not any(first + EDGE_FRAMES < cut < end - EDGE_FRAMES
                    for cut in self._cuts(shot, panel, start)),
            clip.duration_seconds,
        )  # fmt: skip

    def share(self, report: ClipsReport) -> float:
        """Of the time in which one of the faces speaks, how much the clips hold."""
        spoken = sum(int(shot.truth.any(axis=0).sum()) for shot in self.shots)
        return 25 * sum(clip.duration_seconds for clip in report.clips) / max(1, spoken)

    def _shot_at(self, frame: int) -> tuple[Scene, int]:
        number = int(np.searchsorted(self.starts, frame, "right")) - 1
        return self.shots[number], self.starts[number]

    def _panel(self, clip: TalkingClip, shot: Scene) -> int:
        left, _, width, _ = clip.boxes[len(clip.boxes) // 2]
        return int((left + width / 2 - (WIDTH - shot.panels * PANEL) / 2) // PANEL)

    @staticmethod
    def _absent(shot: Scene) -> NDArray[np.int64]:
        parts = [turn.speaks if turn.owner is None else 0 * turn.speaks for turn in shot.turns]
        return np.concatenate(parts).astype(np.int64)

    def _cuts(self, shot: Scene, panel: int, start: int) -> Iterator[int]:
        """Frames at which a panel shows something else than just before."""
        yield from self.starts
        if not 0 <= panel < shot.panels:
            return
        at, last = start, None
        for turn in shot.turns:
            for clip, first, count in turn.shown[panel]:
                if last and last != (clip.path, first):
                    yield at
                at, last = at + count, (clip.path, first + count)


def describe(found: list[Judged]) -> str:
    """Counts."""
    return (
        f"{len(found)} clips, {sum(one.seconds for one in found):.0f} s: "
        f"{sum(one.in_step for one in found)} within {NEAR_MS:.0f} ms, "
        f"{sum(one.is_own for one in found)} of the face that is heard, "
        f"{sum(one.is_whole for one in found)} without a cut"
    )


def kill_and_go_on(raw: Path, kills: int) -> None:
    """Cut all files of a folder; say whether what is told is what is there."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "data")
        argv = [sys.executable, "-m", "avsync", "clips", str(raw), "-o", str(output)]
        argv += ["--jobs", "2", "--min-seconds", "0.5", "--quiet"]
        count = sum(path.is_file() for path in raw.rglob("*"))
        begun = time.monotonic()
        for number in range(kills):
            with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
                while _lines(output) < (number + 1) * KILL_AFTER * count:
                    time.sleep(0.2)
                process.send_signal(signal.SIGKILL)
            print(f"killed after {_lines(output)} of {count} files", flush=True)
        status = subprocess.run(argv, stdout=subprocess.DEVNULL).returncode
        seconds = time.monotonic() - begun
        reports = [json.loads(line) for line in (output / "clips.jsonl").open()]
        told = sorted(clip["file"] for report in reports for clip in report["clips"])
        with (output / "manifest.tsv").open(newline="") as file:
            listed = [row["file"] for row in csv.DictReader(file, delimiter="\t")]
        there = sorted(str(path.relative_to(output)) for path in output.rglob("*.mp4"))
        paths = [report["path"] for report in reports]
        print(f"status {status}, {seconds:.0f} s; {len(paths)} files told of, {len(set(paths))} "
              f"different; clips: {len(told)} told of, {len(listed)} listed, {len(there)} there; "
              f"all the same: {told == listed == there}")  # fmt: skip
        left = [path.name for path in output.iterdir() if path.name.startswith(".avsync-")]
        print(f"left behind: {left or 'nothing'}; half: {sum(map(_is_half, _paths(output)))}")


def _lines(output: Path) -> int:
    journal = output / "clips.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def _paths(output: Path) -> Iterator[tuple[Path, int]]:
    for line in (output / "clips.jsonl").open():
        for clip in json.loads(line)["clips"]:
            yield output / clip["file"], len(clip["boxes"])


def _is_half(clip: tuple[Path, int]) -> bool:
    from avsync.media.decode import read_samples
    from avsync.media.probe import probe

    path, frames = clip
    return sum(map(len, read_samples(probe(path)))) != frames * SAMPLES_PER_FRAME


if __name__ == "__main__":
    main()
