"""How sure an answer is: logistic regression of "right within 40 ms" on its evidence.

Measured on clips that were not trained on, see `avsync.training.trials`. How well the confidence
keeps its word is measured on speakers whose trials it was not fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.model.networks import AnyStreams
from avsync.sync.confidence import Calibration
from avsync.sync.offset import BASIN_MS, Offset
from avsync.tolerance import ACCEPT
from avsync.training.clips import PreparedClip
from avsync.training.trials import OWN, Trial, Trials

LENGTHS = (25, 50, 100, 200, 400)  # windows
REACHES_SECONDS = (1, 1, 3, 10)  # searches of each clip at each length
MISMATCHED_SHARE = 0.35
ROUNDS = 2  # of other shifts and other sounds
RIDGE = 1e-3
FOLDS = 5  # of speakers
BANDS = 10  # of confidence, for the expected calibration error
COVERAGE = 0.92  # of true offsets by `uncertainty_ms`; it is said to be 90 %
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # of resampled half-widths, that are tried
FLOORS_MS = tuple(range(4, 41))  # detectors, crops and codecs move an offset, however long the clip


@dataclass(frozen=True, slots=True)
class Examples:
    """Answers with their evidence, right or wrong.

    Attributes
    ----------
    features : numpy.ndarray
        (N, F), see `avsync.sync.confidence.Evidence.features`.
    right : numpy.ndarray
        (N,)
    speakers : numpy.ndarray
        (N,) who was seen.
    typical_distance : float
        Median of the curves' medians.
    errors : numpy.ndarray
        (N, 2) ms: what resampling says, and what it was; NaN: not known.
    """

    features: NDArray[np.float64]
    right: NDArray[np.bool_]
    speakers: NDArray[np.str_]
    typical_distance: float
    errors: NDArray[np.float64]


def calibrate(
    streams: AnyStreams, clips: Sequence[PreparedClip], tolerance_ms: float, seed: int = 0
) -> dict[str, Any]:
    """Fit confidence on held-out clips.

    Parameters
    ----------
    streams : AnyStreams
        The network.
    clips : sequence of PreparedClip
        That it has not learnt from.
    tolerance_ms : float
        Of a clip's own offset, within which an answer is right: 40 ms where that is known, more
        where clips of the wild are only taken to be in step.
    seed : int, optional
        Of the trials.

    Returns
    -------
    dict
        What a weights file keeps, see `avsync.sync.confidence.Calibration.of`.
    """
    examples = gather(Trials(streams, clips, seed), tolerance_ms)
    calibration = fit(examples.features, examples.right)
    confidence = cross_fitted(examples)
    scale, floor_ms = half_widths(examples.errors[confidence >= ACCEPT])
    return {
        "coefficients": list(calibration.coefficients),
        "intercept": calibration.intercept,
        "typical_distance": examples.typical_distance,
        "uncertainty_scale": scale,
        "uncertainty_floor_ms": floor_ms,
        "tolerance_ms": tolerance_ms,
        "examples": len(examples.right),
        "expected_error": round(expected_error(confidence, examples.right), 4),
        "reliability": reliability(confidence, examples.right),
    }


def gather(trials: Trials, tolerance_ms: float) -> Examples:
    """Evidence and truth of every trial that has an answer at all."""
    evidence, right, speakers, errors = [], [], [], []
    for _ in range(ROUNDS):
        for trial in trials.sweep(LENGTHS, REACHES_SECONDS, MISMATCHED_SHARE):
            offset = trial.offset()
            if offset is None:
                continue
            evidence.append(offset.evidence)
            right.append(trial.is_right(offset.offset_ms, tolerance_ms))
            speakers.append(trial.clip.source.speaker)
            errors.append((offset.uncertainty_ms, _error_ms(trial, offset)))
    features = np.array([e.features for e in evidence])
    typical = float(np.median([e.median_distance for e in evidence]))
    return Examples(features, np.array(right), np.array(speakers), typical, np.array(errors))


def _error_ms(trial: Trial, offset: Offset) -> float:
    """How far an answer is off, or would be had the clip's own offset been measured elsewhere.

    That was measured on all of the clip, of which the trial shows a share; but on clean sound, of
    which a trial with noise shows little. NaN: more than half is shown, or the answer is another
    minimum.
    """
    error_ms = abs(offset.offset_ms - trial.truth_ms)
    if trial.heard not in OWN or error_ms > BASIN_MS:
        return np.nan
    share = trial.share if trial.heard == "own" else 0.0
    return error_ms / float(np.sqrt(1 - share)) if share <= 0.5 else np.nan


def half_widths(errors: NDArray[np.float64]) -> tuple[float, float]:
    """What makes of resampled half-widths the narrowest that cover the errors.

    Parameters
    ----------
    errors : numpy.ndarray
        (N, 2) as `Examples.errors`.

    Returns
    -------
    tuple of float
        Scale, and floor in ms.
    """
    resampled, error = errors[np.isfinite(errors).all(axis=1)].T
    if not len(error):
        return 1.0, 0.0
    tried = [
        (float(np.mean(width)), scale, float(floor_ms))
        for scale in SCALES
        for floor_ms in FLOORS_MS
        if np.mean(error <= (width := np.hypot(scale * resampled, floor_ms))) >= COVERAGE
    ]
    _, scale, floor_ms = min(tried, default=(0.0, max(SCALES), float(max(FLOORS_MS))))
    return scale, floor_ms


def fit(features: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Logistic regression by Newton's method, with a small ridge on standardised features.

    Parameters
    ----------
    features : numpy.ndarray
        (N, F).
    right : numpy.ndarray
        (N,) what is to be told.
    """
    mean, deviation = features.mean(0), features.std(0) + 1e-9
    design = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    theta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ theta, -30, 30)))
        gradient = design.T @ (p - right) + RIDGE * len(right) * theta
        hessian = (design.T * (p * (1 - p))) @ design + RIDGE * len(right) * np.eye(len(theta))
        theta -= np.linalg.solve(hessian, gradient)
    slopes = theta[:-1] / deviation
    return Calibration(tuple(map(float, slopes)), float(theta[-1] - slopes @ mean))


def cross_fitted(examples: Examples) -> NDArray[np.float64]:
    """Confidence of each answer, fitted on the answers of other speakers.

    Returns
    -------
    numpy.ndarray
        (N,).
    """
    names, number = np.unique(examples.speakers, return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(names))[number] % FOLDS
    confidence = np.zeros(len(fold))
    for k in range(FOLDS):
        others = fold != k
        if others.all() or not others.any():
            continue
        calibration = fit(examples.features[others], examples.right[others])
        confidence[~others] = calibration.probabilities(examples.features[~others])
    return confidence


def expected_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: |mean confidence - share right| over bands, by their sizes.

    Parameters
    ----------
    confidence : numpy.ndarray
        (N,) from 0 to 1.
    right : numpy.ndarray
        (N,) whether the answers were.

    References
    ----------
    Naeini, Cooper, Hauskrecht: Obtaining Well Calibrated Probabilities Using Bayesian Binning, AAAI
    2015.
    """
    band = np.minimum((confidence * BANDS).astype(int), BANDS - 1)
    gaps = [
        abs(confidence[band == k].mean() - right[band == k].mean()) * np.mean(band == k)
        for k in np.unique(band)
    ]
    return float(sum(gaps))


def reliability(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Of answers with a confidence in each band: how many, how sure they were, how many right."""
    bands = []
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            bands.append(
                {
                    "answers": int(inside.sum()),
                    "confidence": round(float(confidence[inside].mean()), 3),
                    "right": round(float(right[inside].mean()), 3),
                }
            )
    return bands
