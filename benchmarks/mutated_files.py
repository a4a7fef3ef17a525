"""Damaged files: what does avsync say of them, and what does it cost?

    nice -n 19 python benchmarks/mutated_files.py results.jsonl
    python benchmarks/mutated_files.py results.jsonl --page docs/robustness.md --name Now

Ten small talking faces, one for each container, are damaged by flipping, wiping, cutting, doubling
and splicing bytes, and by stamps as no camera writes them. Each file is looked at as `detect` looks
at one of many, in a process of its own. It must end within 20 s of processor time and 1 GB, leave
no process and no file behind and say no more than a line where it fails; and no answer may lie
more than 100 ms from that of the file before the damage, unless its stamps were changed on purpose,
or, as an independent look shows, by the damage. What is in the results already is left out.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from mutations import DAMAGES, STAMPED, make, make_seeds, names
from pages import replace_section
from stamps import decode, lag_ms
from watched import Limits, Watched, watch

from avsync.media import ffmpeg
from avsync.report import SyncReport

FAR_MS = 100.0
OUTCOMES = ("right", "undetermined", "refused", "as stamped", "wrong", "none")
Measure = Callable[[str], SyncReport]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a file."""

    name: str
    outcome: str  # one of OUTCOMES: as stamped: an answer for stamps that the damage changed
    offset_ms: float | None
    reason: str
    cpu_seconds: float
    clock_seconds: float
    megabytes: int
    faults: tuple[str, ...]


def main() -> None:
    """Make and look at files that the results lack, or write a page of them."""
    parser = argparse.ArgumentParser(description="What avsync says of damaged files.")
    parser.add_argument("results", type=Path, help="JSON Lines, gone on with")
    parser.add_argument("--each", type=int, default=36, help="of every damage to every seed")
    parser.add_argument("--files", type=int, help="at most so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for files that show faults")
    parser.add_argument("--page", type=Path, help="Markdown file, whose section is replaced")
    parser.add_argument("--name", default="Results", help="of the section")
    chosen = parser.parse_args()
    if chosen.page:
        text = "\n".join(section(read(chosen.results)))
        replace_section(chosen.page, "Damaged files", chosen.name, text)
        return
    wanted = list(names(chosen.each))[: chosen.files]
    run(chosen.results, wanted, chosen.seed, chosen.keep)
    fates = read(chosen.results)
    print("\n".join(section(fates)))
    sys.exit(1 if any(fate.faults for fate in fates) else 0)


def read(results: Path) -> list[Fate]:
    """What is known; a half-written last line is none."""
    lines = results.read_text().split("\n")[:-1] if results.exists() else []
    return [Fate(**{**f, "faults": tuple(f["faults"])}) for f in map(json.loads, lines)]


def run(results: Path, wanted: Sequence[str], seed: int, keep: Path | None) -> None:
    """Add the fates of the wanted files to the results."""
    known = {fate.name for fate in read(results)}
    measure = ready()
    with tempfile.TemporaryDirectory() as folder, results.open("a") as file:
        seeds = make_seeds(Path(folder))
        truths = {kind: truth(measure, path) for kind, path in seeds.items()}
        for name in wanted:
            if name in known:
                continue
            path = make(name, seeds, seed, Path(folder))
            if path is None:
                continue
            fate = look(path, measure, seeds[path.suffix[1:]], truths[path.suffix[1:]])
            file.write(json.dumps(asdict(fate)) + "\n")
            file.flush()
            if fate.faults and keep:
                keep.mkdir(exist_ok=True)
                path.replace(keep / name)
            path.unlink(missing_ok=True)


def ready() -> Measure:
    """What a worker of a batch does with a file, on one core, all of it loaded."""
    os.environ["OMP_NUM_THREADS"] = "1"  # a pool of threads would not survive a fork
    from avsync.batch.measure import open_detect
    from avsync.pipeline.options import DetectOptions

    return open_detect(DetectOptions(), threads=1)


