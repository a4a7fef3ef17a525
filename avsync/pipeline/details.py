"""What can be shown of an answer: kept on the way, where somebody wants to see.

A `Collector` looks over the shoulder of the chain: it keeps a small picture of each face, how much
its lips move, how loud the sound is, and the sound itself of what is short. With the answer, all of
it becomes `Details`. A file of three hours leaves some megabytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.tracking import FacesInFrame
from avsync.findings import Segment
from avsync.media.frames import Frame, bgr_of, is_i420, luma
from avsync.report import SyncReport
from avsync.sync.active_speaker import ActiveSpeaker, distance_table
from avsync.timebase import (
    FRAMES_PER_SECOND,
    HOP_MS,
    HOP_SAMPLES,
    HOPS_PER_SECOND,
    SAMPLE_RATE,
    offset_ms_of_shift,
)
from avsync.tracks import EmbeddedClip, FaceTrack

THUMBNAIL_PIXELS = 96
THUMBNAIL_SIDE = 1.5  # of the face's box
FIRST_THUMBNAIL = 4  # frame of a track; taken again when it is twice as long, and so on
MOUTH_PIXELS = (24, 16)  # of the small copy in which lips are seen to move
KEPT_SOUND_SECONDS = 180  # of each look
SPEAKING_SHARE = 0.3  # of a block in which something is heard
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
    """A face, beyond what `TrackSummary` says of it; in the order of `SyncReport.tracks`."""

    first_frame: int  # of the file, at 25 fps
    boxes: NDArray[np.float32]  # (T, 4) centre x, y, width, height in pixels of the picture
    lips: NDArray[np.float32]  # (T,) movement, 0..1
    thumbnail: bytes | None  # JPEG
    speaks: tuple[tuple[float, float], ...]  # from, to in seconds


@dataclass(frozen=True, slots=True)
class HeardSound:
    """The sound of one look."""

    start_seconds: float
    peaks: NDArray[np.int16]  # (S,) loudest sample of each 10 ms
    sounding: NDArray[np.bool_]  # (S,) whether something is heard
    samples: NDArray[np.int16]  # 16 kHz, mono: the first minutes


@dataclass(frozen=True, slots=True)
class Details:
    """All that can be shown of an answer."""

    duration_seconds: float
    looks: tuple[tuple[float, float], ...]  # from, to in seconds: what was looked at
    map: OffsetMap | None
    faces: tuple[FaceDetails, ...]
    sounds: tuple[HeardSound, ...]


@dataclass(slots=True)
class _Face:
    """What is kept of a face that is being seen."""

    frames: int = 0
    lips: list[float] = field(default_factory=list)
    mouth: NDArray[np.int16] | None = None  # as it was last
    thumbnail: bytes | None = None

    def see(self, frame: Frame, box: Box) -> None:
        mouth = _mouth(frame, box)
        moved = 0.0 if self.mouth is None else float(np.abs(mouth - self.mouth).mean())
        self.mouth = mouth
        self.lips.append(moved)
        age = self.frames - FIRST_THUMBNAIL
        if self.thumbnail is None or (age >= 0 and age & (age - 1) == 0):
            self.thumbnail = _thumbnail(frame, box)
        self.frames += 1


@dataclass(slots=True)
class LookTaps:
    """What passes by during one look."""

    first_frame: int  # of its pictures
    _faces: dict[int, _Face] = field(default_factory=dict)
    _peaks: list[NDArray[np.int16]] = field(default_factory=list)
    _samples: list[NDArray[np.int16]] = field(default_factory=list)
    _kept: int = 0
    _rest: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))

    def see(self, frames: Iterable[FacesInFrame]) -> Iterator[FacesInFrame]:
        """Passes them through."""
        for seen in frames:
            for number, box in seen.boxes.items():
                self._faces.setdefault(number, _Face()).see(seen.frame, box)
            yield seen

    def hear(self, chunks: Iterable[NDArray[np.int16]]) -> Iterator[NDArray[np.int16]]:
        """Passes them through."""
        for chunk in chunks:
            if self._kept < KEPT_SOUND_SECONDS * SAMPLE_RATE:
                self._samples.append(np.asarray(chunk, np.int16))
                self._kept += len(chunk)
            joined = np.concatenate([self._rest, np.asarray(chunk, np.int16)])
            whole = len(joined) // HOP_SAMPLES * HOP_SAMPLES
            hops = joined[:whole].reshape(-1, HOP_SAMPLES)
            self._peaks.append(np.maximum(hops.max(axis=1), -(hops.min(axis=1) + 1)))
            self._rest = joined[whole:]
            yield chunk

    def sound(self, clip: EmbeddedClip) -> HeardSound:
        """What was heard."""
        empty = np.zeros(0, np.int16)
        return HeardSound(
            clip.first_frame / FRAMES_PER_SECOND,
            np.concatenate([empty, *self._peaks]),
            clip.sounding,
            np.concatenate([empty, *self._samples])[: KEPT_SOUND_SECONDS * SAMPLE_RATE],
        )

    def faces(self) -> list[_Face]:
        """In the order in which they appeared, as tracks are."""
        return [self._faces[number] for number in sorted(self._faces)]


@dataclass(slots=True)
class Collector:
    """Keeps what `Details` are made of while a file is measured; one for each file."""

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
        speaking = _speaking(active, offset_map, report, looks) if active else []
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


def offset_at(segments: Sequence[Segment], seconds: float) -> float:
    """The offset in ms that an answer tells for a moment; before its first segment, that one's."""
    last = segments[0]
    for segment in segments:
        if segment.start_seconds <= seconds:
            last = segment
    return last.offset_ms + last.drift_ms_per_minute * (seconds - last.start_seconds) / 60


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


