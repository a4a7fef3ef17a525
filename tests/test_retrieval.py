"""Retrieval: who is asked, among whom, and what counts as found."""

import numpy as np
import pytest

from avsync.training.accuracy import Pairs
from avsync.training.retrieval import (
    BEST,
    CANDIDATES,
    OTHER,
    SAME,
    _of_others,
    _of_same,
    _Place,
    retrieve,
)


def _clips(
    count: int, windows: int, noise: float = 0.0, speakers: int = 2, seed: int = 0
) -> list[Pairs]:
    """Pictures drawn at random, and sounds like them but for noise."""
    rng = np.random.default_rng(seed)
    clips = []
    for k in range(count):
        video = rng.normal(size=(windows, 16)).astype(np.float32)
        audio = video + noise * rng.normal(size=video.shape).astype(np.float32)
        clips.append(Pairs(f"speaker {k % speakers}", video, audio))
    return clips


def test_equal_embeddings_find_each_other_always() -> None:
    found = retrieve(_clips(4, 100))
    kinds = [(recall.input_frames, recall.among, recall.query) for recall in found]
    assert kinds == [
        (frames, among, query)
        for frames in (5, 15)
        for among in (SAME, OTHER)
        for query in ("picture", "sound")
    ]
    for recall in found:
        assert recall.top1 == dict.fromkeys(CANDIDATES, 1.0)
        assert recall.recall == dict.fromkeys(BEST, 1.0)
        assert 0 < recall.queries <= 400


def test_strangers_are_found_by_chance() -> None:
    sounds = _clips(20, 100, seed=1)
    clips = [
        Pairs(c.speaker, c.video, s.audio) for c, s in zip(_clips(20, 100), sounds, strict=True)
    ]
    for recall in retrieve(clips):
        # 15 frames are 11 windows, of which neighbours share ten: fewer questions than it seems.
        margin = 0.05 if recall.input_frames == 5 else 0.12
        for n, share in recall.top1.items():
            assert share == pytest.approx(1 / n, abs=margin)
        assert recall.recall[10] == pytest.approx(10 / 50, abs=margin)
        assert recall.recall[1] == recall.top1[50]


def test_equal_distances_find_nothing() -> None:
    """A network that says the same of everything must not look perfect."""
    flat = [Pairs(f"{k}", np.ones((100, 4), np.float32), np.ones((100, 4), np.float32))
            for k in range(3)]  # fmt: skip
    for recall in retrieve(flat):
        assert set(recall.top1.values()) == set(recall.recall.values()) == {0.0}


def test_longer_queries_and_fewer_candidates_are_easier() -> None:
    found = {(r.input_frames, r.among, r.query): r for r in retrieve(_clips(8, 120, noise=2.0))}
    for among in (SAME, OTHER):
        short, long = (found[frames, among, "picture"] for frames in (5, 15))
        assert long.top1[50] > short.top1[50] > 1 / 50
        assert list(short.top1.values()) == sorted(short.top1.values(), reverse=True)
        assert list(short.recall.values()) == sorted(short.recall.values())


def test_a_clip_lends_only_what_does_not_overlap() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 11):
        places = _of_same(_Place(3, 50), 120, count, 49, rng)
        assert len(set(places)) == 49 and {place.clip for place in places} == {3}
        # Frames of a stretch: from its first window to the end of its last, 5 frames long.
        assert all(abs(place.window - 50) >= count + 4 for place in places)
    assert _of_same(_Place(3, 50), 57, 1, 49, rng) == []


def test_others_are_other_speakers_where_there_are_any() -> None:
    rng = np.random.default_rng(0)
    clips = _clips(6, 40, speakers=3)
    places = _of_others(_Place(0, 0), clips, [40] * 6, 49, rng)
    assert {place.clip for place in places} == {1, 2, 4, 5}  # 3 is the same speaker
    alone = _clips(3, 40, speakers=1)
    places = _of_others(_Place(0, 0), alone, [40, 40, 0], 49, rng)
    assert {place.clip for place in places} == {1}  # 2 is too short
    assert _of_others(_Place(0, 0), alone[:1], [40], 49, rng) == []


def test_kinds_without_enough_material_are_left_out() -> None:
    (one,) = _clips(1, 40)
    assert retrieve([one]) == ()
    short = retrieve(_clips(3, 12))
    assert {(r.input_frames, r.among) for r in short} == {(5, OTHER), (15, OTHER)}


def test_the_questions_do_not_depend_on_the_embeddings() -> None:
    one, two = retrieve(_clips(3, 90, seed=1)), retrieve(_clips(3, 90, seed=2))
    assert [r.queries for r in one] == [r.queries for r in two]
    assert retrieve(_clips(3, 90, noise=1.0, seed=1)) == retrieve(_clips(3, 90, noise=1.0, seed=1))
