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

from avsync.model.networks import AnyStreams
from avsync.timebase import WINDOW_FRAMES
from avsync.training.batches import whole
from avsync.training.clips import PreparedClip
from avsync.training.embedding import embedded

REACH = 15  # frames: 31 candidates
TOLERANCE = 1  # frame
INPUT_FRAMES = (5, 7, 9, 11, 13, 15)  # of an answer; 5: a single window


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of right answers; chance is 3 of 31.

    Attributes
    ----------
    by_frames : dict of int to float
        Over all windows, by frames of input.
    by_frames_per_clip : dict of int to float
        The mean of the clips' own shares, by frames of input.
    clips : float
        Share of clips that are right from all of their windows.
    clip_count, window_count : int
        On so many it was measured.
    """

    by_frames: dict[int, float]
    by_frames_per_clip: dict[int, float]
    clips: float
    clip_count: int
    window_count: int

    def __str__(self) -> str:
        return (
            f"right at 5 frames {self.by_frames[5]:.3f}, 15 frames {self.by_frames[15]:.3f}, "
            f"whole clips {self.clips:.3f} of {self.clip_count}"
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """A clip's windows of picture, and the sounds that belong to them.

    Attributes
    ----------
    speaker : str
        Who is seen.
    video, audio : numpy.ndarray
        (T, D) embeddings.
    """

    speaker: str
    video: NDArray[np.float32]
    audio: NDArray[np.float32]


def accuracy(streams: AnyStreams, clips: Sequence[PreparedClip]) -> Accuracy:
    """Measure on whole clips, each at its own offset, as `avsync.training.accuracy` says.

    Raises
    ------
    ValueError
        Without any clip.
    """
    rows = [distances(streams, clip) for clip in clips if len(clip.valid_windows) > 1]
    return score(rows)


def score(clips: Sequence[NDArray[np.float32]]) -> Accuracy:
    """Shares of right answers.

    Parameters
    ----------
    clips : sequence of numpy.ndarray
        (windows, 31) distances of each.
    """
    rights = {
        frames: [is_right(smoothed(rows, frames - WINDOW_FRAMES + 1)) for rows in clips]
        for frames in INPUT_FRAMES
    }
    whole_clips = [bool(is_right(nan_mean(rows)[None])[0]) for rows in clips]
    return Accuracy(
        {frames: float(np.concatenate(right).mean()) for frames, right in rights.items()},
        {frames: float(np.mean([r.mean() for r in right])) for frames, right in rights.items()},
        float(np.mean(whole_clips)),
        len(clips),
        sum(map(len, clips)),
    )


def embed_pairs(streams: AnyStreams, clip: PreparedClip) -> Pairs:
    """Embed all of a clip that has both picture and sound."""
    frames, sounds = whole(clip, streams.config.geometry.pixels)
    return Pairs(
        clip.source.speaker,
        embedded(streams, streams.embed_video, frames),
        embedded(streams, lambda windows: streams.embed_sounds(windows)[:, 0], sounds),
    )


def distances(streams: AnyStreams, clip: PreparedClip) -> NDArray[np.float32]:
    """Distances of each picture of a clip to the sounds 15 frames before to 15 frames after it.

    Returns
    -------
    numpy.ndarray
        (windows, 31); NaN outside the clip.
    """
    return distances_of(embed_pairs(streams, clip))


def distances_of(pairs: Pairs) -> NDArray[np.float32]:
    """The same, of a clip that is embedded.

    Returns
    -------
    numpy.ndarray
        (windows, 31); NaN outside the clip.
    """
    every = torch.cdist(torch.from_numpy(pairs.video), torch.from_numpy(pairs.audio)).numpy()
    rows = np.full((len(every), 2 * REACH + 1), np.nan, np.float32)
    for i in range(len(every)):
        first, last = max(0, i - REACH), min(len(every), i + REACH + 1)
        rows[i, first - i + REACH : last - i + REACH] = every[i, first:last]
    return rows


def smoothed(rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Each row averaged with its neighbours, fewer at the ends.

    Parameters
    ----------
    rows : numpy.ndarray
        (windows, 31) distances.
    count : int
        Rows in all.
    """
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
