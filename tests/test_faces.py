"""Scripted boxes become face tracks, and no more of the video is held than is needed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.detectors import load_face_detector
from avsync.faces.tracking import (
    DELAY,
    FIND_EVERY,
    MAX_FACES,
    MAX_GAP,
    FacesInFrame,
    cropped_faces,
    follow_faces,
)

PORTRAIT = Path(__file__).parent / "data" / "portrait.png"
COUNT = 80  # frames
SIZE = (120, 160)  # height, width

Script = Callable[[int], list[Box]]  # frame number -> the faces to be found in it


@dataclass
class ScriptedFinder:
    """Finds in each frame what a script says; the frame's number is written in its first pixel."""

    script: Script
    name: str = "scripted"
    large_pixels: float | None = None
    asked: list[int] = field(default_factory=list)

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        """The boxes of the script."""
        self.asked.append(int(picture[0, 0, 0]))
        return self.script(self.asked[-1])


def numbered_frames(count: int = COUNT, cut_at: int | None = None) -> Iterator[NDArray[np.uint8]]:
    """Grey frames that carry their number in the first pixel; brighter from a shot change on."""
    for index in range(count):
        grey = 60 if cut_at is None or index < cut_at else 180
        frame = np.full((*SIZE, 3), grey, np.uint8)
        frame[0, 0] = index
        yield frame


def follow(script: Script, **options: int) -> list[FacesInFrame]:
    """All that comes out for a script."""
    return list(follow_faces(numbered_frames(**options), ScriptedFinder(script)))


def spans(seen: list[FacesInFrame]) -> list[tuple[int, int]]:
    """First and last frame of each track, which must be in every frame between."""
    numbers = sorted({number for faces in seen for number in faces.boxes})
    frames = [[f.index for f in seen if number in f.boxes] for number in numbers]
    assert all(indices == list(range(indices[0], indices[-1] + 1)) for indices in frames)
    return [(indices[0], indices[-1]) for indices in frames]


def face_at(x: float, y: float = 60) -> Box:
    """A face of usual size."""
    return Box(x, y, 30, 40)


def test_all_frames_come_out_in_order_with_their_own_picture() -> None:
    seen = follow(lambda _: [])
    assert [faces.index for faces in seen] == list(range(COUNT))
    assert [faces.frame[0, 0, 0] for faces in seen] == list(range(COUNT))
    assert not any(faces.boxes for faces in seen)


@pytest.mark.parametrize("count", [0, 1, FIND_EVERY, DELAY, DELAY + 1])
def test_clips_shorter_than_the_delay(count: int) -> None:
    seen = follow(lambda _: [face_at(50)], count=count)
    assert [faces.index for faces in seen] == list(range(count))
    assert all(faces.boxes == {0: face_at(50)} for faces in seen)


def test_faces_are_looked_for_in_every_few_frames_only() -> None:
    detector = ScriptedFinder(lambda _: [])
    list(follow_faces(numbered_frames(), detector))
    assert detector.asked == list(range(0, COUNT, FIND_EVERY))


def test_a_still_face_is_one_track_to_the_last_frame() -> None:
    seen = follow(lambda _: [face_at(50)])
    assert spans(seen) == [(0, COUNT - 1)]
    assert all(faces.boxes[0] == face_at(50) for faces in seen)


def test_a_moving_face_is_followed_without_lag() -> None:
    seen = follow(lambda index: [face_at(30 + 1.5 * index, 40 + 0.5 * index)])
    assert spans(seen) == [(0, COUNT - 1)]
    for faces in seen:
        expected, box = face_at(30 + 1.5 * faces.index, 40 + 0.5 * faces.index), faces.boxes[0]
        inside = FIND_EVERY <= faces.index < COUNT - 2 * FIND_EVERY
        assert abs(box.x - expected.x) < (0.1 if inside else 1.0)
        assert abs(box.y - expected.y) < (0.1 if inside else 1.0)


