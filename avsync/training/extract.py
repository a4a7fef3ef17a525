"""One video becomes one prepared clip: an .npz of its most prominent face and its sound."""

import io
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from avsync.errors import AvsyncError, DataError
from avsync.faces.crops import CropGeometry, crop
from avsync.faces.detectors import load_face_detector
from avsync.faces.tracking import follow_faces
from avsync.media.decode import decoded_size, read_frames, read_samples
from avsync.media.probe import probe
from avsync.system.atomic import write_whole
from avsync.timebase import FRAMES_PER_SECOND
from avsync.training.clips import ClipSource, PreparedClip

MIN_FRAMES = FRAMES_PER_SECOND  # shorter tracks teach nothing


def extract(source: ClipSource, target: Path, geometry: CropGeometry) -> None:
    """Write the face and the sound of a video as a prepared clip, or why there is none.

    Parameters
    ----------
    source : ClipSource
        The video.
    target : Path
        The .npz.
    geometry : CropGeometry
        Of the crops, with their margin.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    facts: dict[str, Any] = {"why": ""}
    try:
        facts |= _one_face(source.path, geometry)
    except AvsyncError as error:
        facts["why"] = f"cannot be read ({type(error).__name__})"
    file = io.BytesIO()
    np.savez(file, **facts)
    write_whole(target, file.getvalue())


def _one_face(path: Path, geometry: CropGeometry) -> dict[str, Any]:
    """The track that covers most picture over time, and the sound."""
    info = probe(path)
    video, _ = info.require_both()
    crops: dict[int, list[NDArray[np.uint8]]] = defaultdict(list)
    heights: dict[int, list[float]] = defaultdict(list)
    first: dict[int, int] = {}
    area: Counter[int] = Counter()
    scale = video.height / decoded_size(video)[1]
    frames = read_frames(info, colour=geometry.colour)
    for seen in follow_faces(frames, load_face_detector()):
        for number, box in seen.boxes.items():
            first.setdefault(number, seen.index)
            crops[number].append(crop(seen.frame, box, geometry))
            heights[number].append(box.height * scale)
            area[number] += round(box.width * box.height)
    if not crops:
        return {"why": "no face"}
    best = area.most_common(1)[0][0]
    if len(crops[best]) < MIN_FRAMES:
        return {"why": "no face long enough"}
    samples = np.concatenate([*read_samples(info)])
    return {
        "frames": np.stack(crops[best]),
        "samples": samples,
        "first_frame": first[best],
        "frame_count": len(crops[best]),
        "sample_count": len(samples),
        "picture_height": video.height,
        "face_height": float(np.median(heights[best])),
    }


def open_prepared(source: ClipSource, prepared: Path) -> PreparedClip | str:
    """A prepared clip, or why there is none.

    Raises
    ------
    DataError
        For a damaged file.
    """
    try:
        with prepared.open("rb") as file, np.load(file) as facts:
            if why := str(facts["why"]):
                return why
            names = ("first_frame", "frame_count", "sample_count", "picture_height")
            numbers = {name: int(facts[name]) for name in names}
            return PreparedClip(
                source, prepared, face_height=float(facts["face_height"]), **numbers
            )
    except (OSError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{prepared}: damaged ({error}); delete it, then prepare again") from error
