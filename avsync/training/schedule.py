"""How fast a training learns at each of its steps."""

import math

WARM_UP_STEPS = 200  # at most; a tenth of a short training


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Linear warm-up, then half a cosine down to a hundredth of the highest."""
    warm_up = max(1, min(WARM_UP_STEPS, steps // 10))
    if step < warm_up:
        return highest * (step + 1) / warm_up
    done = (step - warm_up) / max(1, steps - warm_up)
    return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)
