"""Whether a picture finds its own sound among N, and a sound its own picture.

The matching that the paper trains (Perfect Match, section 3), as a test: a query of five frames or
more, its own counterpart and N - 1 others, ranked by Euclidean distance. The others are of the
same clip and do not overlap the query, or of other clips, of other speakers where there are any.
A longer query averages the distances of neighbouring windows, as the paper's table does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avsync.timebase import WINDOW_FRAMES
from avsync.training.accuracy import Pairs

CANDIDATES = (2, 5, 10, 20, 50)  # N
BEST = (1, 5, 10)  # k of recall@k
INPUT_FRAMES = (5, 15)
QUERIES = 2000  # of a kind, at most
SAME, OTHER = "same clip", "other clips"


@dataclass(frozen=True, slots=True)
class Recall:
    """Shares of queries whose own counterpart is found.

    Attributes
    ----------
    query : str
        picture or sound.
    among : str
        Where the other candidates come from.
    input_frames : int
        Of a query.
    queries : int
        So many.
    top1 : dict of int to float
        By N.
    recall : dict of int to float
        By k, among the largest N.
    """

    query: str
    among: str
    input_frames: int
    queries: int
    top1: dict[int, float]
    recall: dict[int, float]


@dataclass(frozen=True, slots=True)
class _Place:
    clip: int
    window: int  # the first of those that are averaged


def retrieve(clips: Sequence[Pairs], seed: int = 0) -> tuple[Recall, ...]:
    """Ask in both directions, with others of both kinds, for short and for longer queries.

    Parameters
    ----------
    clips : sequence of Pairs
        Kinds of questions for which none is long enough, or there are too few, are left out.
    seed : int, optional
        The same clips and seed give the same questions, whatever the weights.
    """
    found = []
    for frames in INPUT_FRAMES:
        count = frames - WINDOW_FRAMES + 1
        for among in (SAME, OTHER):
            questions = _questions(clips, count, among, np.random.default_rng((seed, frames)))
            if not questions:
                continue
            for query in ("picture", "sound"):
                is_picture = query == "picture"
                nearer = np.array([_nearer(clips, q, count, is_picture) for q in questions])
                found.append(_recall(nearer, query, among, frames))
    return tuple(found)


def _questions(
    clips: Sequence[Pairs], count: int, among: str, rng: Generator
) -> list[list[_Place]]:
    """Places to ask about, each with its other candidates behind it."""
    starts = [len(clip.video) - count + 1 for clip in clips]
    places = [_Place(c, w) for c, start in enumerate(starts) for w in range(max(0, start))]
    order = rng.permutation(len(places))
    others = max(CANDIDATES) - 1
    questions: list[list[_Place]] = []
    for place in (places[i] for i in order):
        if len(questions) == QUERIES:
            break
        if among == SAME:
            rivals = _of_same(place, starts[place.clip], count, others, rng)
        else:
            rivals = _of_others(place, clips, starts, others, rng)
        if rivals:
            questions.append([place, *rivals])
    return questions


def _of_same(place: _Place, starts: int, count: int, others: int, rng: Generator) -> list[_Place]:
    """Stretches of the same clip that share no frame with this one; none where they are few."""
    reach = count + WINDOW_FRAMES - 1
    free = [w for w in range(starts) if abs(w - place.window) >= reach]
    if len(free) < others:
        return []
    return [_Place(place.clip, int(w)) for w in rng.choice(free, others, replace=False)]


def _of_others(
    place: _Place, clips: Sequence[Pairs], starts: Sequence[int], others: int, rng: Generator
) -> list[_Place]:
    """Stretches of other clips, of other speakers if there are any; none without other clips."""
    own = clips[place.clip].speaker
    usable = [c for c, start in enumerate(starts) if start > 0 and c != place.clip]
    strangers = [c for c in usable if clips[c].speaker != own] or usable
    if not strangers:
        return []
    drawn = rng.choice(strangers, others)
    return [_Place(int(c), int(rng.integers(starts[c]))) for c in drawn]


def _nearer(
    clips: Sequence[Pairs], places: Sequence[_Place], count: int, query_is_picture: bool
) -> NDArray[np.bool_]:
    """Which of the others come before the query's own, which lies at the first of the places."""
    rows = np.array([_stretch(clips[p.clip], p.window, count, not query_is_picture)
                     for p in places])  # fmt: skip
    query = _stretch(clips[places[0].clip], places[0].window, count, query_is_picture)
    distances = np.linalg.norm(rows - query, axis=-1).mean(axis=-1)
    return np.asarray(distances[1:] <= distances[0])


def _recall(nearer: NDArray[np.bool_], query: str, among: str, frames: int) -> Recall:
    """(questions, others) -> shares."""
    ranks = nearer.sum(axis=1)
    return Recall(
        query,
        among,
        frames,
        len(nearer),
        {n: float(np.mean(~nearer[:, : n - 1].any(axis=1))) for n in CANDIDATES},
        {k: float(np.mean(ranks < k)) for k in BEST},
    )


def _stretch(clip: Pairs, window: int, count: int, is_picture: bool) -> NDArray[np.float32]:
    return (clip.video if is_picture else clip.audio)[window : window + count]
