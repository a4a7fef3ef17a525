"""Means over files, and how far they can be relied on."""

from collections.abc import Iterable
from dataclasses import dataclass

LEVEL = 0.95  # of intervals
RESAMPLES = 9999
FEWEST = 5  # files that have an interval: of fewer it would be too narrow


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over files.

    Attributes
    ----------
    mean : float
        Of them.
    low, high : float or None
        Its 95 % interval: bias-corrected and accelerated bootstrap over files (Efron 1987). None
        for fewer than five files.
    count : int
        Files.
    """

    mean: float
    low: float | None
    high: float | None
    count: int


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """The mean of values, with its interval; None of none.

    Parameters
    ----------
    values : iterable of float
        One for each file.

    Returns
    -------
    Estimate or None
        Always the same for the same values.

    Examples
    --------
    >>> estimate([7.0] * 5)
    Estimate(mean=7.0, low=7.0, high=7.0, count=5)
    """
    import numpy as np

    known = np.array([value for value in values if value is not None], float)
    if not len(known):
        return None
    mean = float(known.mean())
    if len(known) < FEWEST:
        return Estimate(mean, None, None, len(known))
    if np.ptp(known) == 0:
        return Estimate(mean, mean, mean, len(known))
    from scipy.stats import bootstrap

    found = bootstrap(
        (known,),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high), len(known))