def _speaking(
    active: ActiveSpeaker,
    offset_map: OffsetMap | None,
    report: SyncReport,
    looks: Sequence[EmbeddedClip],
) -> list[tuple[int, float, float]]:
    """(number of the face, from, to in seconds): who is heard, block by block, in time."""
    if offset_map is None or not report.segments:
        return []
    spoken: list[tuple[int, float, float]] = []
    for row, start in enumerate(offset_map.start_seconds):
        end = float(start) + offset_map.seconds_each
        column = offset_map.nearest(offset_at(report.segments, (float(start) + end) / 2))
        around = offset_map.gains[max(0, row - 1) : row + 2, column]
        fits = bool(np.isfinite(around).any() and np.nanmean(around) > 0)
        if not fits or _heard_share(looks, float(start), end) < SPEAKING_SHARE:
            continue
        who = int(active.who[row, -1 - column])
        if spoken and spoken[-1][0] == who and abs(spoken[-1][2] - start) < 1e-6:
            spoken[-1] = (who, spoken[-1][1], end)
        else:
            spoken.append((who, float(start), end))
    return spoken


def _heard_share(looks: Sequence[EmbeddedClip], start: float, end: float) -> float:
    """How much of a stretch of time something is heard in."""
    for look in looks:
        first = look.first_frame / FRAMES_PER_SECOND
        hops = look.sounding[
            max(0, round((start - first) * HOPS_PER_SECOND)) : max(
                0, round((end - first) * HOPS_PER_SECOND)
            )
        ]
        if len(hops):
            return float(hops.mean())
    return 0.0


def _faces(
    looks: Sequence[EmbeddedClip],
    taps: Sequence[LookTaps],
    speaking: Sequence[tuple[int, float, float]],
) -> Iterator[FaceDetails]:
    """In the order of all tracks of all looks, as `SyncReport.tracks` has them."""
    pairs: list[tuple[EmbeddedClip, FaceTrack, _Face]] = []
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


def _mouth(frame: Frame, box: Box) -> NDArray[np.int16]:
    """A small grey picture of the lower half of a face, its brightness evened out."""
    grey = luma(frame) if is_i420(frame) else frame[..., 1]
    left, right = box.x - 0.3 * box.width, box.x + 0.3 * box.width
    part = _part(grey, left, box.y + 0.08 * box.height, right, box.y + 0.5 * box.height)
    small = cv2.resize(part, MOUTH_PIXELS, interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(small - round(float(small.mean())), np.int16)


def _thumbnail(frame: Frame, box: Box) -> bytes | None:
    half = THUMBNAIL_SIDE * max(box.width, box.height) / 2
    part = _part(bgr_of(frame), box.x - half, box.y - half, box.x + half, box.y + half)
    side = (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
    small = cv2.resize(part, side, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return data.tobytes() if done else None


def _part(
    picture: NDArray[np.uint8], left: float, top: float, right: float, bottom: float
) -> NDArray[np.uint8]:
    """A rectangle of a picture, never empty; what lies outside repeats the picture's edge."""
    x0, y0 = round(left), round(top)
    x1, y1 = max(x0 + 1, round(right)), max(y0 + 1, round(bottom))
    height, width = picture.shape[:2]
    if x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height:
        return picture[y0:y1, x0:x1]
    rows = np.clip(np.arange(y0, y1), 0, height - 1)
    columns = np.clip(np.arange(x0, x1), 0, width - 1)
    return np.asarray(picture[rows[:, None], columns], np.uint8)
