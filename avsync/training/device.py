"""Where training runs: one processor or GPU, or one of several that `torchrun` started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True, slots=True)
class Place:
    """This process's share of a training.

    Attributes
    ----------
    device : torch.device
        Where it computes.
    rank : int
        Which of the processes it is, from 0.
    world_size : int
        How many there are.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1

    @property
    def leads(self) -> bool:
        """The one process that measures, talks and writes files."""
        return self.rank == 0


def usual_device() -> torch.device:
    """The GPU, or the processor where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def place() -> Iterator[Place]:
    """Join the processes that `torchrun` started, if it did.

    Each takes the GPU of its local rank, or the CPU where there is none.
    """
    if "RANK" not in os.environ:
        yield Place(usual_device())
        return
    on_gpu = torch.cuda.is_available()
    device = torch.device(f"cuda:{os.environ['LOCAL_RANK']}" if on_gpu else "cpu")
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield Place(device, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
