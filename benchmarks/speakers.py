"""Who speaks when, in scenes in which it is known: avsync, and LR-ASD on the same face tracks.

    python benchmarks/speakers.py CORPUS/manifest.tsv --speakers weights/dev-speakers.txt \\
        --rival LR_ASD/finetuning_TalkSet.model --scenes 40 --json speakers.json

Scenes (`speaker_scenes.py`) are written as H.264 and AAC and read again. Average precision is over
face-frames of 40 ms; a face that is not found counts as one that scores lowest. "Right" is the
share of speech time for which a segment of the right face is told, "false" the share of the time
of faces that do not speak for which one is told nevertheless. The collar leaves out what is within
0.25 s of the beginning or end of a stretch of speech, as evaluations of diarization do.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from lr_asd import LrAsd, crops_of, mfcc_of
from numpy.typing import NDArray
from speaker_scenes import PANEL, Scene, load_clips, make_scene

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from avsync.media.decode import WHOLE
from avsync.media.frames import bgr_of
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import open_recording
from avsync.pipeline.speakers import find_speakers
from avsync.speakers import SpeakerReport
from avsync.sync.speakers import stretches

COLLAR_FRAMES = 6
LOWEST = -1e3  # score of a face that was not found
Scores = dict[str, list[NDArray[Any]]]


def main() -> None:
    """Make scenes, ask both, print the table."""
    parser = argparse.ArgumentParser(description="Measure who speaks when.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--speakers", type=Path, required=True)
    parser.add_argument("--rival", type=Path)
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    pipeline = Pipeline(DetectOptions())
    names = set(chosen.speakers.read_text().split())
    clips, unsure = load_clips(chosen.manifest, names, pipeline, held_out=True)
    count = sum(map(len, clips.values()))
    print(f"{count} clips of {len(clips)} speakers; {unsure} left out, their own offset not sure")
    rival = LrAsd(chosen.rival) if chosen.rival else None
    rng = np.random.default_rng(chosen.seed)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(chosen.scenes):
            scene = make_scene(clips, rng, 2 + number % 2, chosen.seconds)
            results.append(measure(scene, Path(folder, f"{number}.mp4"), pipeline, rival))
            print(number, describe([results[-1]]), flush=True)
    print(describe(results))
    for line in table(results):
        print(line)
    if chosen.json:
        chosen.json.write_text(json.dumps([{**r["facts"], **figures([r])} for r in results]))


def measure(scene: Scene, path: Path, pipeline: Pipeline, rival: LrAsd | None) -> dict[str, Any]:
    """Scores and segments of each panel, by who says so."""
    from talking_face import AAC, write_media

    size = (scene.panels * PANEL, PANEL)
    write_media(path, scene.pictures(), size, 25, scene.samples, AAC)
    started = time.monotonic()
    report = find_speakers(path, pipeline=pipeline)
    took = time.monotonic() - started
    truth = scene.truth
    found = {"avsync": by_panel(report, [f.scores for f in report.faces], truth.shape)}
    if rival:
        scores = rival_scores(report, path, rival)
        found["LR-ASD"] = by_panel(report, scores, truth.shape, threshold=0.0)
    path.unlink()
    facts = {
        "seconds": truth.shape[1] / 25, "panels": scene.panels, "took": took,
        "speakers": [shown[0][0].speaker for shown in scene.turns[0].shown],
    }  # fmt: skip
    return {"truth": truth, "found": found, "facts": facts}


def rival_scores(report: SpeakerReport, path: Path, rival: LrAsd) -> list[NDArray[np.float32]]:
    """LR-ASD's, on the tracks that were found."""
    with open_recording(path, DetectOptions()) as recording:
        frames = [bgr_of(frame) for frame in recording.frames([], 10_000)]
        samples = np.concatenate(list(recording.samples([], WHOLE)))
    scores = []
    for face in report.faces:
        shown = frames[face.first_frame : face.first_frame + len(face.boxes)]
        boxes = face.boxes[: len(shown)]
        steps = mfcc_of(samples, face.first_frame, len(shown))
        found = rival.scores(crops_of(shown, boxes), steps)
        scores.append(np.pad(found, (0, len(face.boxes) - len(found)), "edge"))
    return scores


