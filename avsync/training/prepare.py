"""Videos become prepared clips: face track, crops and sound once, each clip's own offset measured.

A prepared folder holds an .npz for each video and `index.tsv`, which says what was kept and why.
Files are keyed by video and crop; nothing is done twice, and a run that was stopped goes on.
"""

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

from avsync.errors import DataError
from avsync.faces.crops import CropGeometry
from avsync.system.atomic import write_whole
from avsync.system.progress import Progress, silent
from avsync.training.clean import Judge, Verdict, decide
from avsync.training.clips import ClipSource, PreparedClip, read_table
from avsync.training.extract import extract, open_prepared

MARGIN = 1.3  # a prepared crop shows so many times the side of the network's, for augmentation
INDEX = "index.tsv"
COLUMNS = ("prepared", "file", "speaker", "group", "language", "offset_ms", "confidence", "verdict")


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of the sources.

    Attributes
    ----------
    clips : list of PreparedClip
        Kept, their own offsets known.
    verdicts : Counter of str
        Of all sources.
    left_out : list of str
        The others, each with why.
    """

    clips: list[PreparedClip]
    verdicts: Counter[str]
    left_out: list[str]


def prepare(
    sources: Sequence[ClipSource],
    geometry: CropGeometry,
    folder: Path,
    jobs: int = 1,
    judge: str | None = None,
    progress: Progress = silent,
) -> Prepared:
    """Prepare what is not prepared yet, write the index, return the clips that may be learnt from.

    Parameters
    ----------
    sources : sequence of ClipSource
        The videos.
    geometry : CropGeometry
        Of the network's crops.
    folder : Path
        For prepared clips and their index.
    jobs : int, optional
        Processes.
    judge : str, optional
        Weights that measure each clip's own offset: it is corrected, or the clip dropped; None:
        offsets are what the sources say.
    progress : callable, optional
        Is told clips.

    Raises
    ------
    DataError
        For a source that is not there.
    WeightsError
        For weights that cannot judge.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wide = with_margin(geometry)
    targets = [folder / f"{_key(source, wide)}.npz" for source in sources]
    work = [(s, t) for s, t in zip(sources, targets, strict=True) if not t.exists()]
    _in_parallel(extract, work, repeat(wide), jobs, "preparing clips", progress)
    clips = [open_prepared(s, t) for s, t in zip(sources, targets, strict=True)]
    verdicts = _judge(clips, judge, jobs, progress) if judge else _as_they_are(clips)
    _write_index(folder / INDEX, sources, targets, verdicts)
    kept = [
        replace(clip, source=replace(clip.source, offset_ms=verdict.offset_ms))
        for clip, verdict in zip(clips, verdicts, strict=True)
        if isinstance(clip, PreparedClip) and verdict.keeps
    ]
    judged = list(zip(sources, verdicts, strict=True))
    left_out = [f"{source.path}: {verdict.why}" for source, verdict in judged if not verdict.keeps]
    return Prepared(kept, Counter(verdict.why for verdict in verdicts), left_out)


def read_prepared(folder: Path, geometry: CropGeometry) -> list[PreparedClip]:
    """Clips that a prepared folder says to learn from.

    Raises
    ------
    DataError
        Where they were cut for another network.
    """
    clips = []
    for row in read_table(folder / INDEX):
        if not row["prepared"]:
            continue
        source = ClipSource(
            Path(row["file"]), row["speaker"], row["group"], float(row["offset_ms"]),
            row["language"],
        )  # fmt: skip
        clip = open_prepared(source, folder / row["prepared"])
        if isinstance(clip, PreparedClip):
            clips.append(clip)
    if clips and clips[0].frames.shape[1:] != with_margin(geometry).shape:
        raise DataError(
            f"{folder}: prepared for another network; prepare again, with --config of this one"
        )
    return clips


def is_prepared(folder: Path) -> bool:
    """Whether `avsync prepare` made this folder."""
    return (folder / INDEX).is_file()


def with_margin(geometry: CropGeometry) -> CropGeometry:
    """What a prepared crop shows: room to move and turn the network's crop in."""
    return replace(geometry, side=geometry.side * MARGIN, pixels=round(geometry.pixels * MARGIN))


def _judge(
    clips: Sequence[PreparedClip | str], judge: str, jobs: int, progress: Progress
) -> list[Verdict]:
    """Measure every clip's own offset; what these weights have measured before is remembered."""
    Judge.load(judge)  # before any work: weights that cannot judge
    sha256 = Judge.sha256(judge)
    notes = {
        clip.prepared: clip.prepared.with_suffix(f".{sha256[:12]}.json")
        for clip in clips
        if isinstance(clip, PreparedClip)
    }
    work = [
        (clip, notes[clip.prepared])
        for clip in clips
        if isinstance(clip, PreparedClip) and not notes[clip.prepared].exists()
    ]
    _in_parallel(_measure_one, work, repeat(judge), jobs, "measuring clips", progress)
    return [
        decide(json.loads(notes[clip.prepared].read_text()), clip.source.offset_ms)
        if isinstance(clip, PreparedClip)
        else Verdict(False, clip)
        for clip in clips
    ]


def _as_they_are(clips: Sequence[PreparedClip | str]) -> list[Verdict]:
    return [
        Verdict(True, "not measured", clip.source.offset_ms)
        if isinstance(clip, PreparedClip)
        else Verdict(False, clip)
        for clip in clips
    ]


def _write_index(
    path: Path, sources: Sequence[ClipSource], targets: Sequence[Path], verdicts: Sequence[Verdict]
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter="\t", lineterminator="\n")
    writer.writerow(COLUMNS)
    for source, target, verdict in zip(sources, targets, verdicts, strict=True):
        writer.writerow(
            (
                target.name if verdict.keeps else "",
                source.path,
                source.speaker,
                source.group,
                source.language,
                f"{verdict.offset_ms:.1f}",
                "" if verdict.confidence is None else f"{verdict.confidence:.3f}",
                verdict.why,
            )
        )
    write_whole(path, os.fsencode(file.getvalue()))


def _key(source: ClipSource, geometry: CropGeometry) -> str:
    try:
        state = source.path.stat()
    except OSError as error:
        raise DataError(f"{source.path}: {error.strerror}; correct the manifest") from error
    text = f"{source.path.resolve()} {state.st_size} {state.st_mtime_ns} {geometry}"
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:24]


def _in_parallel(
    job: Any, work: Sequence[tuple[Any, Path]], common: Iterator[Any], jobs: int,
    what: str, progress: Progress,
) -> None:  # fmt: skip
    """Do `job(item, target, common)` for all work, in processes."""
    if not work:
        return
    items, targets = zip(*work, strict=True)
    # Spawned, not forked: torch's threads do not survive a fork.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(work)), spawn, initializer=_one_thread) as pool:
        for done, _ in enumerate(pool.map(job, items, targets, common), 1):
            progress(what, done, len(work))


def _one_thread() -> None:
    """Workers that all use all cores stand in each other's way."""
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _measure_one(clip: PreparedClip, target: Path, judge: str) -> None:
    write_whole(target, json.dumps(Judge.load(judge).measure(clip)).encode())
