"""What a training says of itself: lines for people, TensorBoard files where that is installed."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from avsync.training.accuracy import Accuracy

SAY_EVERY_STEPS = 50


class Log:
    """Loss and accuracy of the steps of a training.

    Parameters
    ----------
    folder : Path
        For TensorBoard's files.
    say : callable
        Gets lines for people.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._say, self._started = say, time.monotonic()
        self._losses: list[float] = []
        self._writer: Any = None
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder)

    def loss(self, step: int, loss: float, learning_rate: float) -> None:
        """Of one step; people are told the mean of many."""
        self._losses.append(loss)
        self._scalar("loss", loss, step)
        self._scalar("learning_rate", learning_rate, step)
        if step % SAY_EVERY_STEPS == 0:
            mean = sum(self._losses) / len(self._losses)
            minutes = (time.monotonic() - self._started) / 60
            self._say(f"step {step}: loss {mean:.3f}, {minutes:.1f} min")
            self._losses = []

    def accuracy(self, step: int, measured: Accuracy) -> None:
        """On the speakers held out."""
        self._say(f"step {step}: {measured}")
        for frames, share in measured.by_frames.items():
            self._scalar(f"accuracy/{frames}_frames", share, step)
        self._scalar("accuracy/clips", measured.clips, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer:
            self._writer.close()

    def _scalar(self, name: str, value: float, step: int) -> None:
        if self._writer:
            self._writer.add_scalar(name, value, step)
