"""The arrangements for speed: the same embeddings, for any number of threads, on any device."""

from pathlib import Path

import numpy as np
import pytest
import syncnet_checkpoint
import torch
from numpy.typing import NDArray
from talking_face import write_talking_face

import avsync
from avsync.model import weights
from avsync.model.batches import HOPS_PER_BATCH, EmbeddingModel
from avsync.model.embed import embed_crops, embed_sound
from avsync.model.networks import DefaultStreams
from avsync.model.optimize import FlatPerfectMatch, for_inference, half_precision
from avsync.model.perfect_match import PerfectMatchStreams
from avsync.model.runtimes import TorchRuntime
from avsync.timebase import WINDOW_HOPS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def perfect_match() -> PerfectMatchStreams:
    """The paper's network with known values."""
    return syncnet_checkpoint.network()


@pytest.fixture(scope="module")
def default() -> DefaultStreams:
    """The network that is shipped."""
    streams = weights.load().streams
    assert isinstance(streams, DefaultStreams)
    return streams


def pictures(count: int, *shape: int) -> NDArray[np.uint8]:
    """Smooth noise that moves: what a face has in common with it is enough here."""
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (count, *shape), np.uint8).astype(np.float32)
    for axis in (0, 1, 2):
        noise = (noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)) / 3
    return noise.astype(np.uint8)


def sound(steps: int) -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(0, 5, (steps, 13)).astype(np.float32)


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """Largest distance between embeddings, by their length."""
    return float(((ours - theirs).norm(dim=-1) / theirs.norm(dim=-1)).max())


@torch.inference_mode()
@pytest.mark.parametrize("count", [5, 8, 9, 14])
def test_flat_perfect_match_sees_the_same(perfect_match: PerfectMatchStreams, count: int) -> None:
    frames = torch.from_numpy(pictures(count, 224, 224, 3))
    flat = for_inference(perfect_match)
    assert isinstance(flat, FlatPerfectMatch)
    ours, theirs = flat.embed_video(frames), perfect_match.embed_video(frames)
    assert ours.shape == (count - 4, 1024)
    assert relative_error(ours, theirs) < 1e-4


@torch.inference_mode()
def test_flat_perfect_match_sees_clips_apart(perfect_match: PerfectMatchStreams) -> None:
    frames = torch.from_numpy(pictures(13, 224, 224, 3))
    flat = for_inference(perfect_match).embed_videos(frames, [6, 7])
    assert relative_error(flat, perfect_match.embed_videos(frames, [6, 7])) < 1e-4


@torch.inference_mode()
def test_flat_perfect_match_hears_the_same(perfect_match: PerfectMatchStreams) -> None:
    mfcc = torch.from_numpy(sound(2 * 60)).reshape(2, 60, 13)
    flat = for_inference(perfect_match)
    assert relative_error(flat.embed_sounds(mfcc), perfect_match.embed_sounds(mfcc)) < 1e-4
    assert relative_error(flat.embed_audio(mfcc[0]), perfect_match.embed_audio(mfcc[0])) < 1e-4


def test_arranging_leaves_the_network_as_it_was(perfect_match: PerfectMatchStreams) -> None:
    for_inference(perfect_match)
    ours, given = perfect_match.state_dict(), syncnet_checkpoint.checkpoint()
    assert ours.keys() == given.keys()
    assert all(torch.equal(ours[name], given[name]) for name in given)


@torch.inference_mode()
def test_half_precision_is_near_enough(default: DefaultStreams) -> None:
    frames = torch.from_numpy(pictures(24, 88, 88))
    whole = default.embed_video(frames)
    with half_precision(CPU):  # whole precision where the processor has no other
        half = default.embed_video(frames)
    assert torch.nn.functional.cosine_similarity(whole, half).min() > 0.999


def test_embeddings_are_the_same_for_any_number_of_threads(default: DefaultStreams) -> None:
    crops, mfcc = list(pictures(300, 88, 88)), sound(2 * HOPS_PER_BATCH + 100)
    answers = []
    for count in (1, 2, 3):
        network = EmbeddingModel(TorchRuntime(default), count)
        answers.append((embed_crops(crops, network), embed_sound(mfcc, network)))
    for video, audio in answers[1:]:
        assert np.array_equal(video, answers[0][0])
        assert np.array_equal(audio, answers[0][1])
    assert answers[0][0].shape == (296, 256)
    assert answers[0][1].shape == (len(mfcc) - WINDOW_HOPS + 1, 256)


@pytest.mark.parametrize("count", [0, 4])
def test_too_few_crops_give_no_embedding(default: DefaultStreams, count: int) -> None:
    assert embed_crops(
        list(pictures(count, 88, 88)), EmbeddingModel(TorchRuntime(default))
    ).shape == (0, 256)


@pytest.mark.parametrize("steps", [0, WINDOW_HOPS - 1, WINDOW_HOPS])
def test_short_sounds(default: DefaultStreams, steps: int) -> None:
    count = max(0, steps - WINDOW_HOPS + 1)
    assert embed_sound(sound(steps), EmbeddingModel(TorchRuntime(default))).shape == (count, 256)


@pytest.mark.requires_cuda
def test_a_gpu_answers_as_the_processor_does(tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    path = tmp_path / "face.mp4"
    write_talking_face(path, seconds=6, sound_early_ms=-120, size=(416, 234))
    offsets = []
    for device in ("cpu", "cuda"):
        report = avsync.detect(path, avsync.DetectOptions(device=device))
        assert report.status == "ok" and report.offset_ms is not None
        offsets.append(report.offset_ms)
    assert abs(offsets[0] - offsets[1]) < 5


@pytest.mark.requires_cuda
def test_a_gpu_embeds_as_the_processor_does(
    default: DefaultStreams, perfect_match: PerfectMatchStreams
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for streams, shape, near in (
        (default, (88, 88), 0.999),
        (for_inference(perfect_match), (224, 224, 3), 0.9999),
    ):
        crops, mfcc = list(pictures(20, *shape)), sound(200)
        here = [
            embed_crops(crops, EmbeddingModel(TorchRuntime(streams))),
            embed_sound(mfcc, EmbeddingModel(TorchRuntime(streams))),
        ]
        streams.to("cuda")  # type: ignore[attr-defined]
        gpu = EmbeddingModel(TorchRuntime(streams, "cuda"))
        there = [embed_crops(crops, gpu), embed_sound(mfcc, gpu)]
        streams.to("cpu")  # type: ignore[attr-defined]
        for a, b in zip(here, there, strict=True):
            cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            assert cosine.min() > near
