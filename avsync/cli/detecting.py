"""`avsync detect`."""

import os
import sys
from typing import Annotated

import typer

from avsync.batch import detect_all, find_media
from avsync.console import Form, progress_bar, write_reports
from avsync.detect import DetectOptions
from avsync.errors import UsageError
from avsync.report import Tolerance


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


def _form(as_json: bool, as_jsonl: bool, as_csv: bool) -> Form:
    chosen = [
        form
        for form, wanted in ((Form.JSON, as_json), (Form.JSONL, as_jsonl), (Form.CSV, as_csv))
        if wanted
    ]
    if len(chosen) > 1:
        raise UsageError("choose one of --json, --jsonl and --csv")
    return chosen[0] if chosen else Form.TEXT
