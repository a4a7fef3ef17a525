"""Evidence of made curves, and the probability that is made of it."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from avsync.errors import WeightsError
from avsync.sync.confidence import FEATURE_COUNT, Agreement, Calibration, Evidence, measure_evidence
from avsync.training.calibrate import (
    Examples,
    cross_fitted,
    expected_error,
    fit,
    half_widths,
    reliability,
)

FLAT = np.full(201, 1.3, np.float32)
COUNTS = np.full(201, 100, np.float32)
EVIDENCE = Evidence(
    min_distance=0.9,
    median_distance=1.3,
    prominence=4.0,
    margin=3.0,
    width_hops=8,
    agreement=1.0,
    halves=1.0,
    t_statistic=9.0,
    fraction_improving=0.9,
    windows=100,
    shifts=201,
)
ALIKE = Agreement(agreement=1.0, halves=1.0, t_statistic=9.0, fraction_improving=1.0)


def _dips(*dips: tuple[int, float, int]) -> np.ndarray:
    """A flat curve with dips: (index, depth, half-width)."""
    curve = FLAT.copy()
    for at, depth, half in dips:
        for k in range(-half, half + 1):
            curve[at + k] = min(curve[at + k], 1.3 - depth * (1 - abs(k) / (half + 1)))
    return curve


def test_evidence_is_what_the_curve_shows() -> None:
    agreement = replace(ALIKE, agreement=0.8)
    evidence = measure_evidence(_dips((50, 0.4, 7), (150, 0.1, 7)), COUNTS, 50, agreement, 100)
    assert evidence.min_distance == pytest.approx(0.9)
    assert evidence.median_distance == pytest.approx(1.3)
    assert evidence.prominence == pytest.approx(0.4 * 10, abs=1e-4)  # root of 100 windows
    assert evidence.margin == pytest.approx(0.3 * 10, abs=1e-4)
    assert evidence.width_hops == 7  # points within half the depth
    assert (evidence.agreement, evidence.windows, evidence.shifts) == (0.8, 100, 201)


def test_few_windows_make_a_minimum_weak() -> None:
    """A dip of the same depth where only a quarter of the windows had a sound."""
    counts = COUNTS.copy()
    counts[:100] = 25
    curve = _dips((50, 0.4, 7), (150, 0.4, 7))
    left, right = (measure_evidence(curve, counts, at, ALIKE, 100) for at in (50, 150))
    assert left.margin < 0 < right.margin


def test_points_that_were_not_judged_are_no_evidence() -> None:
    curve = _dips((50, 0.4, 7))
    curve[:20] = curve[180:] = np.nan
    evidence = measure_evidence(curve, COUNTS, 50, ALIKE, 100)
    assert evidence.shifts == 160
    assert np.isfinite(evidence.features).all()


def test_a_curve_of_little_more_than_its_minimum_has_evidence() -> None:
    curve = np.array([1.2, 1.0, 1.2], np.float32)
    evidence = measure_evidence(curve, COUNTS[:3], 1, ALIKE, 100)
    assert evidence.margin == evidence.prominence
    assert np.isfinite(evidence.features).all()


def test_confidence_is_the_logistic_function_of_the_features() -> None:
    stored = json.loads(json.dumps({"coefficients": [0] * 5 + [2] + [0] * 9, "intercept": -1}))
    calibration = Calibration.of(stored)
    assert calibration.confidence(replace(EVIDENCE, agreement=0.5)) == 0.5
    assert calibration.confidence(EVIDENCE) == pytest.approx(1 / (1 + math.exp(-1)))
    assert calibration.confidence(replace(EVIDENCE, agreement=-1e9)) < 1e-6


def test_a_calibration_of_another_version_is_refused() -> None:
    with pytest.raises(WeightsError, match="another version"):
        Calibration.of({"coefficients": [1, 2, 3, 4, 5], "intercept": 0})


def test_a_borrowed_calibration_does_not_mind_the_scale() -> None:
    stored = {
        "coefficients": [-3, 5, 0.5, 0.5, 0.1, 2, 0.1, -0.2, 1, 0.1, 1, -0.5, 0.2, 0.1, 1],
        "intercept": -8,
        "typical_distance": 1.3,
    }
    own, borrowed = Calibration.of(stored), Calibration.of(stored, borrowed=True)
    assert borrowed.confidence(EVIDENCE) == pytest.approx(own.confidence(EVIDENCE))
    large = EVIDENCE.scaled(7.0)
    assert borrowed.confidence(large) == pytest.approx(own.confidence(EVIDENCE))
    assert own.confidence(large) != pytest.approx(own.confidence(EVIDENCE), abs=0.01)


def _examples(count: int = 20000, speakers: int = 50) -> tuple[Examples, np.ndarray]:
    """Made evidence with known probabilities."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(count, FEATURE_COUNT)) * (1, 5, 0.1, 2, *(11 * [1]))
    score = features @ (0.8, -0.2, 3.0, 0.0, 0.1, 0.5, *(9 * [0.0])) - 0.5
    probability = 1 / (1 + np.exp(-score))
    right = rng.random(count) < probability
    names = rng.integers(speakers, size=count).astype(str)
    return Examples(features, right, names, 1.3, np.full((count, 2), np.nan)), probability


