"""Stage 1c: a recording, wherever it comes from: pictures at 25 fps and sound at 16 kHz."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from avsync.media.decode import WHOLE, Span, read_frames, read_samples
from avsync.media.probe import MediaInfo
from avsync.media.stills import read_still

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
        video, _ = self.info.require_both()
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
