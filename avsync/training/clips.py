"""Training data: what there is to learn from, and clips that have been prepared.

Sources are videos, found in folders, in LRS2's layout or in a manifest. A prepared clip is one
talking face of a video and the video's sound; `avsync.training.prepare` makes them.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.errors import DataError
from avsync.media.search import files_below
from avsync.speech import WINDOW_SAMPLES
from avsync.timebase import FRAME_MS, HOP_SAMPLES, HOPS_PER_FRAME, WINDOW_FRAMES

LRS2_PARTS = ("main", "pretrain")


@dataclass(frozen=True, slots=True)
class ClipSource:
    """A video to learn from.

    Attributes
    ----------
    path : Path
        Of the video.
    speaker : str
        Who is seen; clips are held out by speaker.
    group : str
        A folder of the data, for counts and tables.
    offset_ms : float
        Known own offset; positive: the sound is early.
    language : str
        Empty: not known.
    """

    path: Path
    speaker: str
    group: str
    offset_ms: float = 0.0
    language: str = ""


@dataclass(frozen=True)
class PreparedClip:
    """A prepared video: one face and its sound; arrays are read when they are asked for.

    Attributes
    ----------
    source : ClipSource
        The video.
    prepared : Path
        The .npz with `frames` and `samples`.
    first_frame : int
        Of the track on the video's timeline, at 25 fps.
    frame_count : int
        Of the track.
    sample_count : int
        Of the whole video.
    picture_height : int
        Of the source, pixels.
    face_height : float
        Median of the face's box, source pixels.
    """

    source: ClipSource
    prepared: Path
    first_frame: int
    frame_count: int
    sample_count: int
    picture_height: int = 0
    face_height: float = 0.0

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(frames, pixels, pixels[, 3]) crops, grey or BGR, a margin wider than the network's."""
        with np.load(self.prepared) as arrays:
            return np.asarray(arrays["frames"])

    @property
    def samples(self) -> NDArray[np.int16]:
        """(samples,) of the whole video, 16 kHz."""
        with np.load(self.prepared) as arrays:
            return np.asarray(arrays["samples"])

    def sound_hop(self, frame: int) -> int:
        """MFCC hop that belongs to a frame of the track, the clip's own offset removed."""
        shift = round(-self.source.offset_ms / FRAME_MS * HOPS_PER_FRAME)
        return (self.first_frame + frame) * HOPS_PER_FRAME + shift

    @cached_property
    def valid_windows(self) -> range:
        """Frames at which a window of picture and its sound both lie inside the clip."""
        first = max(0, -(self.sound_hop(0) // HOPS_PER_FRAME))
        hops = (self.sample_count - WINDOW_SAMPLES) // HOP_SAMPLES + 1 - self.sound_hop(0)
        last = min(self.frame_count, hops // HOPS_PER_FRAME) - WINDOW_FRAMES + 1
        return range(first, max(first, last))


def find_sources(data: Iterable[Path], part: str | None = None) -> list[ClipSource]:
    """Videos of folders and manifests.

    A manifest is a TSV with the columns `file` (relative to it) and, where known, `speaker`, `kind`
    (other than `real`: left out), `language` and `offset_ms`. In a folder, videos of one subfolder
    are taken to be of one speaker, as in VoxCeleb and LRS2.

    Parameters
    ----------
    data : iterable of Path
        Folders and manifests.
    part : str, optional
        A list of LRS2, such as test: the clips in `test.txt` beside its folder `main`.

    Raises
    ------
    DataError
        Where there is nothing.
    """
    sources: list[ClipSource] = []
    for place in data:
        if part is not None:
            sources += _read_lrs2_list(place, part)
        elif place.is_dir():
            sources += [_in_folder(path, place) for path in files_below(place)]
        elif place.is_file():
            sources += _read_manifest(place)
        else:
            raise DataError(f"{place}: no such folder or manifest; check the name")
    if not sources:
        raise DataError("no videos in the data; name folders of videos or a manifest")
    return sources


def by_speaker(clips: Iterable[PreparedClip]) -> dict[str, list[PreparedClip]]:
    """Clips grouped by who speaks."""
    groups: dict[str, list[PreparedClip]] = defaultdict(list)
    for clip in clips:
        groups[clip.source.speaker].append(clip)
    return groups


def split(
    clips: Iterable[PreparedClip], speakers: set[str]
) -> tuple[list[PreparedClip], list[PreparedClip]]:
    """Clips to learn from, and those of `speakers`, to measure on."""
    clips = list(clips)
    learning = [clip for clip in clips if clip.source.speaker not in speakers]
    return learning, [clip for clip in clips if clip.source.speaker in speakers]


def read_speakers(path: Path | None) -> set[str]:
    """Names in a file, one a line; none without a file.

    Raises
    ------
    DataError
        Where it cannot be read.
    """
    if path is None:
        return set()
    try:
        return set(path.read_text(encoding="utf-8").split())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name a file of speakers") from error


def _in_folder(path: Path, folder: Path) -> ClipSource:
    inside = path.relative_to(folder)
    speaker = str(path.parent) if len(inside.parts) > 1 else str(path)
    lrs2 = [name for name in inside.parts if name in LRS2_PARTS]
    return ClipSource(path, speaker, lrs2[0] if lrs2 else folder.name)


def _read_lrs2_list(place: Path, part: str) -> list[ClipSource]:
    """Clips of a list such as `test.txt`: lines of `video/clip`, sometimes with a flag behind."""
    root = place / "mvlrs_v1" if (place / "mvlrs_v1").is_dir() else place
    folder = root / ("pretrain" if part == "pretrain" else "main")
    lists = [path for path in (place / f"{part}.txt", root / f"{part}.txt") if path.is_file()]
    if not lists or not folder.is_dir():
        raise DataError(
            f"{place}: no {part}.txt with a folder {folder.name}; name the folder of LRS2 with both"
        )
    names = [line.split()[0] for line in lists[0].read_text().splitlines() if line.strip()]
    return [
        ClipSource(folder / f"{name}.mp4", str((folder / name).parent), folder.name)
        for name in names
    ]


def _read_manifest(path: Path) -> list[ClipSource]:
    rows = read_table(path)
    if "file" not in rows[0]:
        raise DataError(f"{path}: no column `file`; a manifest is a TSV with a heading line")
    return [
        ClipSource(
            path.parent / row["file"],
            row.get("speaker") or row["file"],
            Path(row["file"]).parts[0],
            float(row.get("offset_ms") or 0),
            row.get("language") or "",
        )
        for row in rows
        if (row.get("kind") or "real") == "real"
    ]


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a TSV with a heading line.

    Raises
    ------
    DataError
        For another kind of file.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a TSV ({error}); name a manifest or a folder") from error
    if not rows:
        raise DataError(f"{path}: no rows; a manifest is a TSV with a heading line")
    return rows
