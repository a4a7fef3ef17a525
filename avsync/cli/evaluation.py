"""`avsync evaluate`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from avsync.cli.progress import progress_bar
from avsync.cli.training import DATA_HELP, JOBS, Jobs, Quiet, say


def evaluate(
    data: Annotated[list[Path], typer.Argument(help=DATA_HELP)],
    weights: Annotated[
        list[str] | None, typer.Option(help="default or a weights file; several: compared.")
    ] = None,
    speakers: Annotated[
        Path | None, typer.Option(help="File with speakers, one a line: measure on these only.")
    ] = None,
    part: Annotated[str | None, typer.Option(help="LRS2's list: train, val, test.")] = None,
    table_only: Annotated[
        bool, typer.Option("--table-only", help="The paper's table alone, which is quick.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    cache: Annotated[Path | None, typer.Option(help="Folder for clips not prepared yet.")] = None,
    jobs: Jobs = JOBS,
    quiet: Quiet = False,
) -> None:
    """Measure weights on clips of known offset: the paper's table, whole clips, confidence.

    Clips are taken to be in step unless their folder was prepared with --clean-with.

    avsync evaluate prepared/ --speakers dev-speakers.txt --weights default
    avsync evaluate mvlrs_v1/ --part test --json
    """
    from avsync.cli.tables import write_evaluations
    from avsync.training.recipe import EvaluationPlan, evaluate_all

    plan = EvaluationPlan(
        tuple(data), tuple(weights or ["default"]), speakers, part, table_only, cache, jobs
    )
    with progress_bar(quiet) as progress:
        measured = evaluate_all(plan, progress, say)
    if as_json:
        print(json.dumps([asdict(evaluation) for evaluation in measured], indent=2))
    else:
        write_evaluations(measured)
