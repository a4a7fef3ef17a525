"""Who on screen speaks when: a file or clip becomes a report."""

from typing import TYPE_CHECKING

from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import PathOrClip
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from avsync.speakers import SpeakerReport


def find_speakers(
    source: PathOrClip,
    options: DetectOptions | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Progress = silent,
) -> "SpeakerReport":
    """Find who on screen speaks when.

    Parameters
    ----------
    source : path or Clip
        A file, an address (http and the like), or arrays.
    options : DetectOptions, optional
        How to look at it.
    pipeline : Pipeline, optional
        Made with the same options: saves loading weights and detector again for every file.
    progress : callable, optional
        Is told (what, done, total).

    Returns
    -------
    SpeakerReport
        Undetermined where no face is seen.

    Raises
    ------
    AvsyncError
        Where it cannot be read at all, or weights or detector cannot be had.
    """
    raise NotImplementedError