def test_jitter_and_a_wild_box_are_smoothed_away() -> None:
    noise = np.random.default_rng(1).normal(0, 2, (COUNT, 2))
    wild = 10 * FIND_EVERY

    def script(index: int) -> list[Box]:
        dx, dy = noise[index]
        return [Box(60 + dx, 60 + dy, 45 if index == wild else 30, 40)]

    boxes = [faces.boxes[0] for faces in follow(script)]
    inner = np.array([(b.x, b.y) for b in boxes[FIND_EVERY:-FIND_EVERY]])
    assert np.abs(np.diff(inner, axis=0)).max() < 0.7  # from frame to frame
    assert np.abs(inner - 60).max() < 3
    assert boxes[wild].width < 32


@pytest.mark.parametrize("gap", [2 * FIND_EVERY, MAX_GAP])
def test_a_short_gap_is_bridged(gap: int) -> None:
    lost = range(24 + 1, 24 + gap)
    seen = follow(lambda index: [] if index in lost else [face_at(30 + 0.5 * index)])
    assert spans(seen) == [(0, COUNT - 1)]
    middle = seen[24 + gap // 2]
    assert middle.boxes[0].x == pytest.approx(30 + 0.5 * middle.index, abs=1)


def test_a_long_gap_splits_the_track() -> None:
    back = 24 + MAX_GAP + FIND_EVERY
    seen = follow(lambda index: [] if 24 < index < back else [face_at(50)])
    assert spans(seen) == [(0, 24), (back, COUNT - 1)]


@pytest.mark.parametrize("cut", [24, 25, 27])
def test_a_shot_change_splits_tracks_to_the_frame(cut: int) -> None:
    seen = follow(lambda _: [face_at(50)], cut_at=cut)
    assert spans(seen) == [(0, cut - 1), (cut, COUNT - 1)]


def test_boxes_do_not_mix_across_a_shot_change() -> None:
    seen = follow(lambda index: [face_at(50 if index < 27 else 56)], cut_at=27)
    assert all(faces.boxes[0].x == 50 for faces in seen[:27])
    assert all(faces.boxes[1].x == 56 for faces in seen[27:])


def test_two_faces_are_two_tracks_that_keep_apart() -> None:
    def script(index: int) -> list[Box]:
        left, right = face_at(30 + 0.2 * index), Box(120 - 0.2 * index, 60, 32, 42)
        return [left, right] if index % 8 else [right, left]

    seen = follow(script)
    assert spans(seen) == [(0, COUNT - 1), (0, COUNT - 1)]
    left, right = sorted((0, 1), key=lambda number: seen[0].boxes[number].x)
    assert all(faces.boxes[left].x < 50 and faces.boxes[right].x > 100 for faces in seen)


def test_a_face_that_comes_later_is_a_track_of_its_own() -> None:
    seen = follow(lambda index: [face_at(30)] + ([face_at(120)] if 40 <= index <= 60 else []))
    assert spans(seen) == [(0, COUNT - 1), (40, 60)]


def test_a_jump_is_another_face() -> None:
    seen = follow(lambda index: [face_at(30 if index < 40 else 120)])
    assert spans(seen) == [(0, 36), (40, COUNT - 1)]


def test_of_a_crowd_the_largest_are_followed() -> None:
    sizes = range(10, 10 + 2 * MAX_FACES)
    seen = follow(lambda _: [Box(70 * size, 60, size, size) for size in sizes], count=10)
    widths = sorted(box.width for box in seen[0].boxes.values())
    assert widths == list(sizes)[-MAX_FACES:]


def test_boxes_are_in_pixels_of_the_frame_however_large() -> None:
    frames = [np.full((720, 1280, 3), 60, np.uint8)] * 5
    seen = list(follow_faces(frames, ScriptedFinder(lambda _: [Box(100, 80, 50, 60)])))
    assert all(faces.boxes[0] == Box(200, 160, 100, 120) for faces in seen)


def test_memory_is_bounded() -> None:
    taken = 0

    def counted() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        for frame in numbered_frames(250):
            taken += 1
            yield frame

    held = []
    for given, _ in enumerate(follow_faces(counted(), ScriptedFinder(lambda _: [face_at(50)]))):
        held.append(taken - given)
    assert len(held) == 250
    assert max(held) <= DELAY + 1


def test_cropped_faces_have_one_box_all_through() -> None:
    box = face_at(80)
    seen = list(cropped_faces(numbered_frames(5), box))
    assert [faces.index for faces in seen] == list(range(5))
    assert all(faces.boxes == {0: box} for faces in seen)
    assert not any(faces.boxes for faces in cropped_faces(numbered_frames(5), None))


@pytest.mark.parametrize("name", ["yunet", "hog"])
def test_the_face_of_the_portrait_is_found(name: str) -> None:
    picture = np.asarray(cv2.imread(str(PORTRAIT)), np.uint8)
    (box,) = load_face_detector(name).find(picture)
    assert (box.x, box.y) == pytest.approx((192, 117.5), abs=6)  # nose
    assert box.width == pytest.approx(90, rel=0.2)  # cheek to cheek
    assert box.height == pytest.approx(113, rel=0.2)  # brow to chin


@pytest.mark.parametrize("name", ["yunet", "hog"])
def test_the_portrait_is_followed_as_it_moves(name: str) -> None:
    picture = np.asarray(cv2.imread(str(PORTRAIT)), np.uint8)

    def moving() -> Iterator[NDArray[np.uint8]]:
        for index in range(20):
            shift = np.array([[1, 0, 0.7 * index], [0, 1, 0]])
            yield np.asarray(cv2.warpAffine(picture, shift, (384, 216)), np.uint8)

    seen = list(follow_faces(moving(), load_face_detector(name)))
    assert spans(seen) == [(0, 19)]
    speed = (seen[16].boxes[0].x - seen[4].boxes[0].x) / 12
    assert speed == pytest.approx(0.7, abs=0.2)


@dataclass
class SizedFinder:
    """Finds faces of one size, however large the picture is, and tells how large it was."""

    side: float  # in pixels of the whole picture, 640 wide
    count: int = 1
    hidden: bool = False  # whether it takes the whole picture to see the second
    name: str = "sized"
    large_pixels: float | None = 96
    widths: list[int] = field(default_factory=list)

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        """One face or more, beside each other."""
        width = picture.shape[1]
        self.widths.append(width)
        seen = 1 if self.hidden and width < 640 else self.count
        scale = width / 640
        return [Box(100.0 + 250 * k, 150, self.side, self.side).scaled(scale) for k in range(seen)]


def widths_looked_at(detector: SizedFinder, count: int = 32) -> list[int]:
    """Of the pictures that a finder was given for so many frames."""
    frames = (np.full((360, 640, 3), 60 + k // 4, np.uint8) for k in range(count))
    list(follow_faces(frames, detector))
    return detector.widths


def test_large_faces_are_looked_for_in_a_smaller_picture() -> None:
    assert widths_looked_at(SizedFinder(200), 64) == [640, *[320] * 7] * 2
    assert widths_looked_at(SizedFinder(60)) == [640] * 8
    assert widths_looked_at(SizedFinder(200, large_pixels=None)) == [640] * 8


def test_where_one_face_less_is_seen_it_is_looked_for_again() -> None:
    assert widths_looked_at(SizedFinder(200, count=2, hidden=True), 16) == [640] + [320, 640] * 3


def test_a_picture_that_stands_still_is_looked_at_once() -> None:
    """Slides and stills, and films of few pictures a second: the faces stay where they were."""
    finder = ScriptedFinder(lambda number: [Box(60 + number / 8, 50, 40, 40)])
    stills = [next(frame for k, frame in enumerate(numbered_frames()) if k == 40 * (index // 40))
              for index in range(80)]  # fmt: skip
    seen = list(follow_faces(iter(stills), finder))
    assert finder.asked == [0, 40]
    assert [len(faces.boxes) for faces in seen] == [1] * 80
    assert seen[5].boxes[0].x == pytest.approx(60, abs=0.01)
    assert seen[75].boxes[0].x == pytest.approx(65, abs=0.01)
