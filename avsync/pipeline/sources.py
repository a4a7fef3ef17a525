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

    Raises MediaError for a file that lacks picture or sound, UsageError for tracks of a clip, or
    sound from elsewhere.
    """
    from avsync.media.clip import Clip, ClipRecording
    from avsync.media.files import at_hand
    from avsync.media.probe import probe
    from avsync.media.recording import FileRecording

    if isinstance(source, Clip):
        for field in ("audio", "audio_track", "video_track"):
            if (value := getattr(options, field)) is not None:
                why = "a clip of arrays has its own sound, and no tracks to choose from"
                raise UsageError(why, field, value)
        yield ClipRecording(source)
        return
    if options.audio is not None:
        with _paired(source, options, options.audio) as recording:
            yield recording
        return
    with at_hand(source) as place:
        info = probe(place, options.audio_track, options.video_track)
        info.require_both()
        yield FileRecording(info)


@contextmanager
def _paired(
    source: str | os.PathLike[str], options: DetectOptions, audio: str
) -> "Iterator[Recording]":
    """Picture from one file, sound from another."""
    from avsync.media.files import at_hand
    from avsync.media.pairs import sound_for
    from avsync.media.probe import probe
    from avsync.media.recording import FileRecording, PairedRecording

    with at_hand(source) as place, at_hand(sound_for(source, audio)) as heard:
        picture = probe(place, None, options.video_track)
        sound = probe(heard, options.audio_track)
        picture.require_video()
        sound.require_audio()
        yield PairedRecording(FileRecording(picture), FileRecording(sound))


def audio_of(source: PathOrClip, options: DetectOptions) -> str | None:
    """The file that its sound comes from; None: the same. Raises MediaError."""
    from avsync.media.pairs import sound_for

    if options.audio is None or not isinstance(source, str | os.PathLike):
        return None
    return sound_for(source, options.audio)


def name_of(source: PathOrClip) -> str:
    """What a file or clip is called in reports."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else source.name
