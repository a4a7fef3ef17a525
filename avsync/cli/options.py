"""Flags that many files call for, spelt once."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.console import Form
from avsync.errors import UsageError
from avsync.inputs import LIST

Inputs = Annotated[
    list[str] | None,
    typer.Argument(help="Videos, folders of videos, or - for a list on stdin.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object; a list for several.")]
AsJsonLines = Annotated[bool, typer.Option("--jsonl", help="A JSON object a line, as known.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV with a heading line.")]
ToleranceName = Annotated[
    str | None, typer.Option(help="ebu-r37, itu-bt1359, atsc-is191 or EARLY/LATE in ms.")
]
MinConfidence = Annotated[
    float | None, typer.Option(help="Write only answers at least so sure, 0 to 1.")
]
MaxAbsOffset = Annotated[
    float | None, typer.Option(help="Write only answers at most so many ms out, to either side.")
]
Globs = Annotated[
    list[str] | None,
    typer.Option("--glob", help="Of folders, take the files that match (*.dat); may be repeated."),
]
Null = Annotated[
    bool, typer.Option("-0", "--null", help="The list on stdin has a null byte after each name.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", help="Files at once.", show_default="what cores and memory allow"),
]
Timeout = Annotated[float | None, typer.Option(help="Give a file up after so many seconds.")]
Ordered = Annotated[
    bool, typer.Option("--ordered", help="Answers in the order of the files, not as known.")
]
Resume = Annotated[
    Path | None,
    typer.Option(help="Write JSON Lines into this file; leave out what it answers already."),
]
Engine = Annotated[str, typer.Option(help="local, or ray for the machines of a Ray cluster.")]
RayAddress = Annotated[
    str | None, typer.Option(help="Of the Ray cluster.", show_default="one for this run, here")
]
Faces = Annotated[
    str, typer.Option(help="Face detector: auto, yunet, sfd, blazeface, retinaface or hog.")
]
Cropped = Annotated[
    bool, typer.Option("--cropped", help="The picture is a face crop, cut as SyncNet does.")
]
AudioTrack = Annotated[
    int | None,
    typer.Option(
        help="Sound track to listen to; 1 is the first.", show_default="the file's default"
    ),
]
VideoTrack = Annotated[
    int | None,
    typer.Option(help="Video track to look at; 1 is the first.", show_default="the file's default"),
]
WeightsName = Annotated[str, typer.Option(help="default, syncnet_v2 or a weights file.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing outputs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="A line for each file on stderr, for programs.")
]


def named(inputs: list[str] | None, null: bool) -> list[str]:
    """The inputs; -0 alone means the list on stdin. Raises UsageError where there is neither."""
    names = list(inputs or ([LIST] if null else ()))
    if not names:
        raise UsageError("name videos, folders of videos, or - for a list on stdin")
    return names


def form(as_json: bool, as_jsonl: bool, as_csv: bool, resume: Path | None) -> Form:
    """How answers are written. Raises UsageError for two ways at once."""
    wanted = ((Form.JSON, as_json), (Form.JSONL, as_jsonl), (Form.CSV, as_csv))
    chosen = [form for form, is_wanted in wanted if is_wanted]
    if len(chosen) > 1:
        raise UsageError("choose one of --json, --jsonl and --csv")
    if resume and chosen not in ([], [Form.JSONL]):
        raise UsageError("--resume writes JSON Lines: leave out --json and --csv")
    return chosen[0] if chosen else Form.TEXT
