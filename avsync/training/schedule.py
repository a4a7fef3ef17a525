"""How fast a training learns at each of its steps."""

import math

WARM_UP_STEPS = 200  # at most; a tenth of a short training


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of the highest.

    Parameters
    ----------
    step : int
        From 0.
    steps : int
        Of the whole training.
    highest : float
        Rate.

    Examples
    --------
    >>> [round(learning_rate(step, 1000, 1.0), 3) for step in (0, 99, 550, 999)]
    [0.01, 1.0, 0.505, 0.01]

    References
    ----------
    Loshchilov, Hutter: SGDR, ICLR 2017.
    """
    warm_up = max(1, min(WARM_UP_STEPS, steps // 10))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
