"""LR-ASD's detector of active speakers, run from its published weights, to be compared with.

Liao et al., *LR-ASD: Lightweight and Robust Network for Active Speaker Detection*, IJCV 2025. It is
fed as its authors feed it: grey 112 x 112 crops at 25 fps, MFCC at 100 Hz, whole tracks, scores
averaged over two frames to either side.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import python_speech_features
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

PIXELS, SIDE, BELOW = 112, 0.7, 0.2  # of a crop; its side and place, in longer sides of the face
CHUNK_FRAMES, REACH = 200, 9  # frames that are encoded at once; that one encoded frame sees beside
SMOOTHING = 2


class LrAsd:
    """The network, from a state dict."""

    def __init__(self, path: Path) -> None:
        self.tensors = torch.load(path, weights_only=True, map_location="cpu")
        self.grus = {}
        for way in ("forward", "backward"):
            gru = torch.nn.GRU(256, 64, batch_first=True)
            start = f"model.detector.gru_{way}."
            own = {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}
            gru.load_state_dict(own)
            self.grus[way] = gru.eval()

    @torch.inference_mode()
    def scores(self, crops: NDArray[np.uint8], steps: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T,) logits of a track that speaks: (T, 112, 112) crops and (4 T, 13) MFCC."""
        picture = self._see((torch.from_numpy(crops).float() / 255 - 0.4161) / 0.1688)
        sound = self._hear(torch.from_numpy(steps).float())[: len(picture)]
        both = self._gated("model.fusion", torch.cat([sound, picture], dim=1))
        there, _ = self.grus["forward"](both[None])
        back, _ = self.grus["backward"](both.flip(0)[None])
        found = self._gated(
            "model.detector.attention", torch.cat([there[0], back[0].flip(0)], dim=1)
        )
        logits = found @ self.tensors["lossAV.FC.weight"].T + self.tensors["lossAV.FC.bias"]
        score = F.pad(
            (logits[:, 1] - logits[:, 0])[None, None], (SMOOTHING, SMOOTHING), "replicate"
        )
        return np.asarray(F.avg_pool1d(score, 2 * SMOOTHING + 1, 1)[0, 0].numpy(), np.float32)

    def _see(self, frames: Tensor) -> Tensor:
        """(T, 112, 112) -> (T, 128), in chunks."""
        parts = []
        for first in range(0, len(frames), CHUNK_FRAMES):
            low, high = max(0, first - REACH), min(len(frames), first + CHUNK_FRAMES + REACH)
            x = frames[low:high, None]
            for number in (1, 2, 3):
                x = self._picture_block(f"model.visualEncoder.block{number}", x, number)
            parts.append(x.amax(dim=(2, 3))[first - low :][:CHUNK_FRAMES])
        return torch.cat(parts)

    def _picture_block(self, name: str, x: Tensor, number: int) -> Tensor:
        """(T, C, H, W): over the picture by convolutions in 2-D, over time likewise."""
        for k, stride in ((1, 2 if number == 1 else 1), (2, 1)):
            weight = self.tensors[f"{name}.s_{k}.weight"][:, :, 0]
            x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)
            x = self._norm(f"{name}.s_norm_{k}", x)
        frames, channels, height, width = x.shape
        x = x.permute(1, 0, 2, 3).reshape(1, channels, frames, height * width)
        for k in (1, 2):
            weight = self.tensors[f"{name}.t_{k}.weight"][..., 0]
            x = self._norm(f"{name}.t_norm_{k}", F.conv2d(x, weight, padding=(len_half(weight), 0)))
        x = x.reshape(channels, frames, height, width).permute(1, 0, 2, 3)
        return F.max_pool2d(x, 3, 2, 1) if number < 3 else x

    def _hear(self, steps: Tensor) -> Tensor:
        """(4 T, 13) -> (T, 128)."""
        x = steps.T[None, None]
        for number in (1, 2, 3):
            name = f"model.audioEncoder.block{number}"
            for kind in ("m", "t"):
                for k in (1, 2):
                    weight = self.tensors[f"{name}.{kind}_{k}.weight"]
                    padding = tuple(side // 2 for side in weight.shape[2:])
                    x = self._norm(f"{name}.{kind}_norm_{k}", F.conv2d(x, weight, padding=padding))
            if number < 3:
                x = F.max_pool2d(x, (1, 3), (1, 2), (0, 1))
        return x.mean(dim=2)[0].T

    def _gated(self, name: str, x: Tensor) -> Tensor:
        gate = x @ self.tensors[f"{name}.attention.weight"][..., 0].T
        return x * torch.sigmoid(self._norm(f"{name}.bn", gate, relu=False))

    def _norm(self, name: str, x: Tensor, relu: bool = True) -> Tensor:
        mean, variance, weight, bias = (
            self.tensors[f"{name}.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = F.batch_norm(x, mean, variance, weight, bias, eps=1e-3)
        return F.relu(x) if relu else x


def len_half(weight: Tensor) -> int:
    """Half the length of a kernel over time."""
    return int(weight.shape[2]) // 2


def crops_of(frames: Sequence[NDArray[np.uint8]], boxes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(T, 112, 112) grey, of BGR frames and (T, 4) centre x, centre y, width, height."""
    crops = []
    for frame, (x, y, width, height) in zip(frames, boxes.tolist(), strict=True):
        long = max(width, height)
        half, middle = SIDE * long / 2, y + BELOW * long
        corners = np.array(
            [[x - half, middle - half], [x + half, middle - half], [x - half, middle + half]]
        )
        there = np.array([[0, 0], [PIXELS, 0], [0, PIXELS]])
        move = cv2.getAffineTransform(corners.astype(np.float32), there.astype(np.float32))
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        crops.append(cv2.warpAffine(grey, move, (PIXELS, PIXELS), flags=cv2.INTER_AREA))
    return np.array(crops, np.uint8)


def mfcc_of(samples: NDArray[np.int16], first_frame: int, frames: int) -> NDArray[np.float32]:
    """(4 T, 13) of 16-kHz sound, beginning with a frame; what ends early goes on as it ends."""
    steps = python_speech_features.mfcc(samples, 16_000, numcep=13, winlen=0.025, winstep=0.010)
    rows = np.clip(np.arange(4 * first_frame, 4 * (first_frame + frames)), 0, len(steps) - 1)
    return np.asarray(steps[rows], np.float32)
