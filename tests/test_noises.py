"""Sounds that are put over speech: as loud as asked, never twice the same."""

import numpy as np
import pytest

from avsync.training.noises import coloured_noise, mix_at_snr, music, room_noise

COUNT = 16_000


@pytest.mark.parametrize("ratio_db", [-3.0, 0.0, 12.0])
def test_noise_is_as_far_below_speech_as_asked(ratio_db: float) -> None:
    rng = np.random.default_rng(0)
    speech = (3000 * rng.normal(size=COUNT)).astype(np.int16)
    noise = 0.01 * rng.normal(size=COUNT // 3)  # is repeated
    over = mix_at_snr(speech, noise, ratio_db) - speech
    heard_db = 20 * np.log10(speech.astype(float).std() / over.std())
    assert heard_db == pytest.approx(ratio_db, abs=0.05)


def test_silence_stays_finite() -> None:
    assert np.isfinite(mix_at_snr(np.zeros(COUNT, np.int16), np.zeros(10), 0.0)).all()


def test_tunes_are_all_different_and_fill_their_time() -> None:
    tunes = [music(COUNT, np.random.default_rng(seed)) for seed in range(8)]
    for tune in tunes:
        assert tune.shape == (COUNT,) and np.abs(tune).max() == pytest.approx(1)
        assert all(part.std() > 1e-3 for part in np.split(tune, 2))
    alike = np.corrcoef(tunes) - np.eye(len(tunes))
    assert np.abs(alike).max() < 0.5
    assert np.array_equal(tunes[3], music(COUNT, np.random.default_rng(3)))


def test_noise_and_hush_have_their_length() -> None:
    rng = np.random.default_rng(0)
    assert coloured_noise(COUNT, rng).shape == (COUNT,)
    assert np.abs(room_noise(COUNT, rng)).max() < 20