def truth(measure: Measure, path: Path) -> float:
    """The answer for a file that nobody has damaged; one time more than is counted, to be warm."""
    report = measure(str(path))
    if report.offset_ms is None:
        raise SystemExit(f"{path}: {'; '.join(report.reasons)}: no answer to compare with")
    return report.offset_ms


def look(path: Path, measure: Measure, seed: Path, truth_ms: float) -> Fate:
    """Have a damaged file measured, and judge what came of it."""
    done = watch(lambda: measure(str(path)).to_dict(), Limits())
    said = done.result or {}
    reason = " / ".join(said.get("reasons", ()))
    faults = [*done.faults, *untidy(done, reason)]
    status = str(said.get("status"))
    outcome = {"undetermined": "undetermined", "error": "refused"}.get(status, "none")
    offset = said.get("offset_ms")
    if offset is not None:
        outcome = judge(path, seed, offset, truth_ms)
        faults += [f"{offset:+.0f} ms, not {truth_ms:+.0f}"] if outcome == "wrong" else []
    return Fate(
        path.name,
        outcome,
        offset,
        reason.replace(str(path), path.name)[:300],
        done.cpu_seconds,
        done.clock_seconds,
        round(done.most_bytes / 1e6),
        tuple(faults),
    )


def untidy(done: Watched, reason: str) -> Iterator[str]:
    """What a person should not be shown."""
    if "Traceback" in done.said or "unexpected" in reason:
        yield f"traceback: {(done.said or reason)[-300:]}"
    if "\n" in reason:
        yield "an error of several lines"


def judge(path: Path, seed: Path, offset_ms: float, truth_ms: float) -> str:
    """Whether an answer is that of the file before the damage, or that of its stamps."""
    if path.name.startswith(STAMPED):
        return "as stamped"
    if abs(offset_ms - truth_ms) <= FAR_MS:
        return "right"
    moved = moved_ms(seed, path)
    is_so = moved is not None and abs(offset_ms - truth_ms - moved) <= FAR_MS
    return "as stamped" if is_so else "wrong"


def moved_ms(before: Path, after: Path) -> float | None:
    """How much earlier the sound has become against the picture, by the stamps of the frames."""
    try:
        one, other = decode(before), decode(after)
    except ValueError:  # so broken that ffmpeg itself counts differently
        return None
    if not (one.has_both and other.has_both):
        return None
    far = np.abs(other.frames[:, None] - one.frames[None]).mean(axis=2)
    shifts = other.frame_seconds - one.frame_seconds[far.argmin(axis=1)]
    zeros = one.start_seconds, other.start_seconds
    late = lag_ms(one.samples(zeros[0]), other.samples(zeros[1]))
    if late is None:
        return None
    return 1000 * (float(np.median(shifts)) - zeros[1] + zeros[0]) - late


def section(fates: Sequence[Fate]) -> Iterator[str]:
    """Tables in Markdown: outcomes by damage, what it cost, and every fault."""
    bad = [fate for fate in fates if fate.faults]
    yield f"{len(fates)} files, with {ffmpeg.version()}; {len(bad)} with faults."
    yield ""
    yield f"| damage | files | {' | '.join(OUTCOMES)} | faults | slowest | largest |"
    yield "|---" * (len(OUTCOMES) + 5) + "|"
    for damage in (*DAMAGES, ""):
        some = [fate for fate in fates if fate.name.startswith(damage)]
        if not some:
            continue
        counted = Counter(fate.outcome for fate in some)
        cells = [damage or "all", len(some), *(counted[outcome] for outcome in OUTCOMES)]
        cells += [sum(bool(fate.faults) for fate in some)]
        cells += [f"{max(fate.cpu_seconds for fate in some):.1f} s"]
        cells += [f"{max(fate.megabytes for fate in some)} MB"]
        yield f"| {' | '.join(map(str, cells))} |"
    if bad:
        yield ""
        faults = Counter(fault.split(":")[0].split(",")[0] for f in bad for fault in f.faults)
        yield "; ".join(f"{count} x {fault}" for fault, count in faults.most_common(12))


if __name__ == "__main__":
    main()
