"""Rates, and the sign of an offset."""

import pytest

from avsync.timebase import exact_div, offset_frames, offset_in_words, offset_ms_of_shift


@pytest.mark.parametrize(
    ("steps_from_picture_to_its_sound", "offset_ms", "frames", "words"),
    [
        (-25, 250, 6.25, "sound is 250 ms early"),
        (-12, 120, 3.0, "sound is 120 ms early"),
        (-0.5, 5, 0.125, "sound is 5 ms early"),
        (0, 0, 0.0, "sound is in step (0 ms)"),
        (0.5, -5, -0.125, "sound is 5 ms late"),
        (4, -40, -1.0, "sound is 40 ms late"),
        (100, -1000, -25.0, "sound is 1000 ms late"),
    ],
)
def test_sound_that_comes_before_its_picture_is_early_and_positive(
    steps_from_picture_to_its_sound: float, offset_ms: float, frames: float, words: str
) -> None:
    assert offset_ms_of_shift(steps_from_picture_to_its_sound) == offset_ms
    assert offset_frames(offset_ms) == frames
    assert offset_in_words(offset_ms) == words


@pytest.mark.parametrize(
    ("offset_ms", "words"),
    [
        (0.4, "sound is in step (0 ms)"),
        (-0.4, "sound is in step (0 ms)"),
        (0.6, "sound is 1 ms early"),
        (-119.7, "sound is 120 ms late"),
    ],
)
def test_words_are_rounded_to_whole_milliseconds(offset_ms: float, words: str) -> None:
    assert offset_in_words(offset_ms) == words


def test_exact_division() -> None:
    assert exact_div(16_000, 160) == 100


@pytest.mark.parametrize(("numerator", "denominator"), [(16_000, 30), (1000, 24), (-1, 2)])
def test_rates_that_do_not_divide_are_refused(numerator: int, denominator: int) -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        exact_div(numerator, denominator)
