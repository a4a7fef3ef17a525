"""The same networks, arranged for use: half precision where it is fast, fewer and flatter layers.

Nothing here changes what a network answers by more than its tests say.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from avsync.model.networks import Streams
from avsync.model.perfect_match import PerfectMatchStreams
from avsync.timebase import WINDOW_FRAMES, WINDOW_HOPS

# Windows in a pass: what goes through the first layers then stays in the processor's cache.
PICTURES_PER_PASS = 4
SOUNDS_PER_PASS = 32


def for_inference(streams: Streams) -> Streams:
    """A network in the arrangement in which it is fastest; for embedding only, not for training.

    The default network's is its own: folding its normalisations away gains nothing.
    """
    return FlatPerfectMatch(streams) if isinstance(streams, PerfectMatchStreams) else streams


def half_precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 where it is fast: on a processor that lacks it, it takes five times as long."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    if device.type == "cuda" or capabilities.get("avx512_bf16", False):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def precision_of(streams: Streams, device: torch.device) -> AbstractContextManager[object]:
    """How precisely a network must count: half precision, but for the one that others compare.

    In bfloat16 the embeddings of `perfect-match` are off by 0.6 %, the default's by 0.4 %.

    Parameters
    ----------
    streams : Streams
        The network.
    device : torch.device
        Where it runs.

    Returns
    -------
    contextlib.AbstractContextManager
        For `with`.
    """
    if streams.config.architecture == "perfect-match":
        return nullcontext()
    return half_precision(device)


class FlatPerfectMatch(nn.Module):
    """`PerfectMatchStreams` with two-dimensional convolutions and without normalisations.

    Five frames of three colours are fifteen channels to the first convolution; each normalisation
    is folded into the layer before it; pooling comes before its ReLU, which then has less to do.
    """

    def __init__(self, streams: PerfectMatchStreams) -> None:
        super().__init__()
        self.config = streams.config
        folded = deepcopy(streams).eval()
        self.pictures = _arrange(folded.netcnnlip, _flat)
        self.pictures_head = _arrange(folded.netfclip, lambda layer: layer)
        self.sounds = _arrange(folded.netcnnaud, lambda layer: layer)
        self.sounds_head = _arrange(folded.netfcaud, lambda layer: layer)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def embed_video(self, frames: Tensor) -> Tensor:
        """(T, 224, 224, 3) uint8 -> (T - 4, 1024)."""
        count = len(frames) - WINDOW_FRAMES + 1
        features = []
        for first in range(0, count, PICTURES_PER_PASS):
            last = min(count, first + PICTURES_PER_PASS)
            taps = [frames[first + k : last + k] for k in range(WINDOW_FRAMES)]
            windows = torch.cat(taps, 3).float().permute(0, 3, 1, 2)  # (N, 15, 224, 224)
            features.append(self.pictures(windows).flatten(1))
        embeddings: Tensor = self.pictures_head(torch.cat(features))
        return embeddings

    def embed_videos(self, frames: Tensor, lengths: Sequence[int]) -> Tensor:
        """Several clips of `lengths` frames, one after the other -> their windows' (N, 1024)."""
        return torch.cat([self.embed_video(clip) for clip in torch.split(frames, list(lengths))])

    def embed_audio(self, mfcc: Tensor) -> Tensor:
        """(S, 13) -> (S - 19, 1024)."""
        return self.embed_sounds(mfcc[None])[0]

    def embed_sounds(self, mfcc: Tensor) -> Tensor:
        """(B, S, 13) -> (B, S - 19, 1024)."""
        windows = mfcc.float().unfold(1, WINDOW_HOPS, 1).flatten(0, 1)[:, None]
        features = [
            self.sounds(part.contiguous(memory_format=torch.channels_last)).flatten(1)
            for part in torch.split(windows, SOUNDS_PER_PASS)
        ]
        embeddings: Tensor = self.sounds_head(torch.cat(features))
        return embeddings.view(len(mfcc), -1, self.config.embedding_size)


def _arrange(layers: nn.Sequential, changed: Callable[[nn.Module], nn.Module]) -> nn.Sequential:
    """Layers without normalisations, each `changed`, and any pooling before its ReLU."""
    for_inference: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            for_inference[-1] = _folded(for_inference[-1], layer)
        else:
            for_inference.append(layer)
    for k, (layer, following) in enumerate(pairwise(for_inference)):
        if isinstance(layer, nn.ReLU) and isinstance(following, nn.MaxPool2d | nn.MaxPool3d):
            for_inference[k : k + 2] = [following, layer]
    return nn.Sequential(*map(changed, for_inference))


def _folded(layer: Any, norm: Any) -> nn.Module:
    """A layer and the normalisation after it as one layer."""
    fold = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
    return cast(nn.Module, fold(layer, norm))


def _flat(layer: Any) -> nn.Module:
    """A layer over (time, height, width) as one over (height, width); time becomes channels."""
    if isinstance(layer, nn.MaxPool3d):
        across: Any = (layer.kernel_size, layer.stride, layer.padding)
        kernel, stride, padding = (n if isinstance(n, int) else n[1:] for n in across)
        return nn.MaxPool2d(kernel, stride, padding)
    if not isinstance(layer, nn.Conv3d):
        return cast(nn.Module, layer)
    outputs, inputs, times, *kernel = layer.weight.shape
    sizes: Any = (kernel, layer.stride[1:], layer.padding[1:])
    flat = nn.Conv2d(inputs * times, outputs, *sizes)
    weight = layer.weight.transpose(1, 2).reshape(outputs, times * inputs, *kernel)
    flat.load_state_dict({"weight": weight, "bias": layer.bias})
    return flat
