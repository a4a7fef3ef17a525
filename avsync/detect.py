"""The chain: a path and options become a report.

    file -> frames -> face tracks -> crops -> video embeddings --\\
         -> samples -> MFCC -> audio embeddings ------------------ distances -> offset -> report

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from avsync.downloads import Progress, silent
from avsync.errors import UsageError
from avsync.report import SyncReport
from avsync.timebase import FRAMES_PER_SECOND

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from avsync.judge import Seen
    from avsync.media import MediaInfo
    from avsync.weights import Weights


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to look at a file."""

    max_offset_seconds: float = 1.0  # search range to either side
    faces: str = "auto"  # detector
    cropped: bool = False  # the picture is a face crop already, cut as SyncNet's pipeline does
    weights: str = "default"  # default, syncnet_v2 or a path
    upstream_scoring: bool = False  # also report LSE-D, LSE-C and the offset as SyncNet does
    device: str = "auto"  # auto, cpu, cuda

    def __post_init__(self) -> None:
        if not 0.1 <= self.max_offset_seconds <= 3600:
            raise UsageError(f"--max-offset {self.max_offset_seconds:g}: between 0.1 and 3600 s")


def detect(
    path: str | os.PathLike[str],
    options: DetectOptions | None = None,
    *,
    weights: "Weights | None" = None,
    progress: Progress = silent,
) -> SyncReport:
    """Find by how many milliseconds the sound of a talking-face video is out of step.

    `weights` saves loading them again for every file. Returns a report, `undetermined` where the
    file does not allow an answer. Raises an `AvsyncError` where it cannot be read at all.
    """
    from avsync import media
    from avsync.judge import judge
    from avsync.offset import Calibration

    options = options or DetectOptions()
    info = media.probe(path)
    info.require_both()
    weights = weights or load_weights(options)
    warnings: list[str] = []
    seen, detector = _look_and_listen(info, weights, options, progress, warnings)
    verdict = judge(
        os.fspath(path),
        seen,
        Calibration.of(weights.calibration or _borrowed_calibration(warnings)),
        options.max_offset_seconds,
        options.upstream_scoring,
    )
    return replace(verdict, detector=detector, weights=weights.name, warnings=tuple(warnings))


def load_weights(options: DetectOptions) -> "Weights":
    """The weights that the options ask for, on the device that they ask for."""
    from avsync import weights

    return weights.load(options.weights, device_of(options.device))


def _borrowed_calibration(warnings: list[str]) -> dict[str, Any]:
    """The default weights' own: what evidence is made of has no scale, so that it can serve."""
    from avsync import weights

    warnings.append("confidence is calibrated for the default weights, not for these")
    calibration: dict[str, Any] = weights.read_header(weights.find("default"))["calibration"]
    return calibration


def device_of(wanted: str) -> str:
    """`cpu` or `cuda`; raises UsageError for a device that is not there."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in ("cpu", "cuda") or (wanted == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"--device {wanted}: not here; choose auto or cpu")
    return wanted


def _look_and_listen(
    info: "MediaInfo",
    weights: "Weights",
    options: DetectOptions,
    progress: Progress,
    warnings: list[str],
) -> tuple["Seen", str]:
    """Embed every face track and the whole sound."""
    from avsync import media
    from avsync.detectors import open_finder
    from avsync.embeddings import embed_sound, embed_tracks
    from avsync.faces import cropped_faces, follow_faces
    from avsync.features import box_of_cropped, is_sounding, mfcc
    from avsync.judge import FaceTrack, Seen

    device = device_of(options.device)
    video, _ = info.require_both()
    counter = _FrameCounter(info, progress)
    frames = counter.count(media.read_frames(info, warnings))
    if options.cropped:
        width, height = media.decoded_size(video)
        faces, detector = cropped_faces(frames, box_of_cropped(height, width)), "given crop"
    else:
        finder = open_finder(options.faces, progress, warnings)
        faces, detector = follow_faces(frames, finder), finder.name
    to_source = video.width / media.decoded_size(video)[0]
    tracks = [
        FaceTrack(track.first_frame, track.boxes * to_source, track.video)
        for track in embed_tracks(faces, weights.streams, device)
    ]
    steps = mfcc(media.read_samples(info, warnings))
    audio = embed_sound(steps, weights.streams, device)
    return Seen(tracks, audio, is_sounding(steps), counter.frames), detector


class _FrameCounter:
    """Counts frames that pass through, and tells how far the film has run."""

    def __init__(self, info: "MediaInfo", progress: Progress) -> None:
        self.frames = 0
        self._total, self._progress = info.duration_seconds, progress

    def count(self, frames: "Iterator[NDArray[np.uint8]]") -> "Iterator[NDArray[np.uint8]]":
        for frame in frames:
            self.frames += 1
            if self.frames % FRAMES_PER_SECOND == 0:
                self._progress("looking", self.frames / FRAMES_PER_SECOND, self._total)
            yield frame
