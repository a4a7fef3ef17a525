"""The two streams: dense equals window by window, and the paper's network is upstream's."""

from pathlib import Path

import numpy as np
import pytest
import syncnet_checkpoint
import torch
from torch import Tensor

from avsync.model.config import DEFAULT_CONFIG, PERFECT_MATCH_CONFIG, ModelConfig
from avsync.model.networks import DefaultStreams, build
from avsync.model.perfect_match import PerfectMatchStreams
from avsync.timebase import HOPS_PER_FRAME, WINDOW_FRAMES, WINDOW_HOPS

REFERENCE = Path(__file__).parents[2] / "shared" / "parity" / "reference.npz"


@pytest.fixture(scope="module")
def streams() -> DefaultStreams:
    """Untrained, but with statistics as after training: no layer is at rest."""
    torch.manual_seed(0)
    streams = DefaultStreams(DEFAULT_CONFIG)
    streams.mfcc_mean.normal_(0, 5)
    streams.mfcc_deviation.uniform_(2, 10)
    for name, buffer in streams.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    return streams.eval()


@pytest.fixture(scope="module")
def perfect_match() -> PerfectMatchStreams:
    """The paper's network with known values."""
    return syncnet_checkpoint.network()


@pytest.fixture(scope="module")
def upstream() -> dict[str, np.ndarray]:
    """What the upstream network answers for the same values."""
    if not REFERENCE.exists():
        pytest.skip(f"needs the answers of the upstream network in {REFERENCE.name}")
    with np.load(REFERENCE) as arrays:
        return dict(arrays)


def faces(count: int, pixels: int = DEFAULT_CONFIG.geometry.pixels) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, pixels, pixels), generator=generator, dtype=torch.uint8)


def sound(count: int) -> Tensor:
    return 10 * torch.randn(count, 13, generator=torch.Generator().manual_seed(2))


@torch.inference_mode()
def test_dense_video_equals_window_by_window(streams: DefaultStreams) -> None:
    frames = faces(9)
    dense = streams.embed_video(frames)
    one_by_one = [streams.embed_video(frames[i : i + WINDOW_FRAMES])[0] for i in range(5)]
    assert dense.shape == (5, DEFAULT_CONFIG.embedding_size)
    torch.testing.assert_close(dense, torch.stack(one_by_one), atol=1e-5, rtol=0)
    assert (dense[0] - dense[1]).norm() > 1e-3  # they do differ


@torch.inference_mode()
def test_dense_audio_equals_window_by_window(streams: DefaultStreams) -> None:
    mfcc = sound(27)
    dense = streams.embed_audio(mfcc)
    one_by_one = [streams.embed_audio(mfcc[i : i + WINDOW_HOPS])[0] for i in range(8)]
    assert dense.shape == (8, DEFAULT_CONFIG.embedding_size)
    torch.testing.assert_close(dense, torch.stack(one_by_one), atol=1e-5, rtol=0)
    assert (dense[0] - dense[1]).norm() > 1e-3


@torch.inference_mode()
def test_a_window_is_five_upright_frames_in_order(streams: DefaultStreams) -> None:
    frames = faces(WINDOW_FRAMES).float()
    frames -= frames.mean(dim=(1, 2), keepdim=True)
    frames /= frames.std(dim=(1, 2), keepdim=True)  # what the network makes of them is the same
    window = torch.nn.functional.normalize(streams.video(frames[None]), dim=-1)
    torch.testing.assert_close(streams.embed_video(faces(5)), window, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_no_window_reaches_into_the_next_clip(streams: DefaultStreams) -> None:
    frames = faces(14)
    together = streams.embed_videos(frames, [6, 8])
    alone = [streams.embed_video(frames[:6]), streams.embed_video(frames[6:])]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_one_window_gives_one_embedding(streams: DefaultStreams) -> None:
    assert streams.embed_video(faces(WINDOW_FRAMES)).shape == (1, 256)
    assert streams.embed_audio(sound(WINDOW_HOPS)).shape == (1, 256)


@torch.inference_mode()
def test_what_lies_outside_a_window_does_not_matter(streams: DefaultStreams) -> None:
    frames, mfcc = faces(6), sound(21)
    changed_frames, changed_mfcc = frames.clone(), mfcc.clone()
    changed_frames[5], changed_mfcc[20] = 0, 0.0
    for embed, before, after in (
        (streams.embed_video, frames, changed_frames),
        (streams.embed_audio, mfcc, changed_mfcc),
    ):
        moved = (embed(before) - embed(after)).norm(dim=1)
        assert moved[0] < 1e-5 < 1e-3 < moved[1]


@torch.inference_mode()
def test_embeddings_have_unit_length(streams: DefaultStreams) -> None:
    for embeddings in (streams.embed_video(faces(8)), streams.embed_audio(sound(30))):
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(embeddings)))


