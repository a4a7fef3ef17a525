"""avsync finds by how many milliseconds the sound of a talking-face video is out of step.

    media -> faces, speech -> model -> sync -> report, all along the pipeline

    >>> import avsync
    >>> report = avsync.detect("talk.mp4")
    >>> report.status, report.offset_ms
    ('ok', -120.3)
    >>> avsync.fix("talk.mp4", "talk.synced.mp4").residual_ms
    1.2
    >>> pipeline = avsync.Pipeline(avsync.DetectOptions(device="cuda"))  # loads once
    >>> [pipeline.detect(path).offset_ms for path in ("a.mp4", "b.mp4")]
    [12.1, -80.4]

A positive `offset_ms` means that the sound is early; see `avsync.timebase`.
"""

from avsync.errors import AvsyncError
from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.remux.fix import FixOptions, fix
from avsync.remux.report import FixReport
from avsync.report import SyncReport

__version__ = "0.1.0"
__all__ = [
    "AvsyncError",
    "DetectOptions",
    "FixOptions",
    "FixReport",
    "Pipeline",
    "SyncReport",
    "__version__",
    "detect",
    "fix",
]
