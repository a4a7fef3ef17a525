"""Training batches: some stretches of some clips, drawn anew for every step.

A step's batch depends on the seed and the step alone, so a resumed run sees what an uninterrupted
one would have seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from avsync.speech import WINDOW_SAMPLES, mfcc
from avsync.timebase import HOP_SAMPLES, HOPS_PER_FRAME, WINDOW_FRAMES, WINDOW_HOPS
from avsync.training.augment import augment_frames, augment_samples, plain_frames
from avsync.training.clips import PreparedClip, by_speaker


@dataclass(frozen=True, slots=True)
class Batch:
    """Stretches of several clips, one after the other.

    Attributes
    ----------
    frames : torch.Tensor
        (sum of lengths + 4 for each clip, pixels, pixels[, 3]) uint8.
    sounds : torch.Tensor
        (N, 20, 13) float: sound k belongs to window k of the pictures.
    lengths : list of int
        Windows of each clip; they sum to N.
    """

    frames: Tensor
    sounds: Tensor
    lengths: list[int]

    @property
    def frame_counts(self) -> list[int]:
        """Frames of each clip."""
        return [length + WINDOW_FRAMES - 1 for length in self.lengths]


class Batches(Dataset[Batch]):
    """Batch number n of a training, for any n.

    Parameters
    ----------
    clips : sequence of PreparedClip
        To draw from: a speaker by the root of their windows, a clip of theirs by its windows.
    pixels : int
        Side of the network's crops.
    windows : int
        Of all clips of a batch.
    stretch : int
        Windows of each clip, fewer of shorter ones.
    seed : int
        With the number, it decides everything.
    """

    def __init__(
        self, clips: Sequence[PreparedClip], pixels: int, windows: int, stretch: int, seed: int
    ) -> None:
        self.pixels, self.windows, self.stretch, self.seed = pixels, windows, stretch, seed
        groups = by_speaker(clips)
        self.speakers = [groups[name] for name in sorted(groups)]
        # Between every speaker alike and every window alike: the square root of their windows.
        share = np.sqrt([sum(len(c.valid_windows) for c in group) for group in self.speakers])
        self.speaker_share = share / share.sum()

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        frames: list[Tensor] = []
        sounds: list[Tensor] = []
        while sum(map(len, sounds)) < self.windows:
            clip = self._draw(rng)
            first, count = _stretch(clip, self.stretch, rng)
            picture, sound = self._augmented(clip, first, count, rng)
            frames.append(torch.from_numpy(picture))
            sounds.append(sounds_of(sound))
        return Batch(torch.cat(frames), torch.cat(sounds), [len(s) for s in sounds])

    def _draw(self, rng: Generator) -> PreparedClip:
        group = self.speakers[rng.choice(len(self.speakers), p=self.speaker_share)]
        sizes = np.array([len(c.valid_windows) for c in group], float)
        return group[rng.choice(len(group), p=sizes / sizes.sum())]

    def _augmented(
        self, clip: PreparedClip, first: int, count: int, rng: Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        picture = clip.frames[first : first + count + WINDOW_FRAMES - 1]
        sound = sound_of(clip, first, count)
        return (
            augment_frames(picture, self.pixels, rng),
            augment_samples(sound, self._draw(rng).samples, rng),
        )


def whole(clip: PreparedClip, pixels: int) -> tuple[Tensor, Tensor]:
    """All of a clip as detection would see it.

    Returns
    -------
    tuple of torch.Tensor
        (N + 4, pixels, pixels[, 3]) frames and (N, 20, 13) MFCC of the sounds.
    """
    first, count = clip.valid_windows.start, len(clip.valid_windows)
    frames = plain_frames(clip.frames[first : first + count + WINDOW_FRAMES - 1], pixels)
    return torch.from_numpy(frames), sounds_of(sound_of(clip, first, count))


def sound_of(clip: PreparedClip, first: int, count: int) -> NDArray[np.int16]:
    """Samples of `count` windows from frame `first` of the track on."""
    start = clip.sound_hop(first) * HOP_SAMPLES
    hops = (count - 1) * HOPS_PER_FRAME + WINDOW_HOPS
    return clip.samples[start : start + (hops - 1) * HOP_SAMPLES + WINDOW_SAMPLES]


def sounds_of(samples: NDArray[np.int16] | NDArray[np.float64]) -> Tensor:
    """Samples of N windows -> (N, 20, 13) MFCC."""
    vectors = torch.from_numpy(mfcc([samples]))
    return vectors.unfold(0, WINDOW_HOPS, HOPS_PER_FRAME).permute(0, 2, 1)


def _stretch(clip: PreparedClip, wanted: int, rng: Generator) -> tuple[int, int]:
    """First frame and number of windows of a random stretch."""
    valid = clip.valid_windows
    count = min(wanted, len(valid))
    return valid.start + int(rng.integers(len(valid) - count + 1)), count
