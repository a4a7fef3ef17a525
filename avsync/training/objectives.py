"""What training minimises.

`multiway` is the paper's N-way matching: a window of picture must find its own among the N sounds
of the same clip. A softmax over the N candidates and cross-entropy; here also the other way round,
each sound looking for its picture.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Similarity = Literal["cosine", "inverse-distance"]


class Multiway(nn.Module):
    """N-way matching within clips.

    `cosine`: similarity times a learnt scale. `inverse-distance`: the paper's 1 / Euclidean
    distance, times a learnt scale because embeddings of unit length are never far apart.
    """

    def __init__(self, similarity: Similarity = "cosine") -> None:
        super().__init__()
        self.similarity = similarity
        start = 10.0 if similarity == "cosine" else 5.0
        self.log_scale = nn.Parameter(torch.tensor(math.log(start)))

    def forward(self, video: Tensor, audio: Tensor, lengths: Sequence[int]) -> Tensor:
        """(N, D) pictures and their (N, D) sounds, clip after clip -> mean loss."""
        losses = [
            F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)
            for logits, target in self._per_clip(video, audio, lengths)
        ]
        return torch.stack(losses).mean() / 2

    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """(T, D), (T, D) -> (T, T), picture by sound."""
        if self.similarity == "cosine":
            return self.log_scale.exp() * (video @ audio.T)
        return self.log_scale.exp() / (torch.cdist(video, audio) + 0.1)

    def _per_clip(
        self, video: Tensor, audio: Tensor, lengths: Sequence[int]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        sizes = list(lengths)
        for pictures, sounds in zip(
            torch.split(video, sizes), torch.split(audio, sizes), strict=True
        ):
            yield self.logits(pictures, sounds), torch.arange(len(pictures), device=video.device)
