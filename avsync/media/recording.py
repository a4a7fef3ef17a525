"""Stage 1c: a recording, wherever it comes from: pictures at 25 fps and sound at 16 kHz."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.media.decode import SAMPLES_PER_FRAME, WHOLE, Span, read_frames, read_samples
from avsync.media.probe import MediaInfo
from avsync.media.stills import read_still
from avsync.timebase import SAMPLE_RATE

if TYPE_CHECKING:
    from avsync.media.frames import Frame


class Recording(Protocol):
    """What everything behind `avsync.media` asks for."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is shown."""

    @property
    def duration_seconds(self) -> float | None:
        """Of film; None where nobody says."""

    @property
    def is_seekable(self) -> bool:
        """Whether parts can be looked at without all that comes before."""

    @property
    def notes(self) -> Sequence[str]:
        """What was noticed of its time stamps."""

    @property
    def alternatives(self) -> tuple[str, ...]:
        """What else of it might have been looked at and listened to."""

    def frames(
        self, warnings: list[str], max_side: int, span: Span = WHOLE, colour: bool = True
    ) -> "Iterator[Frame]":
        """As `avsync.media.decode.read_frames`."""

    def samples(self, warnings: list[str], span: Span = WHOLE) -> Iterator[NDArray[np.int16]]:
        """As `avsync.media.decode.read_samples`."""

    def still(self, seconds: float, max_side: int) -> NDArray[np.uint8] | None:
        """As `avsync.media.decode.read_still`."""


@dataclass(frozen=True, slots=True)
class FileRecording:
    """A recording in a file that has picture and sound.

    Attributes
    ----------
    info : MediaInfo
        Of the file.
    """

    info: MediaInfo

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is shown."""
        video = self.info.require_video()
        return video.width, video.height

    @property
    def duration_seconds(self) -> float | None:
        """Of film; None where the container does not say."""
        return self.info.duration_seconds

    @property
    def is_seekable(self) -> bool:
        """Where stamps do not run on evenly, places cannot be found."""
        return self.info.timeline.is_regular

    @property
    def notes(self) -> Sequence[str]:
        """What was noticed of its time stamps."""
        return self.info.timeline.notes

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Other tracks, and how to choose them."""
        info = self.info
        return tuple(
            f"this was {kind} track {chosen} of {count}: try --{kind}-track {chosen % count + 1}"
            for kind, chosen, count in (
                ("audio", info.audio_track, info.audio_tracks),
                ("video", info.video_track, info.video_tracks),
            )
            if chosen and count > 1
        )

    def frames(
        self, warnings: list[str], max_side: int, span: Span = WHOLE, colour: bool = True
    ) -> "Iterator[Frame]":
        """Raises MediaError where nothing can be decoded."""
        return read_frames(self.info, warnings, max_side, span, colour)

    def samples(self, warnings: list[str], span: Span = WHOLE) -> Iterator[NDArray[np.int16]]:
        """Raises MediaError where nothing can be decoded."""
        return read_samples(self.info, warnings, span)

    def still(self, seconds: float, max_side: int) -> NDArray[np.uint8] | None:
        """A picture near some time, for finding faces in."""
        return read_still(self.info, seconds, max_side)


@dataclass(frozen=True, slots=True)
class PairedRecording:
    """Picture and sound from a file each, whose earliest moments are taken for the same.

    Attributes
    ----------
    picture, sound : FileRecording
        The files.
    """

    picture: FileRecording
    sound: FileRecording

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is shown."""
        return self.picture.size

    @property
    def duration_seconds(self) -> float | None:
        """Of the picture; None where the container does not say."""
        return self.picture.duration_seconds

    @property
    def is_seekable(self) -> bool:
        """Whether both are."""
        return self.picture.is_seekable and self.sound.is_seekable

    @property
    def notes(self) -> Sequence[str]:
        """What was noticed of the time stamps of both."""
        of_sound = (f"{self.sound.info.path}: {note}" for note in self.sound.notes)
        return (*self.picture.notes, *of_sound)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Other tracks of both, and how to choose them."""
        video = (hint for hint in self.picture.alternatives if "video track" in hint)
        return (*(hint for hint in self.sound.alternatives if "audio track" in hint), *video)

    def frames(
        self, warnings: list[str], max_side: int, span: Span = WHOLE, colour: bool = True
    ) -> "Iterator[Frame]":
        """Raises MediaError where nothing can be decoded."""
        return self.picture.frames(warnings, max_side, span, colour)

    def samples(self, warnings: list[str], span: Span = WHOLE) -> Iterator[NDArray[np.int16]]:
        """On the picture's clock. Raises MediaError where nothing can be decoded."""
        leads = self.picture.info.lead_seconds - self.sound.info.lead_seconds
        later = round(leads * SAMPLE_RATE)
        first, skipped = span.first_frame, -later
        if later > 0 and first > 0:  # what was to be heard just before
            first, skipped = first - 1, SAMPLES_PER_FRAME - later
        chunks = self.sound.samples(warnings, Span(first, span.frame_count))
        if skipped < 0:
            yield np.zeros(-skipped, np.int16)
        for chunk in chunks:
            kept = chunk[max(0, skipped) :]
            skipped -= min(len(chunk), max(0, skipped))
            if len(kept):
                yield kept

    def still(self, seconds: float, max_side: int) -> NDArray[np.uint8] | None:
        """A picture near some time, for finding faces in."""
        return self.picture.still(seconds, max_side)
