"""What can be looked at: files, addresses, and clips in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from avsync.errors import UsageError
from avsync.pipeline.options import DetectOptions

if TYPE_CHECKING:
    from avsync.media.clip import Clip
    from avsync.media.recording import Recording

PathOrClip: TypeAlias = "str | os.PathLike[str] | Clip"


@contextmanager
def open_recording(source: PathOrClip, options: DetectOptions) -> Iterator["Recording"]:
    """A file or clip, ready to be looked at.

    Raises MediaError for a file that lacks picture or sound, UsageError for tracks of a clip.
    """
    from avsync.media.clip import Clip, ClipRecording
    from avsync.media.files import at_hand
    from avsync.media.probe import probe
    from avsync.media.recording import FileRecording

    if isinstance(source, Clip):
        for field in ("audio_track", "video_track"):
            if (number := getattr(options, field)) is not None:
                raise UsageError("a clip of arrays has no tracks to choose from", field, number)
        yield ClipRecording(source)
        return
    with at_hand(source) as place:
        info = probe(place, options.audio_track, options.video_track)
        info.require_both()
        yield FileRecording(info)


def name_of(source: PathOrClip) -> str:
    """What a file or clip is called in reports."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else source.name
