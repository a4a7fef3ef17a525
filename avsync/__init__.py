"""avsync finds by how many milliseconds the sound of a talking-face video is out of step.

    media -> faces, speech -> model -> sync -> report, all along the pipeline

    >>> import avsync
    >>> report = avsync.detect("docs/talking.mp4")
    >>> report.status, round(report.offset_ms, -1)
    ('ok', -120.0)
    >>> pipeline = avsync.Pipeline(avsync.DetectOptions(max_offset_seconds=2))  # loads once
    >>> [pipeline.detect(path).status for path in ("docs/talking.mp4", "docs/talking.mp4")]
    ['ok', 'ok']

A positive `offset_ms` means that the sound is early; see `avsync.timebase`. Warnings stand in the
reports, and go to the logger `avsync`.
"""

import logging
from typing import TYPE_CHECKING, Any

from avsync.batch.detect import detect_many
from avsync.batch.options import BatchOptions
from avsync.errors import (
    AvsyncError,
    DataError,
    DownloadError,
    FaceDetectorError,
    InterruptError,
    MediaError,
    OutputError,
    ToolMissingError,
    UsageError,
    WeightsError,
    WorkersError,
)
from avsync.findings import Candidate, Curve, Segment, Source, TrackSummary, UpstreamScores
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.remux.report import FixReport
from avsync.report import SyncReport
from avsync.tolerance import Tolerance

if TYPE_CHECKING:
    from avsync.clips import ClipsReport, TalkingClip
    from avsync.media.clip import Clip
    from avsync.pipeline.clips import cut_clips
    from avsync.pipeline.speakers import find_speakers
    from avsync.remux.fix import fix
    from avsync.speakers import SpeakerReport, SpeakingFace, SpeechSegment
    from avsync.tracks import EmbeddedClip, FaceTrack

__version__ = "0.1.0"
__all__ = [
    "AvsyncError",
    "BatchOptions",
    "Candidate",
    "Clip",
    "ClipOptions",
    "ClipsReport",
    "Curve",
    "DataError",
    "DetectOptions",
    "DownloadError",
    "EmbeddedClip",
    "FaceDetectorError",
    "FaceTrack",
    "FixOptions",
    "FixReport",
    "InterruptError",
    "MediaError",
    "OutputError",
    "Pipeline",
    "RemuxOptions",
    "Segment",
    "Source",
    "SpeakerReport",
    "SpeakingFace",
    "SpeechSegment",
    "SyncReport",
    "TalkingClip",
    "Tolerance",
    "ToolMissingError",
    "TrackSummary",
    "UpstreamScores",
    "UsageError",
    "WeightsError",
    "WorkersError",
    "__version__",
    "cut_clips",
    "detect",
    "detect_many",
    "find_speakers",
    "fix",
]

# What needs numpy, which takes as long to import as all the rest.
_LATER = {
    "Clip": "avsync.media.clip",
    "ClipsReport": "avsync.clips",
    "EmbeddedClip": "avsync.tracks",
    "FaceTrack": "avsync.tracks",
    "SpeakerReport": "avsync.speakers",
    "SpeakingFace": "avsync.speakers",
    "SpeechSegment": "avsync.speakers",
    "TalkingClip": "avsync.clips",
    "cut_clips": "avsync.pipeline.clips",
    "find_speakers": "avsync.pipeline.speakers",
    "fix": "avsync.remux.fix",
}


def __getattr__(name: str) -> Any:
    """Import what needs numpy when it is asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LATER[name]), name)


logging.getLogger(__name__).addHandler(logging.NullHandler())  # who wants warnings adds another
