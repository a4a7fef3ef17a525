"""Stage 2b: frames become face tracks, while the video streams by.

Faces are looked for in every k-th frame, on a small copy; boxes between are interpolated and
smoothed; a shot change ends all tracks. Frames leave with a delay of about a second, because
smoothing and the bridging of short gaps look ahead: that delay is all that is held in memory.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.detectors import FaceDetector
from avsync.faces.shots import ShotChanges
from avsync.media.frames import Frame, bgr_of, size_of

FIND_EVERY = 4  # frames
SMOOTHING = 12  # frames to either side
MAX_GAP = 16  # frames in which a face may go unseen and still be the same track
DELAY = SMOOTHING + MAX_GAP
SMALL_SIDE = 640  # pixels: the copy in which faces are looked for
WHOLE_LOOKS = 8  # where all faces are large, each so-manieth look is at that copy, others at a half
MIN_OVERLAP = 0.3  # of a face with the same face one search earlier
SAMPLED_ROWS = 64  # of which one is compared first
MAX_FACES = 8  # the largest; a crowd is not a conversation


@dataclass(frozen=True, slots=True)
class FacesInFrame:
    """One frame and the smoothed canonical boxes of the tracks that pass through it.

    Attributes
    ----------
    index : int
        Of the frame, from 0.
    frame : numpy.ndarray
        As it came.
    boxes : dict of int to Box
        By the numbers of the tracks.
    """

    index: int
    frame: Frame
    boxes: dict[int, Box]


@dataclass(slots=True)
class _Track:
    number: int
    times: list[int] = field(default_factory=list)  # frames in which the face was found
    boxes: list[Box] = field(default_factory=list)
    shot_end: int | None = None  # first frame of the next shot, once known
    medians: list[NDArray[np.float64]] = field(default_factory=list)  # of boxes with a next one

    def covers(self, index: int) -> bool:
        last = self.times[-1]
        if self.shot_end is not None:  # nobody looked again before the cut: it stays to the end
            last = min(self.shot_end - 1, last + FIND_EVERY - 1)
        return self.times[0] <= index <= last

    def box_at(self, index: int) -> Box:
        """Local linear fit through median-filtered boxes: follows a moving head without lag."""
        first = bisect_left(self.times, index - SMOOTHING)
        near = range(first, bisect_right(self.times, index + SMOOTHING))
        if not near:  # in the middle of a gap: hold the last box
            near = range(max(0, first - 1), max(1, first))
        times = np.array([self.times[i] - index for i in near], float)
        values = np.array([self._median(i) for i in near])
        weights = 1 - np.abs(times) / (SMOOTHING + FIND_EVERY)
        # By hand: of so few numbers, the checks of np.average would take most of the time.
        mean_time = (weights * times).sum() / weights.sum()
        mean = (weights[:, None] * values).sum(axis=0) / weights.sum()
        spread = np.sum(weights * (times - mean_time) ** 2)
        if len(near) < 3 or spread == 0:
            return Box(*mean)
        slope = (weights * (times - mean_time)) @ (values - mean) / spread
        return Box(*(mean - slope * mean_time))

    def _median(self, i: int) -> NDArray[np.float64]:
        """Of a box, the one before and the one after: (x, y, width, height)."""
        for k in range(len(self.medians), len(self.boxes) - 1):
            around = self.boxes[max(0, k - 1) : k + 2]
            values = np.array([(b.x, b.y, b.width, b.height) for b in around])
            self.medians.append(np.sort(values, axis=0)[1] if len(around) == 3 else values[0])
        if i < len(self.medians):
            return self.medians[i]
        last = self.boxes[i]
        return np.array([last.x, last.y, last.width, last.height])


def follow_faces(frames: Iterable[Frame], detector: FaceDetector) -> Iterator[FacesInFrame]:
    """Pass frames through, each with the faces in it; about a second behind.

    Parameters
    ----------
    frames : iterable of numpy.ndarray
        At 25 fps.
    detector : FaceDetector
        Is asked about every fourth.

    Yields
    ------
    FacesInFrame
        Each frame, in order.
    """
    waiting: deque[tuple[int, Frame]] = deque()
    tracks: list[_Track] = []
    shots, looks = ShotChanges(), _Looks(detector)
    count = shot_start = number = 0
    for index, frame in enumerate(frames):
        if shots.is_cut(frame):
            shot_start = index
            _end_shot(tracks, index)
            looks.forget()
        if (index - shot_start) % FIND_EVERY == 0:
            open_tracks = [t for t in tracks if _is_open(t, index)]
            number = _link(open_tracks, looks.at(frame), index, tracks, number)
        waiting.append((index, frame))
        count = index + 1
        if len(waiting) > DELAY:
            oldest, picture = waiting.popleft()
            yield _faces_in(oldest, picture, tracks)
            tracks = [t for t in tracks if _is_open(t, index) or t.times[-1] + FIND_EVERY > oldest]
    _end_shot(tracks, count)
    for index, frame in waiting:
        yield _faces_in(index, frame, tracks)


def cropped_faces(frames: Iterable[Frame], box: Box | None) -> Iterator[FacesInFrame]:
    """Frames that are face crops already: one track, the same box all through.

    Parameters
    ----------
    frames : iterable of numpy.ndarray
        Crops.
    box : Box or None
        Of the face in them; None: there is none.
    """
    for index, frame in enumerate(frames):
        yield FacesInFrame(index, frame, {0: box} if box else {})


class _Looks:
    """Looks for faces, at half the size while those that are there are large."""

    def __init__(self, detector: FaceDetector) -> None:
        self._finder = detector
        self._halves_left = 0  # looks at half the size until the next at the whole
        self._known = 0  # faces seen in the last look at the whole
        self._last: dict[int, tuple[Frame, list[Box]]] = {}  # by size: what was seen in what

    def forget(self) -> None:
        """What is seen now has nothing to do with what was seen before."""
        self._halves_left = 0

    def at(self, frame: Frame) -> list[Box]:
        """Canonical boxes in full-size pixels, the largest first."""
        if self._halves_left:
            self._halves_left -= 1
            boxes = self._found(frame, SMALL_SIDE // 2)
            if len(boxes) >= self._known:
                return boxes
        boxes = self._found(frame, SMALL_SIDE)
        large, side = self._finder.large_pixels, max(size_of(frame))
        if boxes and large is not None and side > SMALL_SIDE // 2:
            shown = min(1.0, SMALL_SIDE / side)
            smallest = shown * min(max(box.width, box.height) for box in boxes)
            self._halves_left = WHOLE_LOOKS - 1 if smallest >= large else 0
        self._known = len(boxes)
        return boxes

    def _found(self, frame: Frame, side: int) -> list[Box]:
        """In a picture that stands still nothing is looked for again."""
        before, boxes = self._last.get(side, (None, []))
        if before is not None and _is_same(before, frame):
            return boxes
        boxes = find_faces(frame, self._finder, side)
        self._last[side] = frame, boxes
        return boxes


def find_faces(frame: Frame, detector: FaceDetector, side: int) -> list[Box]:
    """Canonical boxes in full-size pixels, found in a copy of at most `side`, the largest first."""
    small = bgr_of(frame)
    scale = min(1.0, side / max(size_of(frame)))
    if scale < 1:
        small = np.asarray(
            cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    boxes = [box.scaled(1 / scale) for box in detector.find(small)]
    return sorted(boxes, key=lambda b: -b.width * b.height)[:MAX_FACES]


def _is_same(before: Frame, frame: Frame) -> bool:
    """Whether two pictures are equal; most that are not differ in a few of their rows."""
    return before.shape == frame.shape and bool(
        (before[::SAMPLED_ROWS] == frame[::SAMPLED_ROWS]).all() and (before == frame).all()
    )


def _is_open(track: _Track, index: int) -> bool:
    return track.shot_end is None and index - track.times[-1] <= MAX_GAP


def _end_shot(tracks: list[_Track], index: int) -> None:
    for track in tracks:
        if track.shot_end is None and index - track.times[-1] <= FIND_EVERY:
            track.shot_end = index
        elif track.shot_end is None:
            track.shot_end = track.times[-1] + 1


def _link(
    open_tracks: list[_Track], boxes: list[Box], index: int, tracks: list[_Track], number: int
) -> int:
    """Give each box to the open track that it overlaps most, or to a new one."""
    pairs = sorted(
        ((t.boxes[-1].overlap(b), t, i) for i, b in enumerate(boxes) for t in open_tracks),
        key=lambda pair: -pair[0],
    )
    taken: set[int] = set()
    for overlap, track, i in pairs:
        if overlap >= MIN_OVERLAP and i not in taken and track.times[-1] < index:
            track.times.append(index)
            track.boxes.append(boxes[i])
            taken.add(i)
    for i, box in enumerate(boxes):
        if i not in taken:
            tracks.append(_Track(number, [index], [box]))
            number += 1
    return number


def _faces_in(index: int, frame: Frame, tracks: list[_Track]) -> FacesInFrame:
    boxes = {track.number: track.box_at(index) for track in tracks if track.covers(index)}
    return FacesInFrame(index, frame, boxes)