def by_panel(
    report: SpeakerReport,
    scores: list[NDArray[np.float32]],
    shape: tuple[int, int],
    threshold: float | None = None,
) -> dict[str, NDArray[Any]]:
    """(panels, T) of scores, and of what is told as speech: at a threshold, or by segments."""
    score, told = np.full(shape, LOWEST), np.zeros(shape, bool)
    for face, own in zip(report.faces, scores, strict=True):
        panel = int(np.median(face.boxes[:, 0]) // PANEL)
        last = min(shape[1], face.first_frame + len(own))
        span = slice(face.first_frame, last)
        score[panel, span] = np.maximum(score[panel, span], own[: last - face.first_frame])
        runs = stretches(own) if threshold is None else ()
        for a, b in runs:
            told[panel, face.first_frame + a : face.first_frame + b] = True
        if threshold is not None:
            told[panel, span] |= own[: last - face.first_frame] > threshold
    return {"score": score, "told": told}


def figures(results: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Of all scenes together, by who says so."""
    truth = np.concatenate([r["truth"].ravel() for r in results])
    far = np.concatenate([away_from_edges(r["truth"]).ravel() for r in results])
    made = {}
    for who in results[0]["found"]:
        score, told = (
            np.concatenate([r["found"][who][part].ravel() for r in results])
            for part in ("score", "told")
        )
        made[who] = {
            "average_precision": average_precision(score, truth),
            "right": share(told, truth), "false": share(told, ~truth),
            "right_collar": share(told, truth & far), "false_collar": share(told, ~truth & far),
            "right_at_2_percent_false": right_at(score, truth, 0.02),
        }  # fmt: skip
    return made


def away_from_edges(truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Frames of each panel that lie more than the collar from an edge of anybody's speech."""
    edges = np.diff(np.pad(truth, ((0, 0), (1, 0))).astype(int), axis=1) != 0
    edges = edges.any(axis=0)
    near = np.convolve(edges, np.ones(2 * COLLAR_FRAMES + 1), "same") > 0
    return np.broadcast_to(~near, truth.shape)


def average_precision(score: NDArray[Any], truth: NDArray[np.bool_]) -> float:
    """Area below precision by recall; 0 where nobody speaks."""
    right = truth[np.argsort(-score, kind="stable")]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].mean()) if right.any() else 0.0


def share(told: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    """How much of it is told to be speech."""
    return float(told[of].mean()) if of.any() else 0.0


def right_at(score: NDArray[Any], truth: NDArray[np.bool_], false: float) -> float:
    """Share of speech above the threshold that lets through so much of the rest."""
    threshold = np.quantile(score[~truth], 1 - false)
    return float((score[truth] > threshold).mean())


def describe(results: list[dict[str, Any]]) -> str:
    """A line."""
    seconds = sum(r["facts"]["seconds"] for r in results)
    took = sum(r["facts"]["took"] for r in results)
    parts = [
        f"{who}: AP {v['average_precision']:.4f} right {v['right']:.4f} false {v['false']:.4f}"
        for who, v in figures(results).items()
    ]
    who = ",".join(results[0]["facts"]["speakers"]) if len(results) == 1 else ""
    return f"{seconds:.0f} s in {took:.0f} s; {'; '.join(parts)} {who}"


def table(results: list[dict[str, Any]]) -> list[str]:
    """In Markdown."""
    lines = [
        "| | scenes | average precision | right | false | right, collar | false, collar "
        "| right at 2 % false |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for panels in (2, 3, None):
        some = [r for r in results if panels in (None, r["facts"]["panels"])]
        if not some:
            continue
        name = f"{panels} faces" if panels else "all"
        for who, v in figures(some).items():
            shares = " | ".join(f"{100 * value:.1f} %" for value in v.values())
            lines.append(f"| {who}, {name} | {len(some)} | {shares} |")
    return lines


if __name__ == "__main__":
    main()
