"""What can be shown of an answer: kept on the way, where somebody wants to see.

A `Collector` looks over the shoulder of the chain: it keeps a small picture of each face, how much
its lips move, how loud the sound is, and the sound itself of what is short. With the answer, all of
it becomes `Details`. A file of three hours leaves some megabytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from avsync.pipeline.taps import FaceTap, HeardSound, LookTaps
from avsync.report import SyncReport
from avsync.sync.active_speaker import ActiveSpeaker, distance_table
from avsync.sync.speakers import FaceOffset, film_offsets, speaking_scores, stretches
from avsync.timebase import (
    FRAMES_PER_SECOND,
    HOP_MS,
    offset_ms_of_shift,
)
from avsync.tracks import EmbeddedClip, FaceTrack

WIDEST_MS = 20_000.0  # of a map: a film run at another speed leaves it


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """How well each offset fits each short block of time.

    Attributes
    ----------
    start_seconds : numpy.ndarray, shape (K,)
        When blocks begin, rising.
    seconds_each : float
        How long a block is.
    offsets_ms : numpy.ndarray, shape (S,)
        Rising; positive: sound early.
    gains : numpy.ndarray, shape (K, S)
        By how much an offset fits better than most, in units of the noise of one block; NaN where
        nothing was compared.
    """

    start_seconds: NDArray[np.float64]
    seconds_each: float
    offsets_ms: NDArray[np.float64]
    gains: NDArray[np.float32]

    def nearest(self, offset_ms: float) -> int:
        """Index of an offset."""
        return int(np.argmin(np.abs(self.offsets_ms - offset_ms)))

    def smoothed(self, seconds: float = 2.0) -> NDArray[np.float32]:
        """(K, S) gains, each block with those around it: a syllable alone fits many offsets."""
        half = max(0, round(seconds / self.seconds_each / 2 - 0.5))
        numbers = np.rint(self.start_seconds / self.seconds_each).astype(int)
        first = np.searchsorted(numbers, numbers - half)
        last = np.searchsorted(numbers, numbers + half, "right")
        known = np.isfinite(self.gains)
        sums, counts = np.zeros((2, len(numbers) + 1, len(self.offsets_ms)))
        np.nan_to_num(self.gains).cumsum(axis=0, dtype=np.float64, out=sums[1:])
        known.cumsum(axis=0, out=counts[1:])
        near = (sums[last] - sums[first]) / np.maximum(1, counts[last] - counts[first])
        return np.where(known, near, np.nan).astype(np.float32)


@dataclass(frozen=True, slots=True)
class FaceDetails:
    """A face, beyond what `TrackSummary` says of it; in the order of `SyncReport.tracks`.

    Attributes
    ----------
    first_frame : int
        Of the file, at 25 fps.
    boxes : numpy.ndarray, shape (T, 4)
        Centre x, centre y, width and height, in pixels of the picture.
    lips : numpy.ndarray, shape (T,)
        How much the mouth has changed since the frame before, in steps of brightness.
    thumbnail : bytes or None
        A small JPEG.
    speaks : tuple of (float, float)
        From when to when, in seconds.
    """

    first_frame: int
    boxes: NDArray[np.float32]
    lips: NDArray[np.float32]
    thumbnail: bytes | None
    speaks: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Details:
    """All that can be shown of an answer.

    Attributes
    ----------
    duration_seconds : float
        Of the picture.
    looks : tuple of (float, float)
        What was looked at, from when to when, in seconds.
    map : OffsetMap or None
        None where nothing could be compared.
    faces : tuple of FaceDetails
        In the order of `SyncReport.tracks`.
    sounds : tuple of HeardSound
        One for each look.
    """

    duration_seconds: float
    looks: tuple[tuple[float, float], ...]
    map: OffsetMap | None
    faces: tuple[FaceDetails, ...]
    sounds: tuple[HeardSound, ...]


@dataclass(slots=True)
class Collector:
    """Keeps what `Details` are made of while a file is measured; one for each file.

    Attributes
    ----------
    max_offset_seconds : float
        How wide the map is to be, to either side; what was found is always on it.
    details : Details or None
        None until the file is measured.

    Examples
    --------
    >>> import avsync
    >>> collector = Collector()
    >>> report = avsync.detect("docs/talking.mp4", collector=collector)
    >>> len(collector.details.faces) == len(report.tracks)
    True
    """

    max_offset_seconds: float = 1.0
    details: Details | None = None
    _taps: list[tuple[EmbeddedClip, LookTaps]] = field(default_factory=list)
    _compared: list[tuple[Sequence[EmbeddedClip], SyncReport]] = field(default_factory=list)

    def looked(self, clip: EmbeddedClip, taps: LookTaps) -> None:
        """A look has ended."""
        self._taps.append((clip, taps))

    def compared(self, looks: Sequence[EmbeddedClip], report: SyncReport) -> None:
        """This was read from these looks; it may not be what is answered in the end."""
        self._compared.append((looks, report))

    def finish(self, report: SyncReport) -> None:
        """Make `details` of what was kept, and let go of the rest."""
        read_from = (looks for looks, read in self._compared if read.tracks is report.tracks)
        looks = next(read_from, ())
        taps = [next(t for clip, t in self._taps if clip is look) for look in looks]
        reach_ms = max(1000 * self.max_offset_seconds, *map(abs, report.range_ms))
        active = distance_table(looks, round(min(reach_ms, WIDEST_MS) / HOP_MS))
        offset_map = _offset_map(active) if active else None
        speaking = _speaking(report, looks)
        self.details = Details(
            report.duration_seconds or 0.0,
            tuple(
                (tap.first_frame / FRAMES_PER_SECOND,
                 (tap.first_frame + look.frame_count) / FRAMES_PER_SECOND)
                for look, tap in zip(looks, taps, strict=True)
            ),
            offset_map,
            tuple(_faces(looks, taps, speaking)),
            tuple(tap.sound(look) for look, tap in zip(looks, taps, strict=True)),
        )  # fmt: skip
        self._taps, self._compared = [], []


def _offset_map(active: ActiveSpeaker) -> OffsetMap:
    blocks = active.blocks
    judged = blocks.counts > 0
    gains = active.level * blocks.counts - blocks.sums
    noise = 1.4826 * float(np.median(np.abs(gains[judged]))) if judged.any() else 1.0
    shifts = np.arange(gains.shape[1]) - gains.shape[1] // 2
    offsets_ms = np.array([offset_ms_of_shift(float(shift)) for shift in shifts[::-1]])
    seconds_each = blocks.frames_each / FRAMES_PER_SECOND
    shown = np.where(judged, gains / (noise + 1e-9), np.nan)[:, ::-1]
    starts = np.asarray(blocks.numbers * seconds_each, np.float64)
    return OffsetMap(starts, seconds_each, offsets_ms, np.asarray(shown, np.float32))


def _speaking(report: SyncReport, looks: Sequence[EmbeddedClip]) -> list[tuple[int, float, float]]:
    """(number of the face, from, to in seconds): who is heard at the film's offset."""
    if not report.segments:
        return []
    spoken: list[tuple[int, float, float]] = []
    number = 0
    for look in looks:
        offsets = [FaceOffset(film_offsets(report.segments, look, t), 1.0) for t in look.tracks]
        for track, scores in zip(look.tracks, speaking_scores(look, offsets), strict=True):
            start = look.first_frame + track.first_frame
            for first, end in stretches(scores):
                seconds = ((start + first) / FRAMES_PER_SECOND, (start + end) / FRAMES_PER_SECOND)
                spoken.append((number, *seconds))
            number += 1
    return spoken


def _faces(
    looks: Sequence[EmbeddedClip],
    taps: Sequence[LookTaps],
    speaking: Sequence[tuple[int, float, float]],
) -> Iterator[FaceDetails]:
    """In the order of all tracks of all looks, as `SyncReport.tracks` has them."""
    pairs: list[tuple[EmbeddedClip, FaceTrack, FaceTap]] = []
    for look, tap in zip(looks, taps, strict=True):
        pairs += [(look, track, face) for track, face in zip(look.tracks, tap.faces(), strict=True)]
    for number, (look, track, face) in enumerate(pairs):
        yield FaceDetails(
            look.first_frame + track.first_frame,
            track.boxes,
            np.array(face.lips, np.float32),
            face.thumbnail,
            tuple((start, end) for who, start, end in speaking if who == number),
        )