def test_calibration_finds_the_probabilities_it_was_made_from() -> None:
    examples, probability = _examples()
    confidence = fit(examples.features, examples.right).probabilities(examples.features)
    assert np.abs(confidence - probability).max() < 0.08
    assert np.abs(cross_fitted(examples) - probability).max() < 0.08


def test_no_speaker_calibrates_himself() -> None:
    """One speaker's answers are all wrong, against his evidence: only the others count for him."""
    examples, probability = _examples()
    his = examples.speakers == "7"
    confidence = cross_fitted(replace(examples, right=examples.right & ~his))
    assert np.abs(confidence[his] - probability[his]).mean() < 0.05


def test_half_widths_are_the_narrowest_that_cover() -> None:
    """Errors with a floor of 12 ms that resampling says nothing about."""
    rng = np.random.default_rng(0)
    resampled = rng.uniform(2, 40, 4000)
    error = np.abs(rng.normal(0, np.hypot(0.5 * resampled, 12) / 1.645))
    scale, floor_ms = half_widths(np.column_stack([resampled, error]))
    assert scale in (0.25, 0.5, 0.75) and 9 <= floor_ms <= 18
    assert np.mean(error <= np.hypot(scale * resampled, floor_ms)) >= 0.92


def test_unknown_errors_are_left_out_and_none_leave_widths_as_they_are() -> None:
    errors = np.array([[5.0, np.nan], [5.0, 3.0]])
    assert half_widths(errors) == (0.0, 4.0)
    assert half_widths(errors[:1]) == (1.0, 0.0)


def test_uncertainty_has_a_floor() -> None:
    calibration = Calibration((0.0,) * FEATURE_COUNT, 0.0, 0.5, 12.0)
    assert calibration.uncertainty_ms(10.0) == pytest.approx(13.0)


def test_expected_error_is_the_gap_between_said_and_seen() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(20000)
    assert expected_error(confidence, rng.random(20000) < confidence) < 0.02
    assert expected_error(confidence, rng.random(20000) < confidence - 0.2) > 0.15
    assert expected_error(np.full(10, 0.9), np.ones(10, bool)) == pytest.approx(0.1)


def test_reliability_counts_every_answer_once() -> None:
    confidence = np.array([0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0])
    bands = reliability(confidence, confidence > 0.5)
    assert [band["answers"] for band in bands] == [1, 1, 1, 1, 1, 2]
    assert [band["right"] for band in bands] == [0, 0, 0, 1, 1, 1]
