"""Blocks of sound are put where their stamps say, and what is rounding is told from what is not."""

from collections.abc import Iterator, Sequence
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.media.decoder_stamps import Block, DecoderStamps
from avsync.media.placement import placed_samples
from avsync.media.timeline import Epoch, Placer, Timeline
from avsync.timebase import SAMPLE_RATE

BLOCK = 320  # samples: 20 ms
RAMP = np.arange(1, 100 * BLOCK + 1, dtype=np.int16)  # each sample is known by its value


def placed(
    stamps_ms: Sequence[float | None], warnings: list[str] | None = None
) -> NDArray[np.int16]:
    """A sample for each moment of film; 0 where there is silence."""
    told = DecoderStamps()
    for number, stamp in enumerate(stamps_ms):
        pts = "NOPTS" if stamp is None else str(round(1000 * stamp))
        told.hear(f"[Parsed_ashowinfo_1 @ 0x1] n:{number} pts:{pts} rate:16000 nb_samples:{BLOCK}")
    told.end()
    samples = RAMP[: BLOCK * len(stamps_ms), None]
    placer = Placer(Timeline((Epoch(0.0),)), 0)
    pieces = placed_samples(iter([samples]), told, placer, [] if warnings is None else warnings)
    return np.concatenate(list(pieces))[:, 0]


def evenly(count: int, first_ms: float = 0.0) -> list[float]:
    """Stamps that run on."""
    return [first_ms + 20.0 * number for number in range(count)]


def test_what_runs_on_stays_as_it_is() -> None:
    assert np.array_equal(placed(evenly(50)), RAMP[: 50 * BLOCK])
    assert np.array_equal(placed([0.0, *[None] * 49]), RAMP[: 50 * BLOCK])


@pytest.mark.parametrize("late_ms", [1.0, 137.0])
def test_a_late_start_is_silence(late_ms: float) -> None:
    silence = round(late_ms * SAMPLE_RATE / 1000)
    found = placed(evenly(50, late_ms))
    assert not found[:silence].any() and np.array_equal(found[silence:], RAMP[: 50 * BLOCK])


def test_what_comes_before_the_film_is_cut() -> None:
    assert np.array_equal(placed(evenly(50, -50.0)), RAMP[800 : 50 * BLOCK])


def test_rounding_moves_nothing() -> None:
    jitter = np.random.default_rng(3).uniform(-3, 3, 60)
    jitter[:21] = 0
    assert np.array_equal(placed(list(np.array(evenly(60)) + jitter)), RAMP[: 60 * BLOCK])


def test_a_gap_is_filled_and_told() -> None:
    warnings: list[str] = []
    found = placed([*evenly(30), *evenly(30, 1600.0)], warnings)
    assert not found[30 * BLOCK : 80 * BLOCK].any()
    assert found[80 * BLOCK] == RAMP[30 * BLOCK]
    assert warnings == ["no sound from 0.6 s on, for 1.0 s"]


def test_what_is_stamped_twice_is_cut_and_told() -> None:
    warnings: list[str] = []
    found = placed([*evenly(60), *evenly(40, 400.0)], warnings)
    assert len(found) == 60 * BLOCK
    assert warnings == ["sound comes twice from 0.4 s on: 0.8 s of it were left out"]


@pytest.mark.parametrize("count", [3, 14, 90])
def test_a_first_stamp_that_is_odd_moves_nothing(count: int) -> None:
    """As phones record: the first block is stamped 16.7 ms too early."""
    found = placed([0.0, *evenly(count, 20.0 + 16.75)])
    assert not found[:268].any() and found[268] == RAMP[0]
    assert np.array_equal(found[268:], RAMP[: (count + 1) * BLOCK])


def test_a_clock_that_runs_away_is_followed() -> None:
    """Stamps 1000 ppm slower than the samples: never more than 6 ms out."""
    stamps = [20.02 * number for number in range(100)] * 1
    found = placed(stamps)
    for number in (40, 70, 99):
        place = int(np.flatnonzero(found == RAMP[number * BLOCK])[0])
        assert 1000 * place / SAMPLE_RATE == pytest.approx(stamps[number], abs=6)


def test_another_ffmpeg_that_takes_over_tells_the_same_again() -> None:
    told = DecoderStamps()
    line = "[Parsed_ashowinfo_1 @ 0x1] n:{} pts:{} rate:16000 nb_samples:320"
    told.begin()
    for number in range(3):
        told.hear(line.format(number, 20_000 * number))
    assert told.next(0.0)
    told.begin()  # it has crashed
    for number in range(5):
        told.hear(line.format(number, 20_000 * number))
    rest = [told.next(0.0) for _ in range(5)]
    assert [block and block.stamp_seconds for block in rest] == [0.02, 0.04, 0.06, 0.08, None]


class _Prompt(DecoderStamps):
    """Fails where a stamp is waited for that has not come."""

    def next(self, wait_seconds: float = 0.0) -> Block:
        block = super().next(0.0)
        assert block, "this would wait for what may never come"
        return block


@pytest.mark.parametrize("block", [320, 1024, 1152, 4608])
@pytest.mark.parametrize("count", [1, 2, 5, 13, 17, 20, 21, 22, 60])
@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_no_stamp_is_waited_for_before_its_sound_has_come(
    block: int, count: int, at_once: int
) -> None:
    told, sound = _Prompt(), np.arange(1, block * count + 1).astype(np.int16)[:, None]

    def decoded() -> Iterator[NDArray[np.int16]]:
        for first in range(0, count, at_once):
            for number in range(first, min(first + at_once, count)):
                microseconds = round(1e6 * number * block / SAMPLE_RATE)
                told.hear(
                    f"[Parsed_ashowinfo_1 @ 0x1] n:{number} pts:{microseconds} "
                    f"rate:16000 nb_samples:{block}"
                )
            yield sound[first * block : (first + at_once) * block]

    pieces = placed_samples(decoded(), told, Placer(Timeline((Epoch(0.0),)), 0), [])
    assert np.array_equal(np.concatenate(list(pieces)), sound)


def test_who_waits_is_told_of_the_end() -> None:
    told = DecoderStamps()
    found: list[Block | None] = []
    waiting = Thread(target=lambda: found.append(told.next(600.0)))
    waiting.start()
    told.end()
    waiting.join(30)
    assert found == [None] and told.next(600.0) is None
    told.begin()  # another one takes over
    assert told.next(0.01) is None
