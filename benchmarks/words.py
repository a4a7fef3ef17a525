"""Words from lips: frozen features of three objectives against end-to-end training, and chance.

    python benchmarks/words.py CORPUS/grid_s1_words.tsv --videos CORPUS/grid_s1 -o results/

Runs the commands below for each seed, and prints the table of docs/words.md. What is in `results/`
already is not done again, and a run that was stopped goes on, so that it may take several sittings.
Streams learn from the videos that are for training alone, without their words.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avsync.words.data import read_words

AVSYNC = (sys.executable, "-m", "avsync")
OBJECTIVES = ("multiway", "contrastive", "avenet")
KINDS = (*OBJECTIVES, "random", "end-to-end")
MANIFESTS = {"train": "grid-train.tsv", "test": "grid-test.tsv"}
STREAM = ("--config", "small", "--windows", "240", "--margin", "1.5")
EPOCHS = "25"


@dataclass(frozen=True)
class Plan:
    """What is trained on what."""

    table: Path
    videos: Path
    output: Path
    steps: int
    seeds: int

    @property
    def words(self) -> tuple[str, ...]:
        """What all commands on words have in common."""
        return (str(self.table), "--videos", str(self.videos), *self.cache)

    @property
    def cache(self) -> tuple[str, ...]:
        return ("--cache", str(self.output / "clips"), "--jobs", "1", "--quiet")

    def front(self, objective: str, seed: int) -> Path:
        return self.output / f"front-{objective}-{seed}.safetensors"

    def model(self, kind: str, seed: int) -> Path:
        return self.output / f"words-{kind}-{seed}.safetensors"


def main() -> None:
    """Train what is missing, evaluate, print."""
    parser = argparse.ArgumentParser(description="Compare features by the words they recognise.")
    parser.add_argument("table", type=Path, help="words and their times")
    parser.add_argument("--videos", type=Path, required=True, help="folder of the table's videos")
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder for all files")
    parser.add_argument("--steps", type=int, default=400, help="of the streams' training")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    plan = Plan(chosen.table, chosen.videos, chosen.output, chosen.steps, chosen.seeds)
    _write_manifests(plan)
    for seed in range(plan.seeds):
        _train(plan, seed)
    models = [plan.model(kind, seed) for kind in KINDS for seed in range(plan.seeds)]
    names = [part for model in models for part in ("--model", str(model))]
    answer = _run("words", "evaluate", *plan.words, *names, "--json")
    (plan.output / "results.json").write_text(answer)
    for line in _table(json.loads(answer), plan.seeds):
        print(line)


def _write_manifests(plan: Plan) -> None:
    """Videos that are for training, for the streams, and those that are for measuring."""
    listed = read_words(plan.table, plan.videos).words
    plan.output.mkdir(parents=True, exist_ok=True)
    for part, name in MANIFESTS.items():
        paths = sorted({word.path.resolve() for word in listed if word.part == part})
        rows = ["file\tspeaker", *(f"{path}\tgrid_s1" for path in paths)]
        (plan.output / name).write_text("\n".join(rows) + "\n")


def _train(plan: Plan, seed: int) -> None:
    number = ("--seed", str(seed))
    for objective in OBJECTIVES:
        front = plan.front(objective, seed)
        _make(front, "train", str(plan.output / MANIFESTS["train"]), "--objective", objective,
              "--steps", str(plan.steps), *STREAM, *number, *plan.cache)  # fmt: skip
        _words(plan, objective, seed, "--features", str(front))
    _words(plan, "random", seed, "--features", "random", "--config", "small")
    _words(plan, "end-to-end", seed, "--end-to-end", "--config", "small")


def _words(plan: Plan, kind: str, seed: int, *front: str) -> None:
    options = ("--epochs", EPOCHS, "--seed", str(seed))
    _make(plan.model(kind, seed), "words", "train", *plan.words, *front, *options)


def _make(path: Path, *argv: str) -> None:
    if not path.exists():
        _run(*argv, "-o", str(path))


def _run(*argv: str) -> str:
    print("avsync", *argv, file=sys.stderr, flush=True)
    return subprocess.run((*AVSYNC, *argv), check=True, text=True, stdout=subprocess.PIPE).stdout


def _table(measured: Sequence[dict[str, Any]], seeds: int) -> Iterator[str]:
    """Mean and standard deviation over the seeds, in percent; letters are the hard ones."""
    yield f"| features | top-1 | of letters | of other words | top-5 | {seeds} seeds, top-1 |"
    yield "|---|---|---|---|---|---|"
    for number, kind in enumerate(KINDS):
        rows = measured[number * seeds : (number + 1) * seeds]
        top1 = [100 * row["top1"] for row in rows]
        cells = [
            top1,
            [_share(row, True) for row in rows],
            [_share(row, False) for row in rows],
            [100 * row["top5"] for row in rows],
        ]
        shown = [f"{np.mean(c):.1f} +- {np.std(c, ddof=min(1, seeds - 1)):.1f}" for c in cells]
        yield f"| {kind} | {' | '.join(shown)} | {', '.join(f'{x:.1f}' for x in top1)} |"


def _share(row: dict[str, Any], letters: bool) -> float:
    words = [word for word in row["by_word"] if (len(word["word"]) == 1) == letters]
    return float(100 * sum(w["right"] for w in words) / sum(w["said"] for w in words))


if __name__ == "__main__":
    main()
