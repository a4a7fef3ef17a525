"""The file beside an output that lets a training that was killed go on where it was."""

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from avsync.errors import DataError
from avsync.system.atomic import write_whole
from avsync.training.state import TrainingState


class Checkpoint:
    """Written now and then, read when the same training begins again, removed at its end.

    Parameters
    ----------
    output : Path
        What the training will write.
    state : TrainingState
        Its optimiser and step are kept.
    networks : mapping of str to nn.Module
        Whose tensors are kept, by their names in the file.
    identity : dict of str to dict
        What the training is, by its name in the file: options, and all else that decides its
        result.
    defaults : dict
        Options as they are unless told otherwise: files of older versions have fewer.
    every_seconds : float
        How often it is written.
    """

    def __init__(
        self,
        output: Path,
        state: TrainingState,
        networks: Mapping[str, nn.Module],
        identity: dict[str, dict[str, Any]],
        defaults: dict[str, Any],
        every_seconds: float,
    ) -> None:
        self.path = output.with_suffix(".checkpoint")
        self._state, self._networks = state, networks
        self._identity, self._defaults = identity, defaults
        self._every_seconds, self._written = every_seconds, time.monotonic()

    def resume(self) -> None:
        """Go on where the file ends, if there is one.

        Raises
        ------
        DataError
            Where the file is of another training.
        """
        if not self.path.exists():
            return
        saved = torch.load(self.path, map_location="cpu", weights_only=True)
        known = {name: {**self._defaults, **saved[name]} for name in self._identity}
        if known != self._identity:
            raise DataError(
                f"{self.path}: of a training with other options or data; "
                "delete it or change --output"
            )
        for name, network in self._networks.items():
            network.load_state_dict(saved[name])
        self._state.optimiser.load_state_dict(saved["optimiser"])
        self._state.step = saved["step"]

    def write_if_due(self) -> None:
        """Write it, unless it was written a moment ago."""
        if time.monotonic() - self._written < self._every_seconds:
            return
        file = io.BytesIO()
        tensors = {name: network.state_dict() for name, network in self._networks.items()}
        tensors["optimiser"] = self._state.optimiser.state_dict()
        torch.save({**self._identity, "step": self._state.step, **tensors}, file)
        write_whole(self.path, file.getvalue())
        self._written = time.monotonic()

    def remove(self) -> None:
        """The training is done."""
        self.path.unlink(missing_ok=True)
