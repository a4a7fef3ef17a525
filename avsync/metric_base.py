"""The part of torchmetrics' `Metric` that avsync's metrics use, for where that is not installed."""

from typing import Any

import torch


class Metric:
    """Named states that are added up."""

    def __init__(self) -> None:
        self._defaults: dict[str, torch.Tensor] = {}

    def add_state(self, name: str, default: torch.Tensor, dist_reduce_fx: str) -> None:
        """A state, and what it is before any update; all are sums."""
        self._defaults[name] = default
        setattr(self, name, default.clone())

    def reset(self) -> None:
        """Forget all updates."""
        for name, default in self._defaults.items():
            setattr(self, name, default.clone())

    def merge_state(self, incoming_state: "Metric") -> None:
        """Add what another has counted."""
        for name in self._defaults:
            setattr(self, name, getattr(self, name) + getattr(incoming_state, name))

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)
