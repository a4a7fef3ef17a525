"""How well embeddings tell which sound belongs to a picture, on clips that training has not seen.

The field's protocol (Perfect Match, section 4; public evaluator of VocaLiST): 31 candidates within
+-15 frames, right within one frame; distances averaged over neighbouring windows for longer inputs;
candidates outside the clip are masked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.model import DefaultStreams
from avsync.training.batches import whole
from avsync.training.clips import Clip

REACH = 15  # frames: 31 candidates
TOLERANCE = 1  # frame


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of right answers; chance is 3 of 31."""

    frames_5: float  # from one window of 0.2 s
    frames_15: float  # from 11 neighbouring windows
    clips: float  # from all windows of a clip
    clip_count: int

    def __str__(self) -> str:
        return (
            f"right at 5 frames {self.frames_5:.3f}, 15 frames {self.frames_15:.3f}, "
            f"whole clips {self.clips:.3f} of {self.clip_count}"
        )


def accuracy(streams: DefaultStreams, clips: Sequence[Clip]) -> Accuracy:
    """Measure on whole clips, each taken to be in step."""
    rights: dict[int, list[NDArray[np.bool_]]] = {1: [], 11: []}
    right_clips = []
    for clip in clips:
        if len(clip.valid_windows) < 2:
            continue
        rows = distances(streams, clip)
        for count, right in rights.items():
            right.append(is_right(smoothed(rows, count)))
        right_clips.append(bool(is_right(np.nanmean(rows, axis=0, keepdims=True))[0]))
    shares = {count: float(np.concatenate(right).mean()) for count, right in rights.items()}
    return Accuracy(shares[1], shares[11], float(np.mean(right_clips)), len(right_clips))


def distances(streams: DefaultStreams, clip: Clip) -> NDArray[np.float32]:
    """(windows, 31) distances of each picture to the sounds -15..15 frames later; NaN outside."""
    device = next(streams.parameters()).device
    streams.eval()
    frames, sounds = whole(clip, streams.config.geometry.pixels)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        video = streams.embed_video(frames.to(device))
        audio = streams.embed_sounds(sounds.to(device))[:, 0]
    every = torch.cdist(video.float(), audio.float()).cpu().numpy()
    rows = np.full((len(every), 2 * REACH + 1), np.nan, np.float32)
    for i in range(len(every)):
        first, last = max(0, i - REACH), min(len(every), i + REACH + 1)
        rows[i, first - i + REACH : last - i + REACH] = every[i, first:last]
    return rows


def smoothed(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Each row averaged with its neighbours, `count` rows in all, fewer at the ends."""
    reach = count // 2
    return np.stack([nan_mean(rows[max(0, i - reach) : i + reach + 1]) for i in range(len(rows))])


def nan_mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over rows, NaN only where all are."""
    known = np.isfinite(rows)
    counts = known.sum(axis=0)
    total = np.where(known, rows, 0).sum(axis=0)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan).astype(np.float32)


def is_right(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the nearest sound of each row lies within a frame of its picture."""
    best = np.argmin(np.where(np.isfinite(rows), rows, np.inf), axis=1)
    return np.asarray(np.abs(best - REACH) <= TOLERANCE)
