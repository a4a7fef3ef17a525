"""Stage 5d: how sure an offset is, from the shape of its distance curve (numpy only).

A wrong sound has minima too: confidence asks how deep this one is, how far it stands out from the
next, whether blocks of time agree on it, and how many windows and candidates there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import WeightsError

FEATURE_COUNT = 15  # of `Evidence.features`
SIDE_HOPS = 8  # points this near to a minimum belong to it


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a minimum of a distance curve.

    Attributes
    ----------
    min_distance : float
        At the minimum.
    median_distance : float
        Of the whole curve.
    prominence : float
        Depth below the median, times the root of the windows compared there.
    margin : float
        Prominence less that of the most prominent other minimum.
    width_hops : int
        Of the dip at half its depth.
    agreement : float
        Share of resampled curves with a minimum within 40 ms.
    halves : float
        Share of the two halves of time with a minimum of their own within 40 ms.
    t_statistic : float
        What a block gains over the median, in standard errors of the mean.
    fraction_improving : float
        Share of the blocks that gain.
    windows : float
        Of picture.
    shifts : int
        Candidates judged.
    """

    min_distance: float
    median_distance: float
    prominence: float
    margin: float
    width_hops: int
    agreement: float
    halves: float
    t_statistic: float
    fraction_improving: float
    windows: float
    shifts: int

    @property
    def features(self) -> tuple[float, ...]:
        """What confidence is a logistic function of.

        The products are there because much picture lends weight to a little depth.
        """
        depth = self.median_distance - self.min_distance
        size = float(np.log(self.windows + 1))
        return (
            self.min_distance,
            depth,
            self.prominence,
            self.margin,
            float(np.log(self.width_hops)),
            self.agreement,
            size,
            float(np.log(self.shifts + 1)),
            self.halves,
            self.t_statistic,
            self.fraction_improving,
            size * self.min_distance,
            size * depth,
            size * self.agreement,
            depth * self.agreement,
        )

    def scaled(self, factor: float) -> "Evidence":
        """The same curve with all distances times `factor`."""
        return replace(
            self,
            min_distance=self.min_distance * factor,
            median_distance=self.median_distance * factor,
            prominence=self.prominence * factor,
            margin=self.margin * factor,
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """Logistic regression of "within 40 ms of the truth" on evidence, kept with the weights.

    Attributes
    ----------
    coefficients : tuple of float
        (F,) for `Evidence.features`.
    intercept : float
        Log odds without evidence.
    uncertainty_scale : float
        Errors are so many times what resampled blocks say ...
    uncertainty_floor_ms : float
        ... and at least so large.
    typical_distance : float or None
        Of borrowed calibrations: brings evidence to their scale.

    References
    ----------
    Platt: Probabilistic Outputs for Support Vector Machines, 1999: scores become probabilities so.
    """

    coefficients: tuple[float, ...]
    intercept: float
    uncertainty_scale: float = 1.0
    uncertainty_floor_ms: float = 0.0
    typical_distance: float | None = None

    @classmethod
    def of(cls, stored: dict[str, Any], borrowed: bool = False) -> "Calibration":
        """As a weights file has it.

        Parameters
        ----------
        stored : dict of str to any
            By the names of the attributes.
        borrowed : bool, optional
            Whether for weights whose distances have another scale.

        Raises
        ------
        WeightsError
            For what was fitted to other evidence, by another version.
        """
        if len(stored["coefficients"]) != FEATURE_COUNT:
            raise WeightsError(
                "these weights were calibrated by another version of avsync; calibrate them again: "
                "avsync train DATA --start WEIGHTS --steps 0"
            )
        typical = float(stored["typical_distance"]) if borrowed else None
        return cls(
            tuple(stored["coefficients"]),
            float(stored["intercept"]),
            float(stored.get("uncertainty_scale", 1.0)),
            float(stored.get("uncertainty_floor_ms", 0.0)),
            typical,
        )

    def confidence(self, evidence: Evidence) -> float:
        """Probability that an offset with this evidence is right."""
        if self.typical_distance is not None:
            evidence = evidence.scaled(self.typical_distance / max(evidence.median_distance, 1e-6))
        return float(self.probabilities([evidence.features])[0])

    def uncertainty_ms(self, resampled_ms: float) -> float:
        """Half-width of the 90 % interval, from that of resampled blocks."""
        return float(np.hypot(self.uncertainty_scale * resampled_ms, self.uncertainty_floor_ms))

    def probabilities(
        self, features: Sequence[Sequence[float]] | NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Confidence of many.

        Parameters
        ----------
        features : sequence of sequence of float or numpy.ndarray
            (N, F) of `Evidence`.

        Returns
        -------
        numpy.ndarray
            (N,) from 0 to 1.
        """
        score = self.intercept + np.asarray(features) @ np.array(self.coefficients)
        return np.asarray(1 / (1 + np.exp(-np.clip(score, -30, 30))))


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well blocks of time agree on a minimum.

    Attributes
    ----------
    agreement, halves, t_statistic, fraction_improving : float
        See `Evidence`.
    """

    agreement: float
    halves: float
    t_statistic: float
    fraction_improving: float


def measure_evidence(
    curve: NDArray[np.float32],
    counts: NDArray[np.float32],
    best: int,
    agreement: Agreement,
    windows: float,
) -> Evidence:
    """Evidence for one point of a mean distance curve.

    Parameters
    ----------
    curve : numpy.ndarray
        (shifts,); NaN: not judged.
    counts : numpy.ndarray
        (shifts,) windows compared.
    best : int
        Index of the point.
    agreement : Agreement
        Of the blocks.
    windows : float
        Of picture.
    """
    judged = np.isfinite(curve)
    median = float(np.median(curve[judged]))
    prominence = np.where(judged, (median - curve) * np.sqrt(np.maximum(counts, 0)), -np.inf)
    elsewhere = prominence[np.abs(np.arange(len(curve)) - best) > SIDE_HOPS]
    others = elsewhere[np.isfinite(elsewhere)]
    return Evidence(
        min_distance=float(curve[best]),
        median_distance=median,
        prominence=float(prominence[best]),
        margin=float(prominence[best] - others.max(initial=0.0)),
        width_hops=_width(curve, best, (median + float(curve[best])) / 2),
        agreement=agreement.agreement,
        halves=agreement.halves,
        t_statistic=agreement.t_statistic,
        fraction_improving=agreement.fraction_improving,
        windows=windows,
        shifts=int(judged.sum()),
    )


def _width(curve: NDArray[np.float32], best: int, level: float) -> int:
    """Points around `best` that lie below `level` without a gap."""
    below = np.nan_to_num(curve, nan=np.inf) < level
    right = int(np.argmin(np.append(below[best:], False)))
    left = int(np.argmin(np.append(below[best::-1], False)))
    return max(1, left + right - 1)
