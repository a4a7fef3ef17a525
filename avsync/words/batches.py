"""Batches of words: all words of some clips at once, so that pictures they share are seen once.

As in the training of streams, a step's batch depends on the seed and the step alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from avsync.timebase import WINDOW_FRAMES
from avsync.training.augment import augment_frames
from avsync.training.clips import PreparedClip
from avsync.words.examples import Example

SHAKEN_FRAMES = 1  # a word is not always quite in the middle
Features = dict[Path, NDArray[np.float32]]  # (T - 4, D) embeddings by prepared clip


@dataclass(frozen=True, slots=True)
class WordBatch:
    """Stretches of several clips, one after the other, and where in them words are.

    Attributes
    ----------
    clips : torch.Tensor
        Frames (sum of frame_counts, pixels, pixels[, 3]) uint8, or embeddings (N, D).
    frame_counts : list of int or None
        Of each clip; None: these are embeddings.
    windows : torch.Tensor
        (B, 25) of all windows of the stretches.
    labels : torch.Tensor
        (B,) numbers of words.
    """

    clips: Tensor
    frame_counts: list[int] | None
    windows: Tensor
    labels: Tensor


class WordBatches(Dataset[WordBatch]):
    """Batch number n of a training; every epoch has `per_epoch` of them.

    Parameters
    ----------
    examples : sequence of Example
        To learn from.
    vocabulary : sequence of str
        A word's label is its place in it.
    words : int
        Of a batch, about.
    seed : int
        With the number, it decides everything.
    pixels : int
        Side of the network's crops.
    features : dict or None
        Embeddings of all clips; without, batches are augmented frames.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        vocabulary: Sequence[str],
        words: int,
        seed: int,
        pixels: int,
        features: Features | None = None,
    ) -> None:
        self.clips = by_clip(examples)
        self.numbers = {label: number for number, label in enumerate(vocabulary)}
        self.seed, self.pixels, self.features = seed, pixels, features
        wanted = round(words * len(self.clips) / len(examples))
        self.size = max(2, min(wanted, len(self.clips)))  # clips
        self.per_epoch = -(-len(self.clips) // self.size)

    def __getitem__(self, step: int) -> WordBatch:
        epoch, number = divmod(step, self.per_epoch)
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.clips))
        rng = np.random.default_rng((self.seed, epoch, number))
        clips, windows, counts = [], [], [0]
        chosen = [self.clips[i] for i in np.resize(np.roll(order, -number * self.size), self.size)]
        for said in chosen:
            seen = np.array([example.windows(_shake(rng)) for example in said])
            first, count = int(seen.min()), int(seen.max() - seen.min()) + 1
            clips.append(torch.from_numpy(self._stretch(said[0].clip, first, count, rng)))
            windows.append(seen - first + sum(counts))
            counts.append(count)
        frame_counts = [count + WINDOW_FRAMES - 1 for count in counts[1:]]
        labels = [self.numbers[example.label] for said in chosen for example in said]
        return WordBatch(
            torch.cat(clips),
            frame_counts if self.features is None else None,
            torch.from_numpy(np.concatenate(windows)),
            torch.tensor(labels),
        )

    def _stretch(
        self, clip: PreparedClip, first: int, count: int, rng: Generator
    ) -> NDArray[np.uint8] | NDArray[np.float32]:
        if self.features is not None:
            return self.features[clip.prepared][first : first + count]
        frames = clip.frames[first : first + count + WINDOW_FRAMES - 1]
        return augment_frames(frames, self.pixels, rng)


def by_clip(examples: Iterable[Example]) -> list[list[Example]]:
    """Examples, those of a clip together."""
    groups: dict[Path, list[Example]] = defaultdict(list)
    for example in examples:
        groups[example.clip.prepared].append(example)
    return list(groups.values())


def _shake(rng: Generator) -> int:
    return int(rng.integers(-SHAKEN_FRAMES, SHAKEN_FRAMES + 1))
