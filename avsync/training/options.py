"""How streams are trained."""

from dataclasses import dataclass

from avsync.training.objectives import MARGIN, ObjectiveName, Similarity


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; with the data, this determines the weights."""

    config: str = "default"  # of `avsync.model.CONFIGS`
    objective: ObjectiveName = "multiway"
    n_way: int = 24  # candidates of each picture, of its own clip
    similarity: Similarity = "cosine"  # of multiway
    margin: float = MARGIN  # of contrastive
    steps: int = 4000
    windows: int = 480  # of all clips of a batch
    learning_rate: float = 1e-3
    averaging_steps: int = 100  # weights kept are an exponential average over about so many
    seed: int = 0
    start: str | None = None  # weights to start from
