"""Flags -> one call -> output -> exit status. The answer goes to stdout, all else to stderr.

Exit status: 0 every file determined (and inside --tolerance) - 1 some file failed - 2 usage -
3 some file undetermined - 4 some file outside the tolerance. The worst applies: 1, 3, 4.
"""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from avsync import __version__
from avsync.batch import detect_all, find_media
from avsync.console import Exit, Form, progress_bar, write_reports
from avsync.detect import DetectOptions
from avsync.errors import AvsyncError, UsageError
from avsync.report import Tolerance


class _Group(TyperGroup):
    """Turns expected errors into one line on stderr and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AvsyncError as error:
            print(f"avsync: {error}", file=sys.stderr)
            status = Exit.USAGE if isinstance(error, UsageError) else Exit.FAILED
            raise typer.Exit(status) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find by how many milliseconds the sound of a talking-face video is out of step.",
)
weights_app = typer.Typer(no_args_is_help=True, help="List, fetch and check network weights.")
app.add_typer(weights_app, name="weights")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"avsync {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Any file name can be printed, also one that is not valid UTF-8.
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="surrogateescape")


@app.command()
def detect(
    inputs: Annotated[
        list[str], typer.Argument(help="Videos, folders of videos, or - for a list on stdin.")
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object; a list for several.")
    ] = False,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", help="A JSON object a line, as known.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a heading line.")] = False,
    max_offset: Annotated[float, typer.Option(help="Search so many seconds to either side.")] = 1.0,
    faces: Annotated[
        str, typer.Option(help="Face detector: auto, yunet, sfd, blazeface, retinaface or hog.")
    ] = "auto",
    cropped: Annotated[
        bool, typer.Option("--cropped", help="The picture is a face crop, cut as SyncNet does.")
    ] = False,
    weights: Annotated[
        str, typer.Option(help="default, syncnet_v2 or a weights file.")
    ] = "default",
    upstream_scoring: Annotated[
        bool,
        typer.Option("--upstream-scoring", help="Also LSE-D, LSE-C and offset as SyncNet has."),
    ] = False,
    tolerance: Annotated[
        str | None, typer.Option(help="ebu-r37, itu-bt1359, atsc-is191 or EARLY/LATE in ms.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Measure how far sound and picture are apart.

    One file, in words:   avsync detect talk.mp4

    Many, for a program:  find . -name '*.mp4' | avsync detect - --jsonl > report.jsonl
    """
    form = _form(as_json, as_jsonl, as_csv)
    allowed = Tolerance.of(tolerance) if tolerance else None
    options = DetectOptions(max_offset, faces, cropped, weights, upstream_scoring, device)
    names = list(inputs)
    paths = find_media(names, sys.stdin)
    alone = len(names) == 1 and names[0] != "-" and not os.path.isdir(names[0])
    with progress_bar(quiet) as progress:
        reports = detect_all(paths, options, progress)
        worst = write_reports(reports, form, allowed, alone)
    raise typer.Exit(worst)


@app.command()
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


@weights_app.command("list")
def weights_list() -> None:
    """Show the weights that can be named, and whether they are here."""
    from avsync import weights

    for name, what in weights.KNOWN.items():
        try:
            place = os.fspath(weights.find(name))
        except AvsyncError:
            place = "not here" + (f": avsync weights fetch {name}" if name != "default" else "")
        print(f"{name:<12} {what:<55} {place}")


@weights_app.command("info")
def weights_info(
    name: Annotated[str, typer.Argument(help="default, syncnet_v2 or a weights file.")] = "default",
) -> None:
    """Say what a weights file is: network, crop, calibration, where it comes from (JSON)."""
    import json
    from dataclasses import asdict

    from avsync import weights

    loaded = weights.load(name)
    facts = {
        "name": loaded.name,
        "path": os.fspath(loaded.path),
        "sha256": loaded.sha256,
        "config": asdict(loaded.config),
        "calibration": loaded.calibration,
        "provenance": loaded.provenance,
    }
    print(json.dumps(facts, indent=2))


@weights_app.command("fetch")
def weights_fetch(
    name: Annotated[str, typer.Argument(help="syncnet_v2.")],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
) -> None:
    """Download public weights into the user's cache, and check them."""
    from avsync import weights

    if name != "syncnet_v2":
        raise UsageError(f"{name}: only syncnet_v2 is fetched; default comes with avsync")
    with progress_bar(quiet) as progress:
        path = weights.fetch_syncnet_v2(progress)
    print(path)


@weights_app.command("verify")
def weights_verify(
    name: Annotated[str, typer.Argument(help="default, syncnet_v2 or a weights file.")] = "default",
) -> None:
    """Check a weights file from end to end."""
    from avsync import weights

    print(f"{weights.verify(name)}: intact")


@app.command()
def doctor() -> None:
    """Look at what avsync needs: what is here, what is missing, what to do."""
    from avsync.doctor import examine

    findings = examine()
    for finding in findings:
        mark = "ok" if finding.found else "MISSING" if finding.needed else "not here"
        print(f"{finding.subject:<20} {mark:<9} {finding.detail}")
    if not all(finding.found for finding in findings if finding.needed):
        raise typer.Exit(Exit.FAILED)


def _form(as_json: bool, as_jsonl: bool, as_csv: bool) -> Form:
    chosen = [
        form
        for form, wanted in ((Form.JSON, as_json), (Form.JSONL, as_jsonl), (Form.CSV, as_csv))
        if wanted
    ]
    if len(chosen) > 1:
        raise UsageError("choose one of --json, --jsonl and --csv")
    return chosen[0] if chosen else Form.TEXT


def _similarity(text: str) -> Any:
    if text not in ("cosine", "inverse-distance"):
        raise UsageError(f"--similarity {text}: choose cosine or inverse-distance")
    return text
