"""Stretches of a film in which one face alone is sure to speak."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avsync.pipeline.clip_options import ClipOptions
from avsync.speakers import SpeakingFace
from avsync.sync.speakers import runs, stretches
from avsync.timebase import FRAMES_PER_SECOND
from avsync.tolerance import ACCEPT

SURE_SPEECH = 0.8  # mean score of a stretch


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames in which one face alone speaks.

    Attributes
    ----------
    face : SpeakingFace
        Which.
    first, end : int
        Frames of it, the end not among them.
    """

    face: SpeakingFace
    first: int
    end: int

    @property
    def first_frame(self) -> int:
        """Of the film."""
        return self.face.first_frame + self.first

    @property
    def score(self) -> float:
        """Mean probability."""
        return float(self.face.scores[self.first : self.end].mean())


def choose_stretches(faces: Sequence[SpeakingFace], options: ClipOptions) -> list[Stretch]:
    """Stretches in which one face alone is sure to speak, in time.

    Parameters
    ----------
    faces : sequence of SpeakingFace
        Of a film.
    options : ClipOptions
        How long they may be.
    """
    shortest = math.ceil(options.min_seconds * FRAMES_PER_SECOND)
    longest = math.floor(options.max_seconds * FRAMES_PER_SECOND)
    found = []
    for face in faces:
        if (face.confidence or 0.0) < ACCEPT:
            continue
        alone = _alone(face, faces)
        for first, end in runs(alone):
            found += [
                stretch
                for part in _divided(face.scores, first, end, longest)
                if (stretch := Stretch(face, *part)).end - stretch.first >= shortest
                and stretch.score >= SURE_SPEECH
            ]
    return sorted(found, key=lambda one: (one.first_frame, one.face.number))


def _alone(face: SpeakingFace, faces: Sequence[SpeakingFace]) -> NDArray[np.bool_]:
    """(T,) where a face speaks and no other does."""
    alone = np.zeros(len(face.scores), bool)
    for first, end in stretches(face.scores):
        alone[first:end] = True
    for other in faces:
        if other.number == face.number:
            continue
        later = other.first_frame - face.first_frame
        for first, end in stretches(other.scores):
            alone[max(0, later + first) : max(0, later + end)] = False
    return alone


def _divided(
    scores: NDArray[np.float32], first: int, end: int, longest: int
) -> Iterator[tuple[int, int]]:
    """Parts that are no longer than may be, divided where speech is least sure."""
    while end - first > longest:
        middle = first + longest // 2
        cut = middle + int(np.argmin(scores[middle : first + longest]))
        yield first, cut
        first = cut
    yield first, end
