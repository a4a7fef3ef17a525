"""What training minimises: three ways to say that a picture belongs to its own sound.

`multiway` is the paper's N-way matching: a window of picture must find its own among N sounds of
the same clip. `contrastive` (SyncNet) and `avenet` (AVE-Net) are the baselines it was compared
with: they see one pair at a time, half of them true, the false ones from the same clip too.
All take unit-length or other embeddings alike; evaluation compares Euclidean distances.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ObjectiveName = Literal["multiway", "contrastive", "avenet"]
Similarity = Literal["cosine", "inverse-distance"]

MARGIN = 1.0  # unless told otherwise; unrelated unit vectors are the square root of 2 apart
NEAREST = 0.1  # keeps an inverse distance finite


class Multiway(nn.Module):
    """N-way matching within clips, here also the other way round.

    Each picture looks for its sound, and each sound for its picture. `inverse-distance` is the
    paper's softmax over 1 / Euclidean distance, times a learnt scale because embeddings of unit
    length are never far apart; `cosine` is similarity times a learnt scale.

    Parameters
    ----------
    n_way : int
        Candidates, its own among them.
    similarity : str
        cosine or inverse-distance.

    References
    ----------
    Chung, Chung, Kang: Perfect Match, ICASSP 2019, section 3.
    """

    def __init__(self, n_way: int, similarity: Similarity = "cosine") -> None:
        super().__init__()
        self.n_way, self.similarity = n_way, similarity
        start = 10.0 if similarity == "cosine" else 5.0
        self.log_scale = nn.Parameter(torch.tensor(math.log(start)))

    def forward(self, video: Tensor, audio: Tensor, lengths: Sequence[int]) -> Tensor:
        """(N, D) pictures and their (N, D) sounds, clip after clip -> mean loss."""
        losses = []
        for pictures, sounds in _per_clip(video, audio, lengths):
            logits = self.logits(pictures, sounds)
            target = torch.arange(len(logits), device=logits.device)
            for one_way in (logits, logits.T):
                rivals = one_way.masked_fill(self._left_out(len(logits), logits.device), -math.inf)
                losses.append(F.cross_entropy(rivals, target))
        return torch.stack(losses).mean()

    def logits(self, video: Tensor, audio: Tensor) -> Tensor:
        """(T, D), (T, D) -> (T, T), picture by sound."""
        if self.similarity == "cosine":
            return self.log_scale.exp() * (
                F.normalize(video, dim=-1) @ F.normalize(audio, dim=-1).T
            )
        return self.log_scale.exp() / (torch.cdist(video, audio) + NEAREST)

    def _left_out(self, count: int, device: torch.device) -> Tensor:
        """(T, T) what is no candidate: each row keeps its own and n_way - 1 others at random."""
        order = torch.rand(count, count, device=device)
        order.fill_diagonal_(-1.0)
        return order.argsort(dim=1).argsort(dim=1) >= self.n_way


class Contrastive(nn.Module):
    """SyncNet's loss: true pairs near, false ones a margin apart.

    Parameters
    ----------
    margin : float
        Euclidean distance from which on a false pair costs nothing.

    References
    ----------
    Chung, Zisserman: Out of Time: Automated Lip Sync in the Wild, ACCV 2016 workshops.
    """

    def __init__(self, margin: float = MARGIN) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, video: Tensor, audio: Tensor, lengths: Sequence[int]) -> Tensor:
        """(N, D) pictures and their (N, D) sounds, clip after clip -> mean loss."""
        others = torch.cat([_others(sounds) for _, sounds in _per_clip(video, audio, lengths)])
        near = F.pairwise_distance(video, audio)
        far = F.pairwise_distance(video, others)
        return (near.square().mean() + F.relu(self.margin - far).square().mean()) / 2


class AveNet(nn.Module):
    """AVE-Net's loss: is this distance that of a true pair?

    Normalised embeddings, their distance, a fully connected layer to two classes, softmax.

    References
    ----------
    Arandjelovic, Zisserman: Objects that Sound, ECCV 2018.
    """

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Linear(1, 2)
        # A small distance means "true" from the start; the other sign would have to unlearn first.
        self.classify.weight.data = torch.tensor([[1.0], [-1.0]])
        self.classify.bias.data = torch.tensor([-1.0, 1.0])

    def forward(self, video: Tensor, audio: Tensor, lengths: Sequence[int]) -> Tensor:
        """(N, D) pictures and their (N, D) sounds, clip after clip -> mean loss."""
        video, audio = F.normalize(video, dim=-1), F.normalize(audio, dim=-1)
        others = torch.cat([_others(sounds) for _, sounds in _per_clip(video, audio, lengths)])
        distances = torch.cat([F.pairwise_distance(video, x) for x in (audio, others)])
        is_true = torch.arange(len(distances), device=video.device) < len(video)
        return F.cross_entropy(self.classify(distances[:, None]), is_true.long())


def build_objective(
    name: ObjectiveName, n_way: int, similarity: Similarity, margin: float = MARGIN
) -> Multiway | Contrastive | AveNet:
    """A fresh objective; multiway has candidates and a similarity, contrastive has a margin."""
    if name == "multiway":
        return Multiway(n_way, similarity)
    return Contrastive(margin) if name == "contrastive" else AveNet()


def _per_clip(
    video: Tensor, audio: Tensor, lengths: Sequence[int]
) -> Iterator[tuple[Tensor, Tensor]]:
    sizes = list(lengths)
    yield from zip(torch.split(video, sizes), torch.split(audio, sizes), strict=True)


def _others(sounds: Tensor) -> Tensor:
    """For each of a clip's sounds, a random other one of the clip."""
    count = len(sounds)
    away = torch.randint(1, max(2, count), (count,), device=sounds.device)
    return sounds[(torch.arange(count, device=sounds.device) + away) % count]
