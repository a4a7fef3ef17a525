"""Clips in memory: the same answers as from files, at any rates, and what is refused."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.errors import UsageError
from avsync.media.clip import Clip, ClipRecording, resampled
from avsync.media.decode import Span

BLACK = np.zeros((10, 48, 64, 3), np.uint8)
QUIET = np.zeros(6400)


def _clip(**changes: Any) -> Clip:
    fields = {"frames": BLACK, "samples": QUIET, "frames_per_second": 25, "sample_rate": 16_000}
    return Clip(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"frames": BLACK[:0]}, "frames=None: there are none"),
        ({"frames": BLACK[..., 0]}, "frames=.*of uint8 are needed"),
        ({"frames": BLACK.astype(float)}, "frames=.*float64"),
        ({"samples": np.zeros((2, 6400))}, "samples=.*needed, not \\(2, 6400\\)"),
        ({"samples": np.zeros(10, np.int32)}, "samples=.*int32"),
        ({"samples": np.full(10, 1000.0)}, "samples=.*between -1 and 1"),
        ({"samples": np.full(10, np.nan)}, "samples=.*between -1 and 1"),
        ({"frames_per_second": 0}, "frames_per_second=0"),
        ({"frames_per_second": float("nan")}, "frames_per_second=nan"),
        ({"sample_rate": 16}, "sample_rate=16"),
        ({"sample_rate": 16_000.5}, "sample_rate=16000.5"),
        ({"channel_order": "rbg"}, "channel_order=rbg"),
    ],
)
def test_arrays_that_make_no_sense_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _clip(**changes)


def test_a_picture_unlike_the_first_is_refused_when_its_turn_comes() -> None:
    pictures = [*BLACK[:5], np.zeros((24, 64, 3), np.uint8)]
    with pytest.raises(UsageError, match="picture 5"):
        list(ClipRecording(_clip(frames=pictures)).frames([], 1280))


@pytest.mark.parametrize("rate", [12.0, 24000 / 1001, 25.0, 30.0, 59.94])
def test_frame_n_is_the_picture_nearest_to_n_times_40_ms(rate: float) -> None:
    count = round(4 * rate)
    pictures = np.broadcast_to(
        np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 8, 8, 3)
    )
    seen = ClipRecording(_clip(frames=pictures, frames_per_second=rate)).frames([], 1280)
    for number, frame in enumerate(seen):
        shown = int(frame[0, 0, 0]) / rate
        assert abs(shown - number / 25) <= 0.5 / rate + 1e-9 or shown == (count - 1) / rate
    assert number + 1 == pytest.approx(25 * count / rate, abs=1)


def test_spans_are_parts_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (60, 16, 16, 3), np.uint8)
    clip = _clip(frames=frames, samples=rng.normal(0, 0.1, 44_100 * 2), sample_rate=44_100,
                 frames_per_second=30)  # fmt: skip
    recording, span = ClipRecording(clip), Span(10, 20)
    whole, part = (np.stack(list(recording.frames([], 1280, one))) for one in (Span(), span))
    assert (part == whole[10:30]).all()
    sound, heard = (np.concatenate(list(recording.samples([], one))) for one in (Span(), span))
    assert len(sound) == 32_000 and (heard == sound[6400 : 6400 + 12_800]).all()


def test_colours_come_in_opencvs_order() -> None:
    red = BLACK + np.array([255, 0, 0], np.uint8)
    for order, picture in (("rgb", red), ("bgr", red[..., ::-1])):
        frame = next(ClipRecording(_clip(frames=picture, channel_order=order)).frames([], 1280))
        assert frame[0, 0].tolist() == [0, 0, 255]


def test_large_pictures_are_made_smaller() -> None:
    frame = next(ClipRecording(_clip(frames=BLACK)).frames([], 32))
    assert frame.shape == (24, 32, 3)


def _tone(rate: int, hertz: float = 440.0, seconds: float = 1.0) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_sound_of_any_rate_stays_where_it_is(rate: int) -> None:
    sound = resampled(_tone(rate), rate)
    assert len(sound) == pytest.approx(16_000, abs=1)
    right = 32_767 * _tone(16_000)[: len(sound)]
    middle = slice(1600, 14_400)  # the filter rings at the ends
    assert np.abs(sound[middle] - right[middle]).max() < 0.01 * 32_767


def test_what_lies_above_8_khz_is_taken_out() -> None:
    sound = resampled(_tone(48_000, hertz=12_000), 48_000)
    assert np.abs(sound[1600:14_400]).max() < 200


@pytest.mark.parametrize("turned", [1, 2, 5])
def test_no_channel_cancels_another(turned: int) -> None:
    tone = _tone(16_000)
    channels = np.stack([tone] * 6, axis=1)
    channels[:, turned] *= -1
    assert np.abs(resampled(channels, 16_000) - resampled(tone, 16_000)).max() <= 1


def test_integers_are_floats_times_full_scale() -> None:
    tone = _tone(16_000)
    whole = np.rint(tone * 32_767).astype(np.int16)
    assert (resampled(tone, 16_000) == resampled(whole[:, None], 16_000)).all()
