"""Embeddings with a known offset go in; the offset comes out, or the reason why it cannot."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.sync.blocks import BLOCK_FRAMES, distance_blocks, mean_curve
from avsync.sync.lse import lse_scores
from avsync.sync.offset import Offset, find_offset, vertex
from avsync.timebase import HOPS_PER_FRAME, WINDOW_FRAMES, WINDOW_HOPS

REFERENCE = Path(__file__).parents[2] / "shared" / "parity" / "reference.npz"
SIZE = 32
MAX_SHIFT = 100
LEAD = 1000  # steps of sound that exist before the clip and after it

Embeddings = NDArray[np.float32]


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clip(
    frames: int, shift: int, noise: float = 1.0, seed: int = 0, first_frame: int = 0
) -> tuple[Embeddings, Embeddings]:
    """(windows, SIZE) pictures and (steps, SIZE) sounds; each sound lies `shift` steps later.

    Sounds change over about 70 ms, as those of overlapping windows do. `noise` is how much of a
    picture has nothing to do with its sound, against what has.
    """
    rng = np.random.default_rng(seed)
    steps = (first_frame + frames) * HOPS_PER_FRAME - WINDOW_HOPS + 1
    walk = np.cumsum(rng.normal(size=(2 * LEAD + steps + 7, SIZE)), axis=0)
    sounds = unit(walk[7:] - walk[:-7])
    windows = frames - WINDOW_FRAMES + 1
    said = LEAD + (first_frame + np.arange(windows)) * HOPS_PER_FRAME
    pictures = unit(sounds[said] + noise * unit(rng.normal(size=(windows, SIZE))))
    heard = sounds[LEAD - shift : LEAD - shift + steps]
    return pictures.astype(np.float32), heard.astype(np.float32)


def offset_of(pictures: Embeddings, sounds: Embeddings, max_shift: int = MAX_SHIFT) -> Offset:
    blocks = distance_blocks(pictures, sounds, 0, max_shift)
    found = find_offset(blocks)
    assert found is not None
    return found


def strangers(frames: int, seed: int) -> tuple[Embeddings, Embeddings]:
    """Pictures and sounds that have nothing to do with each other."""
    return clip(frames, 0, seed=seed)[0], clip(frames, 0, seed=seed + 10_000)[1]


@pytest.mark.parametrize("shift", [-95, -37, -12, -3, -1, 0, 1, 2, 4, 13, 50, 95])
def test_a_known_shift_is_found(shift: int) -> None:
    found = offset_of(*clip(100, shift))
    assert found.offset_ms == pytest.approx(-10 * shift, abs=2)  # later sound is late: negative
    assert found.best == MAX_SHIFT + shift
    assert found.evidence.agreement > 0.98
    assert found.uncertainty_ms <= 5
    assert not found.at_edge


def test_a_shift_between_two_steps_is_found() -> None:
    pictures, sounds = clip(100, 7)
    between = unit(sounds[:-1].astype(float) + sounds[1:]).astype(np.float32)  # half a step earlier
    assert offset_of(pictures, between).offset_ms == pytest.approx(-65, abs=1)


def test_a_wide_range_finds_ten_seconds() -> None:
    pictures, sounds = clip(500, 940)
    assert offset_of(pictures, sounds, max_shift=1000).offset_ms == pytest.approx(-9400, abs=2)


def test_a_track_that_begins_late_is_compared_with_the_sound_of_its_time() -> None:
    blocks = distance_blocks(*clip(60, 5, first_frame=37), 37, MAX_SHIFT)
    found = find_offset(blocks)
    assert found is not None
    assert found.offset_ms == pytest.approx(-50, abs=2)


@pytest.mark.parametrize(
    ("pictures", "steps", "first_frame"),
    [
        (23, 90, 0),  # both ends outside
        (23, 400, 30),  # all inside
        (10, 60, 20),  # begins near the end of the sound
        (3, 500, 0),  # less than one stretch
        (12, 5, 0),  # hardly any sound
        (12, 50, 40),  # after the sound
        (12, 0, 0),  # no sound
        (0, 50, 0),  # no picture
    ],
)
def test_comparing_equals_a_slow_loop(pictures: int, steps: int, first_frame: int) -> None:
    rng = np.random.default_rng(0)
    video = rng.normal(size=(pictures, 4)).astype(np.float32)
    audio = rng.normal(size=(steps, 4)).astype(np.float32)
    max_shift = 30
    blocks = distance_blocks(video, audio, first_frame, max_shift)

    # Stretches lie on the timeline's grid, wherever the track begins.
    frames = range(first_frame, first_frame + pictures)
    assert blocks.numbers.tolist() == sorted({frame // BLOCK_FRAMES for frame in frames})
    count = len(blocks.numbers)
    assert blocks.sums.shape == blocks.counts.shape == (count, 2 * max_shift + 1)
    for k, number in enumerate(blocks.numbers):
        for s in range(2 * max_shift + 1):
            near = []
            for frame in (f for f in frames if f // BLOCK_FRAMES == number):
                j = frame * HOPS_PER_FRAME + s - max_shift
                if 0 <= j < steps:
                    i = frame - first_frame
                    near.append(math.dist(video[i].tolist(), audio[j].tolist()))
            assert blocks.counts[k, s] == len(near)
            assert blocks.sums[k, s] == pytest.approx(sum(near), rel=1e-3, abs=1e-3)


def test_equal_vectors_have_no_distance() -> None:
    vectors = np.full((BLOCK_FRAMES, 4), 123.4, np.float32)  # rounding must not give a NaN
    blocks = distance_blocks(vectors, vectors, 0, 0)
    assert blocks.sums[0, 0] == pytest.approx(0, abs=0.5)
    assert np.isfinite(blocks.curve).all()


def test_shifts_that_few_pictures_can_judge_are_no_candidates() -> None:
    curve = mean_curve(np.array([1, 8, 30, 0], np.float32), np.array([1, 4, 10, 0], np.float32))
    np.testing.assert_array_equal(curve, np.array([np.nan, 2, 3, np.nan], np.float32))


@pytest.mark.parametrize("frames", [12, 15, 25])
@pytest.mark.parametrize("shift", [-4, 0, 3])
def test_a_short_clip_is_not_drawn_to_the_edges(frames: int, shift: int) -> None:
    for seed in range(10):
        found = offset_of(*clip(frames, shift, noise=2.5, seed=seed))
        assert found.offset_ms == pytest.approx(-10 * shift, abs=20)
        assert not found.at_edge


def test_strangers_do_not_agree() -> None:
    agreement = [offset_of(*strangers(150, seed)).evidence.agreement for seed in range(10)]
    assert np.mean(agreement) < 0.5
    leads = [offset_of(*strangers(150, seed)).evidence.margin for seed in range(10)]
    assert max(leads) < 0.5 * offset_of(*clip(150, 0)).evidence.margin


def test_a_flat_curve_tells_nothing() -> None:
    same = np.ones((60, 4), np.float32)
    found = offset_of(same, np.ones((300, 4), np.float32))
    evidence = found.evidence
    assert evidence.median_distance - evidence.min_distance == pytest.approx(0, abs=1e-3)
    assert evidence.margin < 0.05
    assert np.isfinite(evidence.features).all()


@pytest.mark.parametrize("shift", [-MAX_SHIFT, 1 - MAX_SHIFT, MAX_SHIFT - 1, MAX_SHIFT])
def test_a_best_match_at_the_edge_of_the_range_is_marked(shift: int) -> None:
    assert offset_of(*clip(150, shift)).at_edge


@pytest.mark.parametrize("beyond", [MAX_SHIFT + 2, -MAX_SHIFT - 2])
def test_a_match_beyond_the_range_is_no_answer(beyond: int) -> None:
    assert offset_of(*clip(150, beyond)).at_edge


def test_without_sound_or_picture_there_is_no_offset() -> None:
    pictures, sounds = clip(50, 0)
    for video, audio in ((pictures, sounds[:0]), (pictures[:0], sounds)):
        blocks = distance_blocks(video, audio, 0, MAX_SHIFT)
        assert find_offset(blocks) is None


def test_the_answer_is_always_the_same() -> None:
    assert offset_of(*strangers(60, 3)) == offset_of(*strangers(60, 3))


@pytest.mark.parametrize("minimum", [3.0, 3.25, 3.5, 2.6])
def test_the_vertex_of_a_parabola_is_exact(minimum: float) -> None:
    curve = ((np.arange(8) - minimum) ** 2).astype(np.float32)
    assert vertex(curve) == pytest.approx(minimum, abs=1e-5)


@pytest.mark.parametrize(
    ("curve", "index"),
    [
        ([1, 2, 3, 4], 0),
        ([4, 3, 2, 1], 3),
        ([np.nan, 1, 2, 3], 1),
        ([5, 2, np.nan, 7], 1),
        ([3, 3, 3, 3], 0),
        ([np.inf, 2, np.inf, np.inf], 1),
        ([np.inf, np.inf, np.inf], 0),
    ],
)
def test_the_vertex_without_two_neighbours_is_the_best_point(
    curve: list[float], index: int
) -> None:
    assert vertex(np.array(curve, np.float32)) == index


@pytest.mark.parametrize("early_by_frames", [-5, 0, 3])
def test_upstream_scoring_has_the_same_sign(early_by_frames: int) -> None:
    pictures, sounds = clip(100, -early_by_frames * HOPS_PER_FRAME)
    _, _, frames = lse_scores(pictures, sounds[::HOPS_PER_FRAME])
    assert frames == early_by_frames


def test_upstream_scoring_pads_with_zeros() -> None:
    video = np.array([[3.0, 4.0]] * 2)
    distance, confidence, frames = lse_scores(video, np.array([[0.0, 16.0]] * 3))
    # Shifts of 2 and more meet zeros only, 5 away; the sounds are sqrt(9 + 144) away.
    assert (distance, confidence, frames) == (5, 0, 15)


def test_upstream_scores_are_those_of_upstream() -> None:
    if not REFERENCE.exists():
        pytest.skip(f"needs the answers of the upstream network in {REFERENCE.name}")
    with np.load(REFERENCE) as arrays:
        video, audio = arrays["all_video_embeddings"], arrays["audio_embeddings"]
        means = arrays["mean_distances"]
    distance, confidence, frames = lse_scores(video, audio)
    assert distance == pytest.approx(means.min(), rel=1e-5) == pytest.approx(1321.01, abs=0.01)
    assert confidence == pytest.approx(np.median(means) - means.min(), rel=1e-3)
    assert confidence == pytest.approx(0.749, abs=0.001)
    assert frames == 15
