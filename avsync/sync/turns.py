"""Stage 5i: frames read together: who speaks when, of the faces that are seen at once.

A hidden Markov model whose states are nobody, each face, and any two; it stays in each for a
while. Its posterior probabilities are the scores (Rabiner, *A Tutorial on Hidden Markov Models*,
Proc. IEEE 1989). Silence and voice-over are nobody's; of several faces one is favoured at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ABSENT = -30.0  # log-odds of a face that is not seen
SPAN_FRAMES, MARGIN_FRAMES = 15_000, 250  # read at once, and with it to either side


@dataclass(frozen=True, slots=True)
class TurnModel:
    """How faces take turns. Found by maximum likelihood: `benchmarks/fit_speakers.py`.

    Attributes
    ----------
    weights : tuple of float
        Of `avsync.sync.speaking.FEATURES`: log-odds of one frame that a face is heard.
    bias : float
        Of them.
    leaving : tuple of float
        Probability to leave a state in a frame: nobody, one face, two.
    prior : tuple of float
        Log-odds of what comes next: nobody, each face, each pair.
    """

    weights: tuple[float, ...]
    bias: float
    leaving: tuple[float, float, float]
    prior: tuple[float, float, float]

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """(T,) of (T, F) features."""
        return np.asarray(features @ np.array(self.weights) + self.bias, np.float64)


TURNS = TurnModel(
    (2.607, 0.9835, -0.0084, 0.2764, -0.1863), -0.3251, (0.0793, 0.0705, 0.3835),
    (0.8554, -0.2239, -4.9166),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Observed:
    """A face and what each of its frames tells by itself.

    Attributes
    ----------
    first_frame : int
        Of the film.
    log_odds : numpy.ndarray
        (T,) that it is heard.
    """

    first_frame: int
    log_odds: NDArray[np.float64]

    @property
    def end_frame(self) -> int:
        """The first in which it is not seen any more."""
        return self.first_frame + len(self.log_odds)


def speaking_probabilities(
    faces: Sequence[Observed], model: TurnModel = TURNS
) -> list[NDArray[np.float32]]:
    """Probability that each face is heard, frame by frame, given all that is seen.

    Parameters
    ----------
    faces : sequence of Observed
        In any order.
    model : TurnModel, optional
        How they take turns.

    Returns
    -------
    list of numpy.ndarray
        (T,) of each face.
    """
    found = [np.zeros(len(face.log_odds), np.float32) for face in faces]
    for numbers in _together(faces):
        _read_together([faces[n] for n in numbers], [found[n] for n in numbers], model)
    return found


def _together(faces: Sequence[Observed]) -> Iterator[list[int]]:
    """Numbers of faces that are linked by frames they share."""
    group: list[int] = []
    end = 0
    for number in sorted(range(len(faces)), key=lambda n: faces[n].first_frame):
        if group and faces[number].first_frame >= end:
            yield group
            group = []
        group.append(number)
        end = max(end, faces[number].end_frame)
    if group:
        yield group


def _read_together(
    faces: Sequence[Observed], found: Sequence[NDArray[np.float32]], model: TurnModel
) -> None:
    """Fill in `found`, some minutes at a time."""
    places = _places(faces)
    first, end = min(f.first_frame for f in faces), max(f.end_frame for f in faces)
    for start in range(first, end, SPAN_FRAMES):
        low = max(first, start - MARGIN_FRAMES)
        high = min(end, start + SPAN_FRAMES + MARGIN_FRAMES)
        odds = np.full((high - low, max(places) + 1), ABSENT)
        for face, place in zip(faces, places, strict=True):
            a, b = max(low, face.first_frame), min(high, face.end_frame)
            if a < b:
                odds[a - low : b - low, place] = face.log_odds[
                    a - face.first_frame : b - face.first_frame
                ]
        read = _posterior(odds, model)
        for face, place, into in zip(faces, places, found, strict=True):
            a, b = max(start, face.first_frame), min(start + SPAN_FRAMES, face.end_frame)
            if a < b:
                into[a - face.first_frame : b - face.first_frame] = read[a - low : b - low, place]


def _places(faces: Sequence[Observed]) -> list[int]:
    """A column for each face, shared by those of which one has long gone when the next comes."""
    ends: list[int] = []
    places = [0] * len(faces)
    for number in sorted(range(len(faces)), key=lambda n: faces[n].first_frame):
        free = (p for p, end in enumerate(ends) if end < faces[number].first_frame)
        place = next(free, len(ends))
        ends[place : place + 1] = [faces[number].end_frame]
        places[number] = place
    return places


def _posterior(odds: NDArray[np.float64], model: TurnModel) -> NDArray[np.float64]:
    """(T, P) log-odds -> (T, P) probabilities, by the forward-backward algorithm."""
    places = odds.shape[1]
    states = [(), *((p,) for p in range(places)), *combinations(range(places), 2)]
    members = np.array([[p in state for p in range(places)] for state in states], float)
    sizes = members.sum(axis=1).astype(int)
    leaving = np.array(model.leaving)[sizes]
    next_one = np.exp(np.array(model.prior)[sizes])[None] * (
        (odds > ABSENT).astype(float) @ members.T >= sizes
    )
    next_one /= next_one.sum(axis=1, keepdims=True)
    evidence = odds @ members.T
    evidence = np.exp(evidence - evidence.max(axis=1, keepdims=True))
    forward, backward = np.empty_like(evidence), np.ones_like(evidence)
    now = next_one[0]
    for t in range(len(odds)):
        if t:
            now = (1 - leaving) * now + next_one[t] * (leaving @ now)
        now = evidence[t] * now
        now = forward[t] = now / now.sum()
    for t in range(len(odds) - 2, -1, -1):
        seen = evidence[t + 1] * backward[t + 1]
        seen = (1 - leaving) * seen + leaving * (next_one[t + 1] @ seen)
        backward[t] = seen / seen.sum()
    both = forward * backward
    return np.asarray((both / both.sum(axis=1, keepdims=True)) @ members)