@torch.inference_mode()
def test_light_and_contrast_do_not_matter_not_even_when_they_flicker(
    streams: DefaultStreams,
) -> None:
    frames = faces(WINDOW_FRAMES) & 0xFE
    dim = frames // 2 + 60
    flickering = torch.where(torch.arange(5)[:, None, None] % 2 == 0, frames, dim)
    plain = streams.embed_video(frames)
    for changed in (dim, flickering):
        torch.testing.assert_close(streams.embed_video(changed), plain, atol=1e-3, rtol=0)


@torch.inference_mode()
def test_a_face_without_any_texture_is_no_division_by_zero(streams: DefaultStreams) -> None:
    black = torch.zeros(WINDOW_FRAMES, 88, 88, dtype=torch.uint8)
    assert torch.isfinite(streams.embed_video(black)).all()


@torch.inference_mode()
def test_a_batch_of_sounds_equals_one_by_one(streams: DefaultStreams) -> None:
    mfcc = sound(50).reshape(2, 25, 13)
    one_by_one = torch.stack([streams.embed_audio(m) for m in mfcc])
    torch.testing.assert_close(streams.embed_sounds(mfcc), one_by_one, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("config", "kind"),
    [(DEFAULT_CONFIG, DefaultStreams), (PERFECT_MATCH_CONFIG, PerfectMatchStreams)],
)
def test_the_configuration_names_the_network(config: ModelConfig, kind: type) -> None:
    with torch.device("meta"):
        streams = build(config)
    assert isinstance(streams, kind)
    assert streams.config == config


def test_perfect_match_has_the_tensors_of_syncnet() -> None:
    with torch.device("meta"):
        ours = PerfectMatchStreams().state_dict()
    assert {name: tuple(t.shape) for name, t in ours.items()} == syncnet_checkpoint.shapes()


@torch.inference_mode()
def test_perfect_match_shapes(perfect_match: PerfectMatchStreams) -> None:
    frames = torch.zeros(6, *PERFECT_MATCH_CONFIG.geometry.shape, dtype=torch.uint8)
    assert perfect_match.embed_video(frames).shape == (2, 1024)
    assert perfect_match.embed_audio(sound(23)).shape == (4, 1024)


@torch.inference_mode()
def test_perfect_match_sees_what_upstream_sees(
    perfect_match: PerfectMatchStreams, upstream: dict[str, np.ndarray]
) -> None:
    frames = torch.from_numpy(upstream["frames_bgr"][-10:])
    ours, theirs = perfect_match.embed_video(frames), upstream["video_embeddings"][-6:]
    assert relative_error(ours, theirs) < 1e-4
    np.testing.assert_allclose(upstream["all_video_embeddings"][34:40], theirs, rtol=1e-3)


@pytest.mark.parametrize("first", [0, 306])
@torch.inference_mode()
def test_perfect_match_hears_what_upstream_hears(
    perfect_match: PerfectMatchStreams, upstream: dict[str, np.ndarray], first: int
) -> None:
    count = 6
    steps = (count - 1) * HOPS_PER_FRAME + WINDOW_HOPS
    mfcc = torch.from_numpy(upstream["mfcc"].T[first * HOPS_PER_FRAME :][:steps])
    ours = perfect_match.embed_audio(mfcc)[::HOPS_PER_FRAME]  # upstream: one window a frame
    assert relative_error(ours, upstream["audio_embeddings"][first : first + count]) < 1e-4


def relative_error(ours: Tensor, theirs: np.ndarray) -> float:
    """Largest distance between embeddings, by their length."""
    return float(
        np.max(np.linalg.norm(ours.numpy() - theirs, axis=1) / np.linalg.norm(theirs, axis=1))
    )
