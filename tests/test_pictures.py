"""Planes of a frame show what BGR shows."""

import cv2
import numpy as np
import pytest
from talking_face import write_talking_face

from avsync.faces.boxes import Box
from avsync.faces.crops import CropGeometry, crop
from avsync.faces.tracking import follow_faces
from avsync.media import decode
from avsync.media.frames import bgr_of, is_i420, luma, size_of
from avsync.media.probe import MediaInfo, probe

SIZE = (320, 180)
GREY = CropGeometry(side=1.0, dy=0.0, pixels=88, colour=False)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> MediaInfo:
    path = tmp_path_factory.mktemp("pictures") / "face.mp4"
    write_talking_face(path, seconds=1, size=SIZE)
    return probe(path)


def test_planes_show_the_same_picture(film: MediaInfo) -> None:
    pairs = zip(decode.read_frames(film), decode.read_frames(film, colour=False), strict=True)
    for bgr, planes in pairs:
        assert is_i420(planes) and not is_i420(bgr)
        assert size_of(planes) == size_of(bgr) == SIZE
        assert bgr_of(bgr) is bgr
        assert np.abs(bgr_of(planes).astype(int) - bgr).mean() < 3
        grey = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
        assert np.corrcoef(luma(planes).ravel(), grey.ravel())[0, 1] > 0.998


def test_crops_of_planes_differ_in_contrast_alone(film: MediaInfo) -> None:
    """By gain and bias, which the network evens out."""
    box = Box(160.3, 90.2, 70, 90)
    for bgr, planes in zip(
        decode.read_frames(film), decode.read_frames(film, colour=False), strict=True
    ):
        one, other = crop(bgr, box, GREY), crop(planes, box, GREY)
        assert one.shape == other.shape == GREY.shape
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.998
        coloured = CropGeometry(side=1.0, dy=0.0, pixels=88, colour=True)
        assert crop(planes, box, coloured).shape == coloured.shape


def test_odd_sides_have_no_planes(film: MediaInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "decoded_size", lambda *_: (121, 91))
    frames = list(decode.read_frames(film, colour=False))
    assert len(frames) == 25 and {frame.shape for frame in frames} == {(91, 121, 3)}


class Nobody:
    """Finds no faces."""

    name = "nobody"
    large_pixels = None

    def find(self, picture: np.ndarray) -> list[Box]:
        assert picture.ndim == 3
        return []


def test_cuts_are_seen_in_planes() -> None:
    """A dark shot and a bright one; the finder looks anew at once."""
    looks = []
    detector = Nobody()
    detector.find = lambda picture: looks.append(int(picture.mean())) or []  # type: ignore[method-assign]
    film = [np.full((270, 320), level + k, np.uint8) for level in (60, 180) for k in range(6)]
    for planes in film:
        planes[180:] = 128
    assert len(list(follow_faces(film, detector))) == 12
    assert [level > 128 for level in looks] == [False, False, True, True]
