"""How streams are trained."""

from dataclasses import dataclass

from avsync.training.objectives import MARGIN, ObjectiveName, Similarity


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; with the data, this determines the weights.

    Attributes
    ----------
    config : str
        Network, of `avsync.model.config.CONFIGS`.
    objective : str
        multiway, contrastive or avenet.
    n_way : int
        Candidates of each picture, of its own clip.
    similarity : str
        Of multiway: cosine or inverse-distance.
    margin : float
        Of contrastive.
    steps : int
        0 with `start`: calibrate only.
    windows : int
        Of all clips of a batch.
    learning_rate : float
        At its highest.
    averaging_steps : int
        The weights kept are an exponential average over about so many.
    seed : int
        Of everything random.
    start : str or None
        Weights to start from, by name or path.
    """

    config: str = "default"
    objective: ObjectiveName = "multiway"
    n_way: int = 24
    similarity: Similarity = "cosine"
    margin: float = MARGIN
    steps: int = 4000
    windows: int = 480
    learning_rate: float = 1e-3
    averaging_steps: int = 100
    seed: int = 0
    start: str | None = None
