"""`avsync score`."""

import json
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from avsync import __version__
from avsync.batch.detect import detect_all
from avsync.batch.options import BatchOptions
from avsync.batch.resume import ReportFile
from avsync.cli import options as opt
from avsync.cli.console import ExitStatus, log_line, worse
from avsync.cli.progress import batch_view
from avsync.cli.scores import Form, Scored, write_scores
from avsync.errors import UsageError, WeightsError
from avsync.media.search import LIST, find_media, read_names
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.scoring import FileScore, Protocol
from avsync.system.downloads import sha256_of

STDIN = 0  # its descriptor
AUTO = "auto"
FORMS = {"json": Form.JSON, "jsonl": Form.JSONL, "csv": Form.CSV, "latex": Form.LATEX}

Generated = Annotated[
    list[str] | None,
    typer.Argument(help="Videos, folders of videos, or - for a list on stdin.", show_default=False),
]
Reference = Annotated[
    list[str] | None,
    typer.Option(help="Real videos, or a folder of them, paired by file name; may be repeated."),
]
AsJsonLines = Annotated[bool, typer.Option("--jsonl", help="A JSON object a line.")]
AsLatex = Annotated[bool, typer.Option("--latex", help="A table for a paper.")]
WeightsName = Annotated[
    str, typer.Option(help="auto (syncnet_v2 where it is fetched), syncnet_v2, default or a file.")
]


def score(
    generated: Generated = None,
    reference: Reference = None,
    as_json: opt.AsJson = False,
    as_jsonl: AsJsonLines = False,
    as_csv: opt.AsCsv = False,
    as_latex: AsLatex = False,
    weights: WeightsName = AUTO,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    audio: opt.Audio = None,
    device: opt.Device = "auto",
    runtime: opt.Runtime = "auto",
    globs: opt.Globs = None,
    null: opt.Null = False,
    jobs: opt.Jobs = None,
    timeout: opt.Timeout = None,
    resume: opt.Resume = None,
    engine: opt.Engine = "local",
    ray_address: opt.RayAddress = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Score generated or dubbed faces: LSE-D, LSE-C and offset, with intervals over the set.

    avsync score generated/ --reference real/
    """
    flags = {"json": as_json, "jsonl": as_jsonl, "csv": as_csv, "latex": as_latex}
    forms = [FORMS[name] for name, is_wanted in flags.items() if is_wanted]
    if len(forms) > 1:
        raise UsageError("choose one of --json, --jsonl, --csv and --latex")
    named = opt.named(generated, null)
    if reference and LIST in named:
        raise UsageError("a list on stdin has no pairs: name the folder of the generated files")
    options = DetectOptions(
        faces=faces, cropped=cropped, weights=_weights(weights), upstream_scoring=True,
        device=device, runtime=runtime,
    )  # fmt: skip
    stdin = read_names(STDIN, b"\0" if null else b"\n")
    sets = {"generated": list(find_media(named, stdin, globs or [], exact=null))}
    if reference:
        sets["reference"] = list(find_media(reference, (), globs or []))
    how = BatchOptions(jobs, timeout, True, engine, ray_address)
    heard = {"generated": replace(options, audio=audio), "reference": options}  # real ones: as is
    together: dict[DetectOptions, list[str]] = {}
    for name, paths in sets.items():
        together.setdefault(heard[name], []).extend(paths)
    reports = {
        looked: _Run(looked, how, resume, quiet, verbose).reports(paths)
        for looked, paths in together.items()
    }
    protocol = _protocol(options, [one for of in reports.values() for one in of.values()])
    scores = {
        name: [FileScore.of(reports[heard[name]][path], protocol.scale) for path in paths]
        for name, paths in sets.items()
    }
    write_scores(Scored.of(scores, protocol), forms[0] if forms else Form.TEXT)
    raise typer.Exit(_status_of(list(chain(*scores.values()))))


@dataclass(frozen=True, slots=True)
class _Run:
    """How files are measured."""

    options: DetectOptions
    how: BatchOptions
    resume: Path | None
    quiet: bool
    verbose: bool

    def reports(self, paths: Sequence[str]) -> dict[str, SyncReport]:
        """Of each path; what a report that is gone on with knows already is read from it."""
        found: dict[str, SyncReport] = {}
        wanted = list(dict.fromkeys(paths))
        with ExitStack() as stack:
            file = stack.enter_context(ReportFile(self.resume)) if self.resume else None
            view = stack.enter_context(batch_view(self.quiet, len(wanted)))
            results = detect_all(wanted, self.options, self.how, file, view.progress)
            for result in view.watch(stack.enter_context(closing(results))):
                log_line(result, self.verbose)
                if result.task.known is None:
                    found[result.task.path] = result.report
                    if file:
                        file.append(result.report, curve=False)
        if self.resume:
            found = _read(self.resume) | found
        return {path: found[path] for path in wanted}


def _read(report: Path) -> dict[str, SyncReport]:
    lines = report.read_text().splitlines()
    return {one.path: one for one in map(SyncReport.from_dict, map(json.loads, lines))}


def _weights(wanted: str) -> str:
    """SyncNet's where they are here: it is on their scale that papers report."""
    from avsync.model import weights

    if wanted != AUTO:
        return wanted
    try:
        weights.find("syncnet_v2")
    except WeightsError:
        return "default"
    return "syncnet_v2"


def _protocol(options: DetectOptions, reports: Sequence[SyncReport]) -> Protocol:
    from avsync.model import weights
    from avsync.sync.lse import UPSTREAM_REACH

    path = weights.find(options.weights)
    sha256 = sha256_of(path)
    is_syncnet = sha256 == weights.SYNCNET_V2.sha256
    return Protocol(
        __version__,
        "syncnet_v2" if is_syncnet else path.stem,
        is_syncnet,
        sha256,
        asdict(weights.config_of(path).geometry),
        tuple(sorted({report.detector for report in reports if report.detector})),
        UPSTREAM_REACH,
    )


def _status_of(scores: Sequence[FileScore]) -> ExitStatus:
    worst = ExitStatus.OK
    for one in scores:
        if one.status == "error":
            worst = worse(worst, ExitStatus.FAILED)
        elif one.lse_d is None:
            worst = worse(worst, ExitStatus.UNDETERMINED)
    return worst
