"""`avsync prepare` and `avsync train`."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.progress import progress_bar

DATA_HELP = "Prepared folders, folders of videos, LRS2, or manifests (TSV)."
Jobs = Annotated[int, typer.Option(help="Processes that prepare clips.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
JOBS = os.cpu_count() or 1


class Config(StrEnum):
    """Networks that can be trained."""

    DEFAULT = "default"
    SMALL = "small"
    PERFECT_MATCH = "perfect-match"


class Objective(StrEnum):
    """What training minimises."""

    MULTIWAY = "multiway"
    CONTRASTIVE = "contrastive"
    AVENET = "avenet"


class SimilarityName(StrEnum):
    """How multiway compares."""

    COSINE = "cosine"
    INVERSE_DISTANCE = "inverse-distance"


def say(line: str) -> None:
    """What a long job tells of itself goes to stderr."""
    print(line, file=sys.stderr, flush=True)


def prepare(
    data: Annotated[list[Path], typer.Argument(help="Folders of videos, or manifests (TSV).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for prepared clips.")],
    config: Annotated[
        Config, typer.Option(help="Network that the crops are for.")
    ] = Config.DEFAULT,
    clean_with: Annotated[
        str | None,
        typer.Option(help="Weights that measure each clip's own offset: corrected, or dropped."),
    ] = None,
    part: Annotated[str | None, typer.Option(help="LRS2's list: train, val, test.")] = None,
    jobs: Jobs = JOBS,
    quiet: Quiet = False,
) -> None:
    """Find faces, cut crops and measure clips' own offsets once, for training and evaluation.

    Interrupted, the same command goes on; what has not changed is not done again. index.tsv in the
    folder says what was kept and why.

    avsync prepare corpus/manifest.tsv --clean-with judge.safetensors -o prepared/
    """
    from avsync.model.config import CONFIGS
    from avsync.training.clips import find_sources
    from avsync.training.prepare import INDEX
    from avsync.training.prepare import prepare as prepare_clips

    sources = find_sources(data, part)
    geometry = CONFIGS[config.value].geometry
    with progress_bar(quiet) as progress:
        done = prepare_clips(sources, geometry, output, jobs, clean_with, progress)
    for why, count in done.verdicts.most_common():
        print(f"{count:>7}  {why}")
    print(f"{len(done.clips):>7}  of {len(sources)} kept, see {output / INDEX}")


def train(
    data: Annotated[list[Path], typer.Argument(help=DATA_HELP)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Weights file to write.")],
    objective: Annotated[
        Objective, typer.Option(help="What to minimise; the paper's is multiway.")
    ] = Objective.MULTIWAY,
    config: Annotated[Config, typer.Option(help="Network to train.")] = Config.DEFAULT,
    n_way: Annotated[int, typer.Option(min=2, help="Candidate sounds for each picture.")] = 24,
    similarity: Annotated[
        SimilarityName, typer.Option(help="Of multiway; the paper's is inverse-distance.")
    ] = SimilarityName.COSINE,
    margin: Annotated[
        float, typer.Option(min=0.0, help="Of contrastive: distance of false pairs that is enough.")
    ] = 1.0,
    steps: Annotated[
        int, typer.Option(min=0, help="Training steps; 0 with --start: calibrate only.")
    ] = 4000,
    windows: Annotated[int, typer.Option(min=24, help="Windows of picture in a step.")] = 480,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW, at its highest.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    start: Annotated[str | None, typer.Option(help="Weights to go on from.")] = None,
    hold_out: Annotated[
        Path | None, typer.Option(help="File with speakers, one a line, to measure on only.")
    ] = None,
    calibrate_within: Annotated[
        float, typer.Option(help="ms from a held-out clip's own offset that count as right.")
    ] = 40.0,
    checkpoint_every: Annotated[float, typer.Option(help="Seconds between checkpoints.")] = 60.0,
    cache: Annotated[Path | None, typer.Option(help="Folder for clips not prepared yet.")] = None,
    jobs: Jobs = JOBS,
    quiet: Quiet = False,
) -> None:
    """Train a network without labels, by matching pictures with sounds.

    Interrupted, the same command goes on from its last checkpoint. On several GPUs:
    torchrun --nproc-per-node 4 -m avsync train ...

    avsync train prepared/ --hold-out dev-speakers.txt -o mine.safetensors
    """
    from avsync.training.options import TrainOptions
    from avsync.training.recipe import Recipe, run

    options = TrainOptions(
        config=config.value,
        objective=objective.value,
        n_way=n_way,
        similarity=similarity.value,
        margin=margin,
        steps=steps,
        windows=windows,
        learning_rate=learning_rate,
        seed=seed,
        start=start,
    )
    recipe = Recipe(
        tuple(data), output, options, hold_out, calibrate_within, cache, jobs, checkpoint_every
    )
    with progress_bar(quiet) as progress:
        run(recipe, progress, say)
