"""Lip-sync error as a metric that is updated clip by clip, in the shape of TorchMetrics.

>>> metric = LipSyncError()
>>> import numpy as np
>>> metric.update(np.zeros((50, 64, 64, 3), np.uint8), np.zeros(32_000, np.float32))
>>> metric.compute()["scored"].item()  # nobody is seen
0
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from avsync.errors import UsageError
from avsync.media.clip import Clip
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

try:
    from torchmetrics import Metric
except ImportError:  # the same without what it does across processes
    from avsync.metric_base import Metric  # type: ignore[assignment]

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from avsync.report import SyncReport


class LipSyncError(Metric):
    """Means of LSE-D and LSE-C over clips, which are given as arrays; nothing is written to disk.

    Where torchmetrics is installed this is one of its metrics, with all that belongs to that
    (collections, `forward`, sums over processes); else it has `update`, `compute`, `reset` and
    `merge_state` all the same.

    Parameters
    ----------
    frames_per_second : float, optional
        Of the pictures.
    sample_rate : int, optional
        Of the sound, in Hz.
    weights, faces, cropped, device : optional
        As in `avsync.DetectOptions`. Papers report figures of the weights `syncnet_v2`.
    **torchmetrics_options : dict
        For `torchmetrics.Metric`.

    Raises
    ------
    UsageError
        Where an option makes no sense.
    WeightsError
        By the first `update`, where the weights are not there.

    Notes
    -----
    The figures are those of `avsync score`: of the face with most evidence, computed as
    joonson/syncnet_python does. LSE-D is better lower, LSE-C higher.
    """

    full_state_update = False
    higher_is_better = None  # of two figures, one is and one is not

    sum_d: torch.Tensor
    sum_c: torch.Tensor
    scored: torch.Tensor
    clips: torch.Tensor

    def __init__(
        self,
        frames_per_second: float = FRAMES_PER_SECOND,
        sample_rate: int = SAMPLE_RATE,
        *,
        weights: str = "default",
        faces: str = "auto",
        cropped: bool = False,
        device: str = "auto",
        **torchmetrics_options: Any,
    ) -> None:
        super().__init__(**torchmetrics_options)
        self.frames_per_second, self.sample_rate = frames_per_second, sample_rate
        self.options = DetectOptions(
            faces=faces, cropped=cropped, weights=weights, device=device, upstream_scoring=True
        )
        self._pipeline: Pipeline | None = None
        for name, kind in (("sum_d", torch.float64), ("sum_c", torch.float64),
                           ("scored", torch.int64), ("clips", torch.int64)):  # fmt: skip
            self.add_state(name, torch.zeros((), dtype=kind), dist_reduce_fx="sum")

    def update(self, video: "ArrayLike", audio: "ArrayLike") -> None:
        """Add a clip, or a batch of them; of one that is refused, nothing is added.

        The network sees the pictures of a clip in batches, on the metric's device.

        Parameters
        ----------
        video : tensor, array or sequence of them
            (T, H, W, 3) or (T, 3, H, W) uint8, RGB; a batch has one more dimension in front, or is
            a list of such arrays.
        audio : tensor, array or sequence of them
            (N,) or (N, C): int16, or floats from -1 to 1; as many as there are clips.

        Raises
        ------
        UsageError
            Where an array has another shape or type, or there are not as many of both.
        """
        for clip in self._clips(video, audio):
            report = self._measured(clip)
            self.clips += 1
            if scores := report.upstream:
                self.sum_d += scores.lse_d
                self.sum_c += scores.lse_c
                self.scored += 1

    def compute(self) -> Mapping[str, torch.Tensor]:
        """Means and counts so far.

        Returns
        -------
        dict of torch.Tensor
            `lse_d` and `lse_c` (nan of no clips), and how many clips were `scored`, of how many
            `clips`; in the others no face was seen.
        """
        count = self.scored.clamp(min=1)
        none = torch.full((), torch.nan, dtype=torch.float64, device=self.sum_d.device)
        is_any = self.scored > 0
        return {
            "lse_d": torch.where(is_any, self.sum_d / count, none),
            "lse_c": torch.where(is_any, self.sum_c / count, none),
            "scored": self.scored,
            "clips": self.clips,
        }

    def measure(self, video: "ArrayLike", audio: "ArrayLike") -> "SyncReport":
        """All that is told of a clip, without adding it."""
        return self._measured(self._clip(video, audio))

    def _clips(self, video: Any, audio: Any) -> list[Clip]:
        if not _is_batch(video):
            return [self._clip(video, audio)]
        if len(video) != len(audio):
            why = f"{len(audio)} sounds for {len(video)} clips"
            raise UsageError(f"{why}; a batch has as many of both", "audio")
        return list(map(self._clip, video, audio))

    def _clip(self, video: Any, audio: Any) -> Clip:
        frames = np.asarray(_on_cpu(video))
        if frames.ndim == 4 and frames.shape[1] == 3 and frames.shape[3] != 3:
            frames = frames.transpose(0, 2, 3, 1)
        return Clip(frames, np.asarray(_on_cpu(audio)), self.frames_per_second, self.sample_rate)

    def _measured(self, clip: Clip) -> "SyncReport":
        if self._pipeline is None:
            self._pipeline = Pipeline(self.options)
        return self._pipeline.detect(clip)

    def __getstate__(self) -> dict[str, Any]:
        """What is loaded stays here: a copy loads it again."""
        return {**super().__getstate__(), "_pipeline": None}


def _is_batch(video: Any) -> bool:
    """Whether there is a dimension in front of those of a clip."""
    return len(video) > 0 and np.ndim(_on_cpu(video[0])) == 4


def _on_cpu(values: Any) -> Any:
    return values.detach().cpu() if isinstance(values, torch.Tensor) else values
