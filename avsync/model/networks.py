"""The two streams: five frames of a face, and 0.2 s of sound, become points of one space.

`default` is avsync's own small network, `perfect-match` the one of Chung, Chung and Kang
(ICASSP 2019), tensor for tensor the public SyncNet checkpoint. Both answer the same two verbs.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from avsync.model.config import ModelConfig
from avsync.model.perfect_match import PerfectMatchStreams
from avsync.speech import COEFFICIENTS
from avsync.timebase import WINDOW_FRAMES


class Streams(Protocol):
    """What the rest of avsync asks of a network.

    Attributes
    ----------
    config : ModelConfig
        What it is.
    """

    config: ModelConfig

    def embed_video(self, frames: Tensor) -> Tensor:
        """(T, pixels, pixels[, 3]) uint8 crops -> (T - 4, D): one window starts at each frame."""
        ...

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """(S, 13) float MFCC -> (S - 19, D): one window starts at each 10 ms."""
        ...

    def embed_videos(self, frames: Tensor, lengths: Sequence[int]) -> Tensor:
        """Several clips of `lengths` frames, one after the other -> their windows' (N, D)."""
        ...

    def embed_sounds(self, mfcc: Tensor) -> Tensor:
        """(B, S, 13) -> (B, S - 19, D)."""
        ...


def build(config: ModelConfig) -> "AnyStreams":
    """An untrained network."""
    if config.architecture == "default":
        return DefaultStreams(config)
    return PerfectMatchStreams(config)


class DefaultStreams(nn.Module):
    """Small streams on grey crops of the mouth, 88 x 88 by default; unit-length embeddings.

    Parameters
    ----------
    config : ModelConfig
        Of the architecture default.

    Attributes
    ----------
    mfcc_mean, mfcc_deviation : torch.Tensor
        (13,) of each coefficient over the training data.
    """

    mfcc_mean: Tensor
    mfcc_deviation: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        size, width = config.embedding_size, config.width
        self.video = nn.Sequential(
            *_conv2d(WINDOW_FRAMES, width, 5, stride=2),  # 88 -> 44
            *_conv2d(width, 2 * width, 3, stride=2),  # -> 22
            *_conv2d(2 * width, 4 * width, 3, stride=2),  # -> 11
            _Residual(4 * width),
            *_conv2d(4 * width, 8 * width, 3, stride=2),  # -> 6
            _Residual(8 * width),
            *_conv2d(8 * width, 16 * width, -(-config.geometry.pixels // 16), padding=0),  # -> 1
            nn.Flatten(),
            nn.Linear(16 * width, size),
        )
        # No padding in time: 20 hops give one embedding, and one dense pass one every 10 ms.
        self.audio = nn.Sequential(
            *_conv1d(COEFFICIENTS, 256, 5),  # 20 -> 16
            *_conv1d(256, 256, 5),  # -> 12
            *_conv1d(256, 256, 5),  # -> 8
            *_conv1d(256, 256, 5),  # -> 4
            *_conv1d(256, 512, 4),  # -> 1
            nn.Conv1d(512, size, 1),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # much faster
        self.register_buffer("mfcc_mean", torch.zeros(COEFFICIENTS))
        self.register_buffer("mfcc_deviation", torch.ones(COEFFICIENTS))

    def embed_video(self, frames: Tensor) -> Tensor:
        return self._embed_windows(_windows(_whiten(frames)))

    def embed_videos(self, frames: Tensor, lengths: Sequence[int]) -> Tensor:
        clips = torch.split(_whiten(frames), list(lengths))
        return self._embed_windows(torch.cat([_windows(clip) for clip in clips]))

    def _embed_windows(self, windows: Tensor) -> Tensor:
        batch = windows.permute(0, 3, 1, 2)  # (N, 5, P, P), channels last in memory
        return F.normalize(self.video(batch).float(), dim=-1)

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        return self.embed_sounds(mfcc[None])[0]

    def embed_sounds(self, mfcc: Tensor) -> Tensor:
        scaled = (mfcc - self.mfcc_mean) / self.mfcc_deviation
        # Half precision does not pay for so small convolutions: on a CPU it takes twice as long.
        with torch.autocast(mfcc.device.type, enabled=False):
            embeddings = self.audio(scaled.transpose(1, 2)).transpose(1, 2)
        return F.normalize(embeddings, dim=-1)


AnyStreams = DefaultStreams | PerfectMatchStreams


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.branch = nn.Sequential(*_conv2d(channels, channels, 3), conv, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.branch(x))


def _whiten(frames: Tensor) -> Tensor:
    """(T, H, W) of any scale -> zero mean and unit deviation: light and contrast do not matter."""
    deviation, mean = torch.std_mean(frames.float(), dim=(1, 2), keepdim=True)
    return (frames - mean) / (deviation + 1.0)


def _windows(clip: Tensor) -> Tensor:
    """(T, P, P) -> (T - 4, P, P, 5): frames k to k + 4 side by side."""
    ends = (*range(1 - WINDOW_FRAMES, 0), None)  # counted from the end: they hold for any length
    return torch.stack([clip[first:end] for first, end in enumerate(ends)], -1)


def _conv2d(
    inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int | None = None
) -> tuple[nn.Module, ...]:
    pad = kernel // 2 if padding is None else padding
    conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, bias=False)
    return conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _conv1d(inputs: int, outputs: int, kernel: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv1d(inputs, outputs, kernel, bias=False)
    return conv, nn.BatchNorm1d(outputs), nn.ReLU(inplace=True)
