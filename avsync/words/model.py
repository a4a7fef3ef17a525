"""The network: a video stream of avsync in front, behind it the paper's TC-5 classifier.

TC-5: five frames a feature, two temporal convolutions with pooling, softmax over the vocabulary.
Kernels, strides and widths are not stated in sources we could read; they are chosen here so that
the second convolution spans all 29 frames and knows where in them something happens.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from avsync.errors import WeightsError
from avsync.model import weights_file
from avsync.model.config import ModelConfig
from avsync.model.networks import AnyStreams, build
from avsync.system.downloads import sha256_of
from avsync.words.examples import WORD_WINDOWS

DROPOUT = 0.5


@dataclass(frozen=True, slots=True)
class WordsConfig:
    """All that is needed to build a network that recognises words.

    Attributes
    ----------
    front : ModelConfig
        The video stream.
    vocabulary : tuple of str
        Words that it tells apart.
    channels : int
        Of the first temporal convolution; the second has twice as many.
    """

    front: ModelConfig
    vocabulary: tuple[str, ...]
    channels: int = 256


class BackEnd(nn.Module):
    """Embeddings of a word become a score for each word of the vocabulary.

    Parameters
    ----------
    config : WordsConfig
        Of the whole network.

    References
    ----------
    Chung, Chung, Kang: Perfect Match, ICASSP 2019: TC-5.
    """

    def __init__(self, config: WordsConfig) -> None:
        super().__init__()
        size, width = config.front.embedding_size, config.channels
        self.layers = nn.Sequential(
            nn.BatchNorm1d(size),  # whatever the scale of the front end's embeddings
            nn.Conv1d(size, width, 5, stride=2, bias=False),  # 25 -> 11
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.MaxPool1d(2),  # -> 5
            nn.Dropout(DROPOUT),
            nn.Conv1d(width, 2 * width, 5, bias=False),  # -> 1
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(DROPOUT),
            nn.Linear(2 * width, len(config.vocabulary)),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """(B, 25, D) -> (B, V)."""
        assert embeddings.shape[1] == WORD_WINDOWS
        scores: Tensor = self.layers(embeddings.transpose(1, 2))
        return scores


class WordsNet(nn.Module):
    """Front end and back end.

    Parameters
    ----------
    config : WordsConfig
        Of both.
    streams : AnyStreams
        The front end.
    """

    def __init__(self, config: WordsConfig, streams: AnyStreams) -> None:
        super().__init__()
        self.config, self.streams, self.back = config, streams, BackEnd(config)

    def forward(self, clips: Tensor, frame_counts: Sequence[int] | None, windows: Tensor) -> Tensor:
        """Clips one after the other, and (B, 25) windows of them -> (B, V) scores.

        Clips are (sum of frame_counts, P, P[, 3]) uint8 frames, or without counts the (N, D)
        embeddings of all their windows.
        """
        if frame_counts is not None:
            clips = self.streams.embed_videos(clips, frame_counts).float()
        return torch.as_tensor(self.back(clips[windows]))


@dataclass(frozen=True, slots=True)
class WordsModel:
    """A network that has been trained, and what its file says of it.

    Attributes
    ----------
    path : Path
        Of the file.
    sha256 : str
        Of the file, hexadecimal.
    net : WordsNet
        Ready for use.
    provenance : dict of str to any
        Front end, options, data, share right in val.
    """

    path: Path
    sha256: str
    net: WordsNet
    provenance: dict[str, Any]


def save(path: Path, net: WordsNet, provenance: dict[str, Any]) -> None:
    """Write a model file, of the format of weights files, whole or not at all.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    weights_file.save(path, net.config, net.state_dict(), {}, provenance)


def load(path: Path) -> WordsModel:
    """Read a model file.

    Raises
    ------
    WeightsError
        For a file that is absent, damaged, or of another kind.
    """
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: is not there; make a model with avsync words train")
    header, tensors = weights_file.read_own(path)
    net = _build(path, header["config"])
    weights_file.fill(path, net, tensors)
    return WordsModel(path, sha256_of(path), net.eval(), header["provenance"])


def _build(path: Path, values: dict[str, Any]) -> WordsNet:
    if "vocabulary" not in values:
        raise WeightsError(f"{path}: knows no words; make a model with avsync words train")
    front = weights_file.config_of(path, values["front"])
    vocabulary = tuple(values["vocabulary"])
    return WordsNet(WordsConfig(front, vocabulary, values["channels"]), build(front))
