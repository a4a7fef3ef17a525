"""avsync finds by how many milliseconds the sound of a talking-face video is out of step.

    media -> faces -> features -> embeddings -> offset -> judge -> report

    >>> import avsync
    >>> report = avsync.detect("talk.mp4")
    >>> report.status, report.offset_ms
    ('ok', -120.3)

A positive `offset_ms` means that the sound is early; see `avsync.timebase`.
"""

from avsync.detect import DetectOptions, detect
from avsync.errors import AvsyncError
from avsync.report import SyncReport

__version__ = "0.1.0"
__all__ = ["AvsyncError", "DetectOptions", "SyncReport", "__version__", "detect"]
