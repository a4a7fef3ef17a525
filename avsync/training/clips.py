"""Training data: videos become cached crops and sound, one talking face a clip.

A cached clip holds the face a little wider than the network wants it, so that augmentation can
move and turn the crop. The cache is keyed by file and recipe; nothing is prepared twice.
"""

import csv
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync import media
from avsync.detectors import open_finder
from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, DataError
from avsync.faces import follow_faces
from avsync.features import WINDOW_SAMPLES, CropGeometry, crop
from avsync.timebase import (
    FRAME_MS,
    FRAMES_PER_SECOND,
    HOP_SAMPLES,
    STEPS_PER_FRAME,
    WINDOW_FRAMES,
)

MARGIN = 1.3  # a cached crop shows so many times the side of the network's
MIN_FRAMES = FRAMES_PER_SECOND  # shorter tracks teach nothing


@dataclass(frozen=True, slots=True)
class Source:
    """A video to learn from."""

    path: Path
    speaker: str
    group: str  # sampled as one: a folder of the data
    offset_ms: float = 0.0  # known own offset, positive: sound early


@dataclass(frozen=True, slots=True)
class Clip:
    """A prepared video: one face and its sound, in step."""

    source: Source
    frames: NDArray[np.uint8]  # (frames, pixels, pixels), grey
    samples: NDArray[np.int16]  # of the whole video, 16 kHz
    first_frame: int  # of the track on the video's timeline

    def sound_step(self, frame: int) -> int:
        """MFCC step that belongs to a frame of the track, the clip's own offset removed."""
        shift = round(-self.source.offset_ms / FRAME_MS * STEPS_PER_FRAME)
        return (self.first_frame + frame) * STEPS_PER_FRAME + shift

    @property
    def valid_windows(self) -> range:
        """Frames at which a window of picture and its sound both lie inside the clip."""
        first = max(0, -(self.sound_step(0) // STEPS_PER_FRAME))
        steps = (len(self.samples) - WINDOW_SAMPLES) // HOP_SAMPLES + 1 - self.sound_step(0)
        last = min(len(self.frames), steps // STEPS_PER_FRAME) - WINDOW_FRAMES + 1
        return range(first, max(first, last))


def find_sources(data: Iterable[Path]) -> list[Source]:
    """Videos of folders and manifests.

    A manifest is a TSV with the columns `file` (relative to it) and, where known, `speaker`,
    `kind` (other than `real`: left out) and `offset_ms`. Raises DataError for anything else.
    """
    sources: list[Source] = []
    for place in data:
        if place.is_dir():
            files = media.files_below(place)
            sources += [Source(path, str(path), place.name) for path in files]
        elif place.is_file():
            sources += _read_manifest(place)
        else:
            raise DataError(f"{place}: no such folder or manifest; check the name")
    if not sources:
        raise DataError("no videos in the training data; name folders of videos or a manifest")
    return sources


def _read_manifest(path: Path) -> list[Source]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    if not rows or "file" not in rows[0]:
        raise DataError(f"{path}: no column `file`; a manifest is a TSV with a heading line")
    return [
        Source(
            path.parent / row["file"],
            row.get("speaker") or row["file"],
            Path(row["file"]).parts[0],
            float(row.get("offset_ms") or 0),
        )
        for row in rows
        if (row.get("kind") or "real") == "real"
    ]


def prepare(
    sources: list[Source],
    geometry: CropGeometry,
    cache: Path,
    jobs: int,
    progress: Progress = silent,
) -> tuple[list[Clip], Counter[str]]:
    """Load the clips of all sources, preparing those that are not in `cache` yet.

    Returns the clips and a count of reasons why the others were left out.
    """
    cache.mkdir(parents=True, exist_ok=True)
    wide = replace(geometry, side=geometry.side * MARGIN, pixels=round(geometry.pixels * MARGIN))
    missing = [s for s in sources if not _cached(s, wide, cache).exists()]
    # One thread each: workers that all use all cores stand in each other's way.
    with ProcessPoolExecutor(jobs, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        work = pool.map(_prepare_one, missing, [wide] * len(missing), [cache] * len(missing))
        for done, _ in enumerate(work, 1):
            progress("preparing clips", done, len(missing))
    clips, reasons = [], Counter[str]()
    for source in sources:
        with np.load(_cached(source, wide, cache)) as arrays:
            if why := str(arrays["why"]):
                reasons[why] += 1
                continue
            clips.append(
                Clip(source, arrays["frames"], arrays["samples"], int(arrays["first_frame"]))
            )
    return clips, reasons


def by_speaker(clips: Iterable[Clip]) -> dict[str, list[Clip]]:
    """Clips grouped by who speaks."""
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in clips:
        groups[clip.source.speaker].append(clip)
    return groups


def _cached(source: Source, geometry: CropGeometry, cache: Path) -> Path:
    try:
        state = source.path.stat()
    except OSError as error:
        raise DataError(f"{source.path}: {error.strerror}; correct the manifest") from error
    key = f"{source.path.resolve()} {state.st_size} {state.st_mtime_ns} {geometry}"
    return cache / f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:24]}.npz"


def _prepare_one(source: Source, geometry: CropGeometry, cache: Path) -> None:
    target = _cached(source, geometry, cache)
    why, first, frames = "", 0, np.zeros((0, *geometry.shape), np.uint8)
    samples = np.zeros(0, np.int16)
    try:
        first, frames, samples = _one_face(source.path, geometry)
        if len(frames) < MIN_FRAMES:
            why = "no face long enough" if len(frames) else "no face"
    except AvsyncError as error:
        why = type(error).__name__
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        np.savez(file, frames=frames, samples=samples, first_frame=first, why=why)
    os.replace(temporary, target)


def _one_face(
    path: Path, geometry: CropGeometry
) -> tuple[int, NDArray[np.uint8], NDArray[np.int16]]:
    """The track that covers most picture over time, and the sound."""
    info = media.probe(path)
    crops: dict[int, list[NDArray[np.uint8]]] = defaultdict(list)
    first: dict[int, int] = {}
    area: Counter[int] = Counter()
    for seen in follow_faces(media.read_frames(info), open_finder()):
        for number, box in seen.boxes.items():
            first.setdefault(number, seen.index)
            crops[number].append(crop(seen.frame, box, geometry))
            area[number] += round(box.width * box.height)
    if not crops:
        return 0, np.zeros((0, *geometry.shape), np.uint8), np.zeros(0, np.int16)
    best = area.most_common(1)[0][0]
    return first[best], np.stack(crops[best]), np.concatenate([*media.read_samples(info)])
