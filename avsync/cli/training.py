"""`avsync train`."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from avsync.console import progress_bar
from avsync.errors import UsageError


def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of videos, or manifests (TSV).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Weights file to write.")],
    steps: Annotated[int, typer.Option(help="Training steps.")] = 4000,
    n_way: Annotated[int, typer.Option(help="Candidate sounds for each picture.")] = 24,
    similarity: Annotated[str, typer.Option(help="cosine or inverse-distance.")] = "cosine",
    learning_rate: Annotated[float, typer.Option(help="Of AdamW, at its highest.")] = 1e-3,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    start: Annotated[str | None, typer.Option(help="Weights to go on from.")] = None,
    hold_out: Annotated[
        Path | None, typer.Option(help="File with speakers, one a line, to measure on only.")
    ] = None,
    clean_with: Annotated[
        str | None,
        typer.Option(help="Weights that measure each wild clip's own offset before training."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for prepared clips.")] = None,
    jobs: Annotated[int, typer.Option(help="Processes that prepare clips.")] = os.cpu_count() or 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Train the default network by multi-way matching, without labels.

    Interrupted, the same command goes on from its last checkpoint.

    avsync train corpus/manifest.tsv --hold-out dev-speakers.txt -o mine.safetensors
    """
    from avsync.training.recipe import Recipe, run
    from avsync.training.train import TrainOptions

    options = TrainOptions(
        steps=steps,
        n_way=n_way,
        similarity=_similarity(similarity),
        learning_rate=learning_rate,
        seed=seed,
        start=start,
    )
    recipe = Recipe(tuple(data), output, options, hold_out, clean_with, cache, jobs)
    with progress_bar(quiet) as progress:
        run(recipe, progress, lambda line: print(line, file=sys.stderr))


def _similarity(text: str) -> Any:
    if text not in ("cosine", "inverse-distance"):
        raise UsageError(f"--similarity {text}: choose cosine or inverse-distance")
    return text
