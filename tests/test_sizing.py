"""How large pictures are decoded: as large as their faces call for."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from talking_face import AAC, write_media, write_talking_face
from timeline import run

from avsync.faces.boxes import Box
from avsync.faces.resolution import FEWEST_STILLS, side_needed
from avsync.faces.tracking import SMALL_SIDE
from avsync.media.decode import decoded_size, ffmpeg, read_frames
from avsync.media.probe import probe
from avsync.media.recording import FileRecording
from avsync.media.stills import read_still
from avsync.model.config import DEFAULT_CONFIG, PERFECT_MATCH_CONFIG

GEOMETRY = DEFAULT_CONFIG.geometry


@dataclass
class Given:
    """Finds faces of given sizes, in pixels of a picture 640 wide."""

    sides: tuple[float, ...]
    name: str = "given"
    large_pixels: float | None = None
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)

    def find(self, picture: NDArray[np.uint8]) -> list[Box]:
        self.pictures.append(picture)
        return [Box(300, 200, side, side) for side in self.sides]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> FileRecording:
    """1280x720, 6 s: each second has a grey of its own, and begins with a key frame."""
    path = tmp_path_factory.mktemp("sizing") / "film.mp4"
    pictures = [np.full((720, 1280, 3), 20 + 30 * (k // 25), np.uint8) for k in range(150)]
    sound = np.zeros(6 * 16_000, np.int16)
    write_media(path, pictures, (1280, 720), 25, sound, (*AAC, "-g", "25"))
    return FileRecording(probe(path))


@pytest.mark.parametrize(
    ("sides", "side"),
    [
        ((200.0,), SMALL_SIDE),  # of a face of 400 pixels, 122 are enough
        ((61.2,), 1280),  # these are just what is needed
        ((30.0,), 1280),  # and here it is too little, but there is no more
        ((90.0,), 896),  # crops of 88 pixels from 0.72 * 126 of them
        ((90.0, 50.0), 1280),  # the smaller may be the one who speaks
        ((200.0, 40.0), SMALL_SIDE),  # but not a face in the background
        ((), 1280),  # nobody was seen: whoever comes may be small
    ],
)
def test_a_crop_has_as_many_pixels_as_it_shows(
    film: FileRecording, sides: tuple[float, ...], side: int
) -> None:
    assert side_needed(film, Given(sides), GEOMETRY) == side
    if sides and side < 1280:
        smallest = min(s for s in sides if s >= max(sides) / 2) * side / SMALL_SIDE
        assert GEOMETRY.side * smallest >= GEOMETRY.pixels


def test_other_crops_need_other_sizes(film: FileRecording) -> None:
    assert side_needed(film, Given((110.0,)), PERFECT_MATCH_CONFIG.geometry) == 960
    assert side_needed(film, Given((110.0,)), GEOMETRY) == 768


def test_stills_are_spread_over_the_film(film: FileRecording) -> None:
    detector = Given((100.0,))
    side_needed(film, detector, GEOMETRY)
    assert len(detector.pictures) == FEWEST_STILLS
    assert {picture.shape for picture in detector.pictures} == {(360, 640, 3)}
    seconds = [round((float(picture.mean()) - 20) / 30) for picture in detector.pictures]
    assert seconds == [1, 3, 5]


def test_small_films_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "small.mp4"
    write_talking_face(path, seconds=1, size=(640, 360))
    detector = Given((300.0,))
    info = probe(path)
    assert decoded_size(
        info.require_both()[0], side_needed(FileRecording(info), detector, GEOMETRY)
    ) == (
        640,
        360,
    )
    assert not detector.pictures


def test_after_the_end_there_is_the_last_still_or_none(film: FileRecording, tmp_path: Path) -> None:
    """By what ffmpeg's reader of the format does: that of MP4 stays at the last key frame."""
    for seconds in (5.9, 60.0):
        still = film.still(seconds, 640)
        assert still is not None and still.shape == (360, 640, 3)
        assert float(still.mean()) == pytest.approx(20 + 30 * 5, abs=3)
    flv = tmp_path / "film.flv"
    run("-i", film.info.path, "-c", "copy", flv)
    assert read_still(probe(flv), 5.9, 640) is not None
    assert read_still(probe(flv), 60.0, 640) is None


def test_a_still_is_the_key_frame_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after the last key frame, where nothing later could be shown instead."""
    path = tmp_path / "film.mp4"
    pictures = [np.full((72, 128, 3), 10 + 4 * (k // 3), np.uint8) for k in range(150)]
    write_media(path, pictures, (128, 72), 25, np.zeros(6 * 16_000, np.int16), (*AAC, "-g", "75"))
    film, started = probe(path), []
    read_chunks = ffmpeg.read_chunks
    monkeypatch.setattr(
        ffmpeg, "read_chunks", lambda *args: started.append(1) or read_chunks(*args)
    )
    for seconds, first in ((1.0, 0), (2.5, 0), (4.0, 75), (5.5, 75)):
        still = read_still(film, seconds, 640)
        assert still is not None
        assert float(still.mean()) == pytest.approx(10 + 4 * (first // 3), abs=3)
    assert len(started) == 4  # one each: no second try


def test_frames_of_half_the_size_are_the_same_pictures(tmp_path: Path) -> None:
    path = tmp_path / "face.mp4"
    write_talking_face(path, seconds=0.4, size=(1280, 720))
    info = probe(path)
    whole = list(read_frames(info))
    half = list(read_frames(info, max_side=640))
    assert len(whole) == len(half) == 10
    for large, small in zip(whole, half, strict=True):
        resized = cv2.resize(large, (640, 360), interpolation=cv2.INTER_AREA)
        assert small.shape == (360, 640, 3)
        assert np.abs(resized.astype(int) - small).mean() < 1.5
