"""What the streams make of a video, as arrays in a file for other programs.

    video         (V, D)  embeddings of all face tracks, one after the other
    video_track   (V,)    number of the track
    video_frame   (V,)    frame on the 25-fps timeline at which its 0.2 s begin
    video_seconds (V,)    the same in seconds
    audio         (A, D)  embeddings of the sound, one every 10 ms
    audio_seconds (A,)    when its 0.2 s begin
    audio_sounding (A,)   whether something is heard at their beginning
    box           (B, 4)  left, top, width, height of the face in pixels, every frame of every track
    box_track, box_frame, box_seconds (B,)
    box_speaking  (B,)    probability that what is heard is said by this face, as in `find_speakers`

A track of B frames has B - 4 embeddings. Facts about the file come along as text: format, source,
weights, weights_sha256, detector, warnings.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import ToolMissingError, UsageError
from avsync.media.files import local_file
from avsync.pipeline.detect import look_at_all
from avsync.pipeline.loading import Pipeline, embedder_of
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import open_recording
from avsync.pipeline.speakers import face_offsets, speakers_in
from avsync.system.atomic import check_target, write_whole
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND, HOPS_PER_SECOND

if TYPE_CHECKING:
    from avsync.tracks import EmbeddedClip, FaceTrack

FORMAT = 1
PACKAGES = {".npz": "numpy", ".h5": "h5py", ".hdf5": "h5py", ".parquet": "pyarrow"}


@dataclass(frozen=True, slots=True)
class EmbeddingTable:
    """All arrays, under their names, and the facts.

    Attributes
    ----------
    arrays : dict[str, NDArray[Any]]
        Under their names.
    facts : dict[str, str]
        As text.
    """

    arrays: dict[str, NDArray[Any]]
    facts: dict[str, str]


def write_features(
    path: str | os.PathLike[str],
    output: Path,
    options: DetectOptions,
    force: bool = False,
    progress: Progress = silent,
) -> EmbeddingTable:
    """Embed a video and write the arrays, whole or not at all; the suffix says in which format.

    Raises AvsyncError for a video that cannot be read, an output that is there without `force`, or
    a format whose package is missing.
    """
    video = local_file(path)
    check_output(video, output, force)
    table = embed_video(video, options, Pipeline(options, progress=progress), progress)
    write_whole(output, _FORMATS[output.suffix.lower()](table))
    return table


def check_output(path: Path, output: Path, force: bool) -> None:
    """Raise where `output` cannot be written, before any work is done."""
    package = PACKAGES.get(output.suffix.lower())
    if package is None:
        raise UsageError(f"name a file that ends in {', '.join(PACKAGES)}", "output", output)
    if find_spec(package) is None:
        raise ToolMissingError(
            f"{output}: {output.suffix} files need a package: pip install {package}; or write .npz"
        )
    check_target(path, output, force)


def embed_video(
    path: Path, options: DetectOptions, pipeline: Pipeline, progress: Progress = silent
) -> EmbeddingTable:
    """All face tracks and the whole sound of a video, embedded."""
    with open_recording(path, options) as recording:
        embedder = embedder_of(recording, pipeline, progress)
        seen, sync = look_at_all(os.fspath(path), embedder, options, pipeline)
    faces = speakers_in(seen, sync, face_offsets(seen, sync, options, pipeline)).faces
    facts = {
        "format": str(FORMAT),
        "source": os.fspath(path),
        "weights": pipeline.loaded.weights.name,
        "weights_sha256": pipeline.loaded.weights.sha256,
        "detector": pipeline.detector.name if pipeline.detector else "given crop",
        "warnings": "; ".join(embedder.warnings),
    }
    arrays = _arrays(seen, pipeline.loaded.weights.config.embedding_size)
    arrays["box_speaking"] = np.concatenate([np.zeros(0, np.float32), *[f.scores for f in faces]])
    return EmbeddingTable(arrays, facts)


def _arrays(seen: "EmbeddedClip", size: int) -> dict[str, NDArray[Any]]:
    tracks = seen.tracks
    video_frame = _joined([_frames(t, len(t.video)) for t in tracks])
    box_frame = _joined([_frames(t, len(t.boxes)) for t in tracks])
    steps = np.arange(len(seen.audio), dtype=np.int32)
    return {
        "video": np.concatenate([np.zeros((0, size), np.float32), *[t.video for t in tracks]]),
        "video_track": _numbers([len(t.video) for t in tracks]),
        "video_frame": video_frame,
        "video_seconds": video_frame / FRAMES_PER_SECOND,
        "audio": np.asarray(seen.audio, np.float32),
        "audio_seconds": steps / HOPS_PER_SECOND,
        "audio_sounding": seen.sounding[: len(steps)],
        "box": np.concatenate([np.zeros((0, 4), np.float32), *[_corners(t) for t in tracks]]),
        "box_track": _numbers([len(t.boxes) for t in tracks]),
        "box_frame": box_frame,
        "box_seconds": box_frame / FRAMES_PER_SECOND,
    }


def _corners(track: "FaceTrack") -> NDArray[np.float32]:
    """Left, top, width, height."""
    boxes = track.boxes.reshape(-1, 4).copy()
    boxes[:, :2] -= boxes[:, 2:] / 2
    return boxes


def _frames(track: "FaceTrack", count: int) -> NDArray[np.int32]:
    return track.first_frame + np.arange(count, dtype=np.int32)


def _numbers(counts: list[int]) -> NDArray[np.int32]:
    return np.repeat(np.arange(len(counts), dtype=np.int32), counts)


def _joined(parts: list[NDArray[np.int32]]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(0, np.int32), *parts])


def _npz(table: EmbeddingTable) -> bytes:
    file = io.BytesIO()
    np.savez(file, **table.arrays, **{name: np.array(v) for name, v in table.facts.items()})  # type: ignore[arg-type]
    return file.getvalue()


def _hdf5(table: EmbeddingTable) -> bytes:
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as root:
        for name, values in table.arrays.items():
            root.create_dataset(name, data=values)
        root.attrs.update(table.facts)
    return file.getvalue()


def _parquet(table: EmbeddingTable) -> bytes:
    """One row for each face in each frame, then one for every 10 ms of sound."""
    import pyarrow as pa
    from pyarrow import parquet

    arrays = table.arrays
    faces, sounds = len(arrays["box"]), len(arrays["audio"])
    columns = {
        "stream": pa.array(["video"] * faces + ["audio"] * sounds),
        "seconds": pa.array(np.concatenate([arrays["box_seconds"], arrays["audio_seconds"]])),
        "embedding": pa.array([*_embeddings_of_boxes(arrays), *arrays["audio"]],
                              pa.list_(pa.float32())),
        "track": pa.array([*arrays["box_track"].tolist(), *[None] * sounds], pa.int32()),
        "frame": pa.array([*arrays["box_frame"].tolist(), *[None] * sounds], pa.int32()),
        "speaking": pa.array([*arrays["box_speaking"].tolist(), *[None] * sounds], pa.float32()),
        "sounding": pa.array([*[None] * faces, *arrays["audio_sounding"].tolist()], pa.bool_()),
    }  # fmt: skip
    for k, name in enumerate(("left", "top", "width", "height")):
        sides = [*arrays["box"][:, k].tolist(), *[None] * sounds]
        columns[name] = pa.array(sides, pa.float32())
    file = io.BytesIO()
    parquet.write_table(pa.table(columns).replace_schema_metadata(table.facts), file)
    return file.getvalue()


def _embeddings_of_boxes(arrays: dict[str, NDArray[Any]]) -> list[NDArray[np.float32] | None]:
    """For each face in each frame the embedding that begins there; none in a track's last four."""
    known = zip(arrays["video_track"].tolist(), arrays["video_frame"].tolist(), strict=True)
    rows = {place: row for row, place in enumerate(known)}
    boxes = zip(arrays["box_track"].tolist(), arrays["box_frame"].tolist(), strict=True)
    return [arrays["video"][rows[place]] if place in rows else None for place in boxes]


_FORMATS: dict[str, Callable[[EmbeddingTable], bytes]] = {
    ".npz": _npz,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".parquet": _parquet,
}
