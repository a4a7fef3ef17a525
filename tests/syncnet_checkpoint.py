"""A checkpoint with the tensors of the public `syncnet_v2.model`, filled with known values.

Names, shapes and types are the published ones; values come from a generator seeded by each
tensor's name, so that what the upstream network answers for them can be stored and compared.
"""

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:  # where a rival is measured there need be no avsync
    from avsync.model.perfect_match import PerfectMatchStreams


def shapes() -> dict[str, tuple[int, ...]]:
    """Every tensor of the checkpoint."""
    return {
        **_conv("netcnnaud", 0, 64, 1, 3, 3),
        **_conv("netcnnaud", 4, 192, 64, 3, 3),
        **_conv("netcnnaud", 8, 384, 192, 3, 3),
        **_conv("netcnnaud", 11, 256, 384, 3, 3),
        **_conv("netcnnaud", 14, 256, 256, 3, 3),
        **_conv("netcnnaud", 18, 512, 256, 5, 4),
        **_head("netfcaud"),
        **_head("netfclip"),
        **_conv("netcnnlip", 0, 96, 3, 5, 7, 7),
        **_conv("netcnnlip", 4, 256, 96, 1, 5, 5),
        **_conv("netcnnlip", 8, 256, 256, 1, 3, 3),
        **_conv("netcnnlip", 11, 256, 256, 1, 3, 3),
        **_conv("netcnnlip", 14, 256, 256, 1, 3, 3),
        **_conv("netcnnlip", 18, 512, 256, 1, 6, 6),
    }


def checkpoint() -> dict[str, Tensor]:
    """The state dict: the same on every machine."""
    return {name: _values(name, shape) for name, shape in shapes().items()}


def _conv(prefix: str, index: int, *weight: int) -> dict[str, tuple[int, ...]]:
    """A convolution and the batch normalisation after it."""
    return {
        f"{prefix}.{index}.weight": weight,
        f"{prefix}.{index}.bias": weight[:1],
        **_norm(prefix, index + 1, weight[0]),
    }


def _norm(prefix: str, index: int, channels: int) -> dict[str, tuple[int, ...]]:
    names = ("weight", "bias", "running_mean", "running_var")
    by_channel = {f"{prefix}.{index}.{name}": (channels,) for name in names}
    return {**by_channel, f"{prefix}.{index}.num_batches_tracked": ()}


def _head(prefix: str) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}.0.weight": (512, 512),
        f"{prefix}.0.bias": (512,),
        **_norm(prefix, 1, 512),
        f"{prefix}.3.weight": (1024, 512),
        f"{prefix}.3.bias": (1024,),
    }


def _values(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1)
    values = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).standard_normal(shape)
    if name.endswith("running_var"):
        values = 1 + np.abs(values)
    elif len(shape) > 1:
        values *= np.sqrt(2 / np.prod(shape[1:]))  # keeps the scale through a layer and its ReLU
    else:
        values = 0.1 * values + (1 if name.endswith(".weight") else 0)
    return torch.from_numpy(values.astype(np.float32))


def network() -> "PerfectMatchStreams":
    """The paper's network with these values."""
    from avsync.model.perfect_match import PerfectMatchStreams

    streams = PerfectMatchStreams()
    streams.load_state_dict(checkpoint(), strict=True)
    return streams.eval()
