"""Scores as tables for people and papers, and as JSON and CSV for programs."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from avsync.cli.console import csv_line, write_line
from avsync.estimates import Estimate
from avsync.scoring import Comparison, FileScore, Protocol, SetScore

COLUMNS = (
    *("set", "path", "status", "scale", "lse_d", "lse_c", "lse_offset_frames", "offset_ms"),
    *("confidence", "reasons"),
)
SPECIAL = str.maketrans({c: rf"\{c}" for c in "&%$#_{}"})  # to LaTeX


class Form(StrEnum):
    """How scores are written."""

    TEXT = "text"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    LATEX = "latex"


@dataclass(frozen=True, slots=True)
class Scored:
    """All that is told of one or two sets."""

    protocol: Protocol
    files: Mapping[str, Sequence[FileScore]]  # by set
    sets: Sequence[SetScore]
    comparison: Comparison | None

    @classmethod
    def of(cls, files: Mapping[str, Sequence[FileScore]], protocol: Protocol) -> "Scored":
        """Raises DataError where two sets cannot be paired."""
        sets = [SetScore.of(name, scores) for name, scores in files.items()]
        comparison = Comparison.of(*files.values()) if len(files) > 1 else None
        return cls(protocol, files, sets, comparison)

    def rows(self) -> Iterator[tuple[str, FileScore]]:
        """Each file, with the set it is of."""
        for name, scores in self.files.items():
            for score in scores:
                yield name, score


def write_scores(scored: Scored, form: Form) -> None:
    """Write everything to stdout. Raises OutputError where that is not taken."""
    if form is Form.JSON:
        write_line(json.dumps(_document(scored), indent=2), sys.stdout)
    elif form is Form.TEXT:
        _print_tables(scored)
    else:
        lines = {Form.JSONL: _json_lines, Form.CSV: _csv_lines, Form.LATEX: _latex}[form]
        for line in lines(scored):
            write_line(line, sys.stdout)


def _document(scored: Scored) -> dict[str, Any]:
    return {
        "protocol": asdict(scored.protocol),
        "files": [{"set": name, **asdict(score)} for name, score in scored.rows()],
        "sets": [asdict(one) for one in scored.sets],
        "comparison": asdict(scored.comparison) if scored.comparison else None,
    }


def _json_lines(scored: Scored) -> Iterator[str]:
    document = _document(scored)
    for kind, fields in (("file", document["files"]), ("set", document["sets"])):
        yield from (json.dumps({"kind": kind, **one}) for one in fields)
    for kind in ("comparison", "protocol"):
        if document[kind]:
            yield json.dumps({"kind": kind, **document[kind]})


def _csv_lines(scored: Scored) -> Iterator[str]:
    yield csv_line(COLUMNS)
    for name, score in scored.rows():
        fields = {"set": name, **asdict(score), "reasons": "; ".join(score.reasons)}
        yield csv_line(tuple(fields[column] for column in COLUMNS))


def _latex(scored: Scored) -> Iterator[str]:
    """For the package booktabs; who made it how stands in comments above."""
    yield from (f"% {line}" for line in _protocol_lines(scored.protocol))
    yield r"\begin{tabular}{lrrrr}"
    yield r"\toprule"
    yield r"Set & Files & LSE-D $\downarrow$ & LSE-C $\uparrow$ & $|$offset$|$ (ms) \\"
    yield r"\midrule"
    for one in scored.sets:
        cells = [one.name.translate(SPECIAL), str(one.scored)]
        cells += [_in_latex(value) for value in (one.lse_d, one.lse_c, one.abs_offset_ms)]
        yield " & ".join(cells) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _in_latex(value: Estimate | None) -> str:
    if value is None:
        return "--"
    if value.low is None:
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _print_tables(scored: Scored) -> None:
    from rich.table import Table

    from avsync.cli.tables import plain_console

    console = plain_console()
    scale = scored.protocol.scale
    table = Table(title=f"Lip-sync error of each file, on the scale of {scale}")
    table.add_column("file")
    for column in ("set", "LSE-D", "LSE-C", "LSE frames", "offset ms", "confidence"):
        table.add_column(column, justify="right")
    table.add_column("why not")
    for name, score in scored.rows():
        table.add_row(
            score.path, name, _figure(score.lse_d, 3), _figure(score.lse_c, 3),
            _figure(score.lse_offset_frames, 0), _figure(score.offset_ms, 0),
            _figure(score.confidence, 2), "; ".join(score.reasons),
        )  # fmt: skip
    console.print(table)
    console.print(_set_table(scored.sets, scale))
    for line in (*_comparison_lines(scored.comparison), *_protocol_lines(scored.protocol)):
        console.print(line)


def _set_table(sets: Sequence[SetScore], scale: str) -> Any:
    from rich.table import Table

    table = Table(title=f"Means over files, with 95 % intervals, on the scale of {scale}")
    for column in ("set", "files", "scored", "LSE-D (lower is better)", "LSE-C (higher is better)",
                   "with an offset", "|offset| ms"):  # fmt: skip
        table.add_column(column, justify="left" if column == "set" else "right")
    for one in sets:
        table.add_row(
            one.name, str(one.files), str(one.scored), _in_words(one.lse_d), _in_words(one.lse_c),
            str(one.answered), _in_words(one.abs_offset_ms, 0),
        )  # fmt: skip
    return table


def _comparison_lines(comparison: Comparison | None) -> Iterator[str]:
    if comparison is None:
        return
    yield f"Generated less reference, over {comparison.pairs} pairs of the same name:"
    for name, value, better in (
        ("LSE-D", comparison.lse_d, comparison.better_d),
        ("LSE-C", comparison.lse_c, comparison.better_c),
    ):
        yield f"  {name} {_in_words(value, sign='+')}; the generated one is better in {better}"
    if comparison.unpaired:
        yield f"  left out, without a counterpart that is scored: {', '.join(comparison.unpaired)}"


def _protocol_lines(protocol: Protocol) -> Iterator[str]:
    if protocol.is_published_scale:
        yield "Scale: SyncNet's (syncnet_v2), as papers report it."
    else:
        yield (
            f"Scale: that of {protocol.scale}, not SyncNet's: compare with no published figures "
            "(avsync weights fetch syncnet_v2)."
        )
    crop = protocol.crop
    yield (
        f"Protocol: weights {protocol.scale}, sha256 {protocol.weights_sha256[:16]}; faces by "
        f"{', '.join(protocol.detectors) or 'nobody'}, of several {protocol.face}; crop "
        f"{crop['side']:g} face boxes wide, {crop['dy']:g} below its centre, {crop['pixels']} "
        f"pixels, {'colour' if crop['colour'] else 'grey'};"
    )
    yield (
        f"  {protocol.frames_per_second} frames a second, sound at {protocol.sample_rate} Hz, "
        f"offsets of up to {protocol.search_frames} frames, beyond the ends "
        f"{protocol.padding}; avsync {protocol.avsync}. "
        "Intervals: bootstrap over files (BCa)."
    )


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _in_words(value: Estimate | None, digits: int = 3, sign: str = "") -> str:
    if value is None:
        return "-"
    shown = f"{value.mean:{sign}.{digits}f}"
    if value.low is None or value.high is None:
        return shown
    return f"{shown} [{value.low:{sign}.{digits}f}, {value.high:{sign}.{digits}f}]"
