"""Several channels become one: nothing of the speech cancels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from timeline import click_samples, make_clicks, run

from avsync.media.channels import to_mono
from avsync.media.decode import read_samples
from avsync.media.probe import probe
from avsync.timebase import SAMPLE_RATE

SECONDS = 4
Chunk = NDArray[np.int16]


def voice(seed: int = 0, level: float = 3000.0) -> NDArray[np.float64]:
    """Noise that is as loud as speech."""
    return np.random.default_rng(seed).normal(0, level, SECONDS * SAMPLE_RATE)


def mono(*channels: NDArray[np.float64], piece: int = SAMPLE_RATE) -> NDArray[np.int16]:
    """Channels made one, piece by piece."""
    samples = np.stack(channels, axis=1).astype(np.int16)
    pieces = (samples[start : start + piece] for start in range(0, len(samples), piece))
    return np.concatenate(list(to_mono(pieces)))


def test_one_channel_stays_as_it_is() -> None:
    assert np.array_equal(mono(voice()), voice().astype(np.int16))


def test_equal_channels_are_their_mean() -> None:
    assert np.array_equal(mono(voice(), voice()), voice().astype(np.int16))


@pytest.mark.parametrize("gain", [1.0, 0.5, 2.0])
def test_a_channel_turned_over_is_turned_back(gain: float) -> None:
    heard = mono(voice(), -gain * voice())
    assert np.abs(heard).mean() == pytest.approx((1 + gain) / 2 * np.abs(voice()).mean(), rel=0.01)


def test_a_dead_channel_takes_nothing_but_half_the_level() -> None:
    heard = mono(voice(), np.zeros(SECONDS * SAMPLE_RATE))
    assert heard == pytest.approx(voice() / 2, abs=1.0)


def test_different_channels_are_both_heard() -> None:
    heard = mono(voice(0), voice(1)).astype(float)
    for seed in (0, 1):
        assert np.corrcoef(heard, voice(seed))[0, 1] > 0.65


def test_the_loudest_there_is_stays_on_its_side() -> None:
    """Half of what lies between both ends of 16 bits is more than they hold."""
    loudest = np.full(SAMPLE_RATE, 32767.0)
    assert mono(loudest, -loudest - 1).min() == 32767


def test_what_turns_over_late_is_noticed() -> None:
    """A microphone of its own on each channel for a second, then the soldered cable."""
    turned = np.where(np.arange(SECONDS * SAMPLE_RATE) < SAMPLE_RATE, voice(1, 300), -voice())
    heard = mono(voice(), turned)[2 * SAMPLE_RATE :]
    assert np.abs(heard).mean() == pytest.approx(np.abs(voice()).mean(), rel=0.05)


@pytest.mark.parametrize(
    ("layout", "pan"),
    [
        ("mono", "mono|c0=c0"),
        ("stereo", "stereo|c0=c0|c1=c0"),
        ("turned over", "stereo|c0=c0|c1=-1*c0"),
        ("left alone", "stereo|c0=c0"),
        ("right alone", "stereo|c1=c0"),
        ("centre of 5.1", "5.1|FC=c0"),
        ("front of 5.1, turned over", "5.1|FL=c0|FR=-1*c0"),
    ],
)
def test_clicks_are_heard_on_whichever_channel_they_are(
    tmp_path: Path, layout: str, pan: str
) -> None:
    clip, path = tmp_path / "clip.mkv", tmp_path / "panned.mkv"
    make_clicks(clip, "-c:v", "mpeg4", "-c:a", "pcm_s16le")
    run("-i", clip, "-c:v", "copy", "-af", f"pan={pan}", "-c:a", "pcm_s16le", path)
    heard = np.concatenate(list(read_samples(probe(path)))).astype(float)
    said = click_samples()[:: 48_000 // SAMPLE_RATE].astype(float)
    length = min(len(said), len(heard))
    assert abs(np.corrcoef(said[:length], heard[:length])[0, 1]) > 0.9, layout
    assert np.abs(heard).max() > 0.2 * np.abs(said).max()
