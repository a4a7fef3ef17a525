"""A network that learns, step by step, alike however often its run is interrupted."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from avsync.training.device import Place
from avsync.training.schedule import learning_rate

WEIGHT_DECAY = 0.02
MAX_GRADIENT = 5.0  # norm over all parameters


@dataclass(slots=True)
class TrainingState:
    """A network, its optimiser, and how far they have got.

    Attributes
    ----------
    network : nn.Module
        All that learns.
    optimiser : torch.optim.AdamW
        Parameter groups may have a `share`: of the learning rate.
    steps : int
        Of the whole training.
    highest_rate : float
        Learning rate at its highest, see `avsync.training.schedule`.
    seed : int
        Of everything random.
    step : int
        Steps done.
    """

    network: nn.Module
    optimiser: torch.optim.AdamW
    steps: int
    highest_rate: float
    seed: int
    step: int = 0

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return learning_rate(self.step - 1, self.steps, self.highest_rate)

    @property
    def is_done(self) -> bool:
        """Whether there are no steps left."""
        return self.step >= self.steps

    def update(self, loss_of: Callable[[], Tensor], here: Place) -> float:
        """One step down the gradient of the loss that is worked out meanwhile; returns that loss.

        What is drawn at random depends on the number of the step alone, as the batch does.
        """
        rate = learning_rate(self.step, self.steps, self.highest_rate)
        for group in self.optimiser.param_groups:
            group["lr"] = group.get("share", 1.0) * rate
        torch.manual_seed((self.seed << 32) + self.step * here.world_size + here.rank)
        self.network.train()
        loss = loss_of()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRADIENT)
        self.optimiser.step()
        self.step += 1
        return loss.item()
