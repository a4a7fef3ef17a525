"""Crops show the same place to a fraction of a pixel; MFCC are those of the whole sound."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import python_speech_features
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.crops import PADDING_GREY, SYNCNET_GEOMETRY, CropGeometry, box_of_cropped, crop
from avsync.speech import is_audible, mfcc

Picture = NDArray[np.uint8]
Sound = NDArray[np.int16]

SHARED = Path(__file__).parents[2] / "shared"
PLAIN = CropGeometry(side=1.0, dy=0.0, pixels=40, colour=True)


@pytest.fixture(scope="module")
def frame() -> Picture:
    """Smooth colours, 100 x 120, different everywhere."""
    noise = np.random.default_rng(0).integers(0, 256, (100, 120, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2))


@pytest.fixture(scope="module")
def speech() -> Sound:
    """Two seconds of something with a spectrum that changes."""
    rng = np.random.default_rng(0)
    samples = 3000 * rng.normal(size=32_000) * (1 + np.sin(np.arange(32_000) / 900))
    return samples.astype(np.int16)


def in_chunks(samples: Sound, sizes: Sequence[int]) -> list[Sound]:
    """Samples cut into pieces of the sizes given, over and over."""
    chunks, first = [], 0
    while first < len(samples):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(samples[first : first + size])
        first += size
    return chunks


def level_apart(a: Picture, b: Picture) -> int:
    """Largest difference in grey levels."""
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def test_a_crop_of_the_same_size_is_a_copy(frame: Picture) -> None:
    assert level_apart(crop(frame, Box(50, 45, 40, 40), PLAIN), frame[25:65, 30:70]) == 0


def test_the_square_is_measured_by_the_larger_side(frame: Picture) -> None:
    geometry = CropGeometry(side=0.5, dy=0.25, pixels=20, colour=True)
    tall, wide = Box(50, 40, 30, 40), Box(50, 40, 40, 10)
    expected = frame[40:60, 40:60]  # 20 pixels around (50, 40 + 0.25 * 40)
    assert level_apart(crop(frame, tall, geometry), expected) == 0
    assert level_apart(crop(frame, wide, geometry), expected) == 0


@pytest.mark.parametrize(("dx", "dy"), [(0.5, 0.0), (0.0, 0.25), (0.3, 0.7)])
def test_a_shift_by_part_of_a_pixel(frame: Picture, dx: float, dy: float) -> None:
    moved = crop(frame, Box(50 + dx, 45 + dy, 40, 40), PLAIN).astype(float)
    part = frame[25:66, 30:71].astype(float)
    part = (1 - dx) * part[:, :-1] + dx * part[:, 1:]
    part = (1 - dy) * part[:-1] + dy * part[1:]
    assert np.abs(moved - part).max() < 2  # OpenCV places samples to 1/32 pixel
    assert np.abs((moved - part).mean()) < 0.1


def test_enlarging_keeps_the_place(frame: Picture) -> None:
    twice = crop(frame, Box(50, 45, 20, 20), PLAIN)
    back = cv2.resize(twice, (20, 20), interpolation=cv2.INTER_AREA)
    assert np.abs(back.astype(float) - frame[35:55, 40:60]).mean() < 1


@pytest.mark.parametrize("factor", [2, 3, 4.4, 6, 9])
def test_shrinking_keeps_the_place(factor: float) -> None:
    across = np.arange(600)
    ramp = np.broadcast_to(across * 255 / 599, (600, 600))[..., None].repeat(3, axis=2)
    side = 40 * factor
    shrunk = crop(ramp.astype(np.uint8), Box(300, 300, side, side), PLAIN)[..., 0]
    centres = 300 - side / 2 + (np.arange(40) + 0.5) * factor - 0.5
    assert np.abs(shrunk - centres * 255 / 599).max() < 2


@pytest.mark.parametrize("factor", [1.25, 2, 2.7, 4, 5.3, 9])
def test_shrinking_does_not_alias(factor: float) -> None:
    board = np.indices((400, 400)).sum(axis=0) % 2 * 255
    picture = board.astype(np.uint8)[..., None].repeat(3, axis=2)
    shrunk = crop(picture, Box(200, 200, 40 * factor, 40 * factor), PLAIN)
    assert abs(shrunk.mean() - 127.5) < 3
    assert shrunk.std() < 20  # every second pixel alone would give 127


def test_outside_the_picture_it_is_grey(frame: Picture) -> None:
    corner = crop(frame, Box(0, 0, 40, 40), PLAIN)
    assert level_apart(corner[20:, 20:], frame[:20, :20]) == 0
    assert (corner[:20] == PADDING_GREY).all()
    assert (corner[:, :20] == PADDING_GREY).all()
    assert (crop(frame, Box(-500, 900, 40, 40), PLAIN) == PADDING_GREY).all()


def test_grey_crops(frame: Picture) -> None:
    geometry = CropGeometry(side=1.0, dy=0.0, pixels=40, colour=False)
    grey = crop(frame, Box(50, 45, 40, 40), geometry)
    assert grey.shape == geometry.shape == (40, 40)
    assert level_apart(grey, cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)[25:65, 30:70]) <= 1


def test_a_frame_cut_by_syncnet_is_its_own_crop() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    assert level_apart(crop(frame, box_of_cropped(224, 224), SYNCNET_GEOMETRY), frame) <= 1


@pytest.mark.parametrize("sizes", [[100_000], [8000], [1, 159, 160, 161, 400, 1000], [100]])
def test_mfcc_in_chunks_equal_those_of_the_whole(speech: Sound, sizes: list[int]) -> None:
    whole = python_speech_features.mfcc(speech, 16_000)
    inside = (len(speech) - 400) // 160 + 1  # the last of the whole is padded with zeros
    ours = mfcc(in_chunks(speech, sizes))
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, whole[:inside], atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "steps"), [(0, 0), (1, 0), (399, 0), (400, 1), (559, 1), (560, 2), (719, 2)]
)
def test_mfcc_of_very_short_sounds(speech: Sound, samples: int, steps: int) -> None:
    for sizes in ([1000], [150]):
        assert mfcc(in_chunks(speech[:samples], sizes)).shape == (steps, 13)


def test_mfcc_of_digital_silence_are_finite() -> None:
    assert np.isfinite(mfcc([np.zeros(8000, np.int16)])).all()


def test_mfcc_of_a_file_are_those_that_upstream_computes() -> None:
    if not SHARED.is_dir():
        pytest.skip("needs a clip and its MFCC as upstream computes them")
    from avsync.media.decode import read_samples
    from avsync.media.probe import probe

    with np.load(SHARED / "parity" / "reference.npz") as arrays:
        theirs = arrays["mfcc"].T
    ours = mfcc(read_samples(probe(SHARED / "clips" / "example.avi")))
    count = min(len(ours), len(theirs))
    assert abs(len(ours) - len(theirs)) <= 1
    np.testing.assert_allclose(ours[:count], theirs[:count], atol=1e-3)


def test_what_is_sounding(speech: Sound) -> None:
    half = speech.copy()
    half[16_000:] //= 1000
    sounding = is_audible(mfcc([half]))
    assert sounding[:95].mean() > 0.9
    assert not sounding[101:].any()
    assert not is_audible(mfcc([np.zeros(8000, np.int16)])).any()
    assert len(is_audible(mfcc([]))) == 0
