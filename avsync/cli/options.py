"""Flags that many files call for, spelt once."""

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from avsync.cli.console import OutputFormat
from avsync.errors import UsageError
from avsync.media.search import LIST
from avsync.tolerance import Filter

# Options in the panels of --help.
answer_option = partial(typer.Option, rich_help_panel="Answer")
search_option = partial(typer.Option, rich_help_panel="Search")
picture_option = partial(typer.Option, rich_help_panel="Pictures")
many_option = partial(typer.Option, rich_help_panel="Many files")
cluster_option = partial(typer.Option, rich_help_panel="Cluster")

Inputs = Annotated[
    list[str] | None,
    typer.Argument(help="Videos, folders of videos, or - for a list on stdin.", show_default=False),
]
AsJson = Annotated[
    bool,
    answer_option("--json", help="One JSON object; a list for several."),
]
AsJsonLines = Annotated[bool, answer_option("--jsonl", help="A JSON object a line, as known.")]
AsCsv = Annotated[bool, answer_option("--csv", help="CSV with a heading line.")]
ToleranceName = Annotated[
    str | None,
    answer_option(help="ebu-r37, itu-bt1359, atsc-is191, netflix or EARLY/LATE in ms."),
]
MinConfidence = Annotated[
    float | None,
    answer_option(help="Write only answers at least so sure, 0 to 1."),
]
MaxAbsOffset = Annotated[
    float | None,
    answer_option(help="Write only answers at most so many ms out, to either side."),
]
Globs = Annotated[
    list[str] | None,
    many_option("--glob", help="Of folders, take the files that match (*.dat); may be repeated."),
]
Null = Annotated[
    bool,
    many_option("-0", "--null", help="The list on stdin has a null byte after each name."),
]
Accept = Annotated[
    float,
    answer_option(help="Confidence from which on an offset is an answer, 0 to 1."),
]
MaxOffset = Annotated[float, search_option(help="Search so many seconds to either side.")]
Thorough = Annotated[
    bool,
    search_option("--thorough", help="Look at long files from end to end."),
]
UpstreamScoring = Annotated[
    bool,
    answer_option("--upstream-scoring", help="Also LSE-D, LSE-C and offset as SyncNet has."),
]
WithCurve = Annotated[
    bool,
    answer_option("--curve", help="JSON with the distance curve that was read."),
]
Jobs = Annotated[
    int | None,
    many_option("--jobs", "-j", help="Files at once.", show_default="what cores and memory allow"),
]
Timeout = Annotated[float | None, many_option(help="Give a file up after so many seconds.")]
Ordered = Annotated[
    bool,
    many_option("--ordered", help="Answers in the order of the files, not as known."),
]
Resume = Annotated[
    Path | None,
    many_option(help="Write JSON Lines into this file; leave out what it answers already."),
]
Engine = Annotated[
    str,
    cluster_option(help="local, or ray for the machines of a Ray cluster."),
]
RayAddress = Annotated[
    str | None,
    cluster_option(help="Of the Ray cluster.", show_default="one for this run, here"),
]
Faces = Annotated[
    str,
    search_option(help="Face detector: auto, yunet, sfd, blazeface, retinaface or hog."),
]
Cropped = Annotated[
    bool,
    search_option("--cropped", help="The picture is a face crop, cut as SyncNet does."),
]
Audio = Annotated[
    str | None,
    search_option(
        help="File that the sound is in, or a folder with one of each video's name.",
        show_default="the video's own",
    ),
]
AudioTrack = Annotated[
    int | None,
    search_option(
        help="Sound track to listen to; 1 is the first.", show_default="the file's default"
    ),
]
VideoTrack = Annotated[
    int | None,
    search_option(
        help="Video track to look at; 1 is the first.", show_default="the file's default"
    ),
]
WeightsName = Annotated[str, search_option(help="default, syncnet_v2 or a weights file.")]
Device = Annotated[str, search_option(help="auto, cpu or cuda.")]
Runtime = Annotated[
    str, search_option(help="What runs the network: auto (whichever answers first), torch or onnx.")
]
Force = Annotated[bool, answer_option("--force", help="Replace existing outputs.")]
Quiet = Annotated[bool, answer_option("--quiet", "-q", help="No progress on stderr.")]
Verbose = Annotated[
    bool,
    answer_option("--verbose", "-v", help="A line for each file on stderr, for programs."),
]


def flag_of(field: str) -> str:
    """The flag of a library's field: flags do without units."""
    return "--" + re.sub("_(seconds|ms)$", "", field).replace("_", "-")


def named(inputs: list[str] | None, null: bool) -> list[str]:
    """The inputs; -0 alone means the list on stdin. Raises UsageError where there is neither."""
    names = list(inputs or ([LIST] if null else ()))
    if not names:
        raise UsageError("name videos, folders of videos, or - for a list on stdin")
    return names


def is_alone(names: list[str]) -> bool:
    """Whether it is a single file that was named."""
    return len(names) == 1 and names[0] != LIST and not os.path.isdir(names[0])


def json_schema(of: type) -> Any:
    """A flag that prints the schema of a command's reports, instead of doing anything."""

    def show(wanted: bool) -> None:
        if wanted:
            from avsync.schema import schema_of

            print(json.dumps(schema_of(of), indent=2))
            raise typer.Exit

    return typer.Option(
        "--json-schema", callback=show, is_eager=True, help="Print the JSON schema of the reports."
    )


def wanted(
    min_confidence: float | None, max_abs_offset: float | None, resume: Path | None
) -> Filter:
    """Which answers are written. Raises UsageError where all of them must be."""
    chosen = Filter(min_confidence, max_abs_offset)
    if resume and chosen.asks:
        raise UsageError("--resume keeps every answer: filter the finished report instead")
    return chosen


def form(as_json: bool, as_jsonl: bool, as_csv: bool, resume: Path | None) -> OutputFormat:
    """How answers are written. Raises UsageError for two ways at once."""
    wanted = (
        (OutputFormat.JSON, as_json),
        (OutputFormat.JSONL, as_jsonl),
        (OutputFormat.CSV, as_csv),
    )
    chosen = [form for form, is_wanted in wanted if is_wanted]
    if len(chosen) > 1:
        raise UsageError("choose one of --json, --jsonl and --csv")
    if resume and chosen not in ([], [OutputFormat.JSONL]):
        raise UsageError("--resume writes JSON Lines: leave out --json and --csv")
    return chosen[0] if chosen else OutputFormat.TEXT
