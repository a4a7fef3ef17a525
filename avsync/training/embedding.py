"""Networks that learn, or have learnt, embed as detection does: whole, in evaluation mode."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from avsync.model.networks import AnyStreams
from avsync.model.optimize import half_precision
from avsync.speech import mfcc
from avsync.training.augment import plain_frames
from avsync.training.clips import PreparedClip


def embedded(
    streams: AnyStreams, embed: Callable[[Tensor], Tensor], inputs: Tensor
) -> NDArray[np.float32]:
    """What a network makes of something, in half precision where that is fast.

    Parameters
    ----------
    streams : AnyStreams
        The network; it is left in evaluation mode.
    embed : callable
        A verb of its.
    inputs : torch.Tensor
        On any device.

    Returns
    -------
    numpy.ndarray
        Of the shape that the verb says.
    """
    device = next(streams.parameters()).device
    streams.eval()
    with torch.inference_mode(), half_precision(device):
        embeddings = embed(inputs.to(device))
    return np.asarray(embeddings.float().cpu().numpy())


def embed_picture(streams: AnyStreams, clip: PreparedClip) -> NDArray[np.float32]:
    """Embed a clip's face: (T - 4, D), one window starts at each frame."""
    frames = plain_frames(clip.frames, streams.config.geometry.pixels)
    return embedded(streams, streams.embed_video, torch.from_numpy(frames))


def embed_samples(streams: AnyStreams, samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Embed sound: (S - 19, D), every 10 ms."""
    return embedded(streams, streams.embed_audio, torch.from_numpy(mfcc([samples])))
