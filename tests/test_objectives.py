"""The three objectives, against slow references."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional as F

from avsync.training.objectives import MARGIN, AveNet, Contrastive, Multiway, build_objective


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def _unit(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, 16, generator=generator), dim=1)


@pytest.mark.parametrize(
    "objective",
    [Multiway(24, "cosine"), Multiway(24, "inverse-distance"), Contrastive(), AveNet()],
    ids=["cosine", "inverse-distance", "contrastive", "avenet"],
)
def test_pairs_that_belong_together_cost_less(objective: torch.nn.Module) -> None:
    video = _unit(30)
    assert objective(video, video, [10, 20]) < objective(video, video.roll(3, 0), [10, 20])


def test_multiway_is_a_softmax_over_inverse_distances() -> None:
    objective = Multiway(3, "inverse-distance")
    objective.log_scale.data.zero_()
    video, audio = _unit(3, 1), _unit(3, 2)
    expected = []
    for a, b in ((video, audio), (audio, video)):
        for i in range(3):
            inverse = torch.tensor([1 / (float((a[i] - b[j]).norm()) + 0.1) for j in range(3)])
            expected.append(-math.log(float(torch.softmax(inverse, 0)[i])))
    loss = float(objective(video, audio, [3]))
    assert loss == pytest.approx(sum(expected) / len(expected), abs=1e-4)


def test_clips_of_a_batch_do_not_compete() -> None:
    objective, video = Multiway(24), _unit(12)
    apart = (objective(video[:6], video[:6], [6]) + objective(video[6:], video[6:], [6])) / 2
    assert torch.allclose(objective(video, video, [6, 6]), apart)


@pytest.mark.parametrize("n_way", [2, 5, 24])
def test_n_way_is_the_number_of_candidates(n_way: int) -> None:
    """Of unrelated embeddings at scale 0, every candidate is as likely: the loss is log N."""
    objective = Multiway(n_way)
    objective.log_scale.data.fill_(-30.0)
    loss = objective(_unit(24, 1), _unit(24, 2), [24])
    assert float(loss) == pytest.approx(math.log(n_way), abs=1e-4)


def test_the_true_sound_is_always_a_candidate() -> None:
    objective, video = Multiway(2), _unit(40)
    assert all(float(objective(video, video, [40])) < 0.1 for _ in range(5))


def test_contrastive_wants_false_pairs_a_margin_apart() -> None:
    video = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert float(Contrastive()(video, video, [2])) == pytest.approx(0, abs=1e-4)
    alike = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert float(Contrastive()(alike, alike, [2])) == pytest.approx(MARGIN**2 / 2, abs=1e-3)
    wide = build_objective("contrastive", 2, "cosine", margin=1.5)
    assert float(wide(alike, alike, [2])) == pytest.approx(1.5**2 / 2, abs=1e-3)


def test_avenet_is_a_two_way_softmax_over_the_distance() -> None:
    objective = AveNet()
    video = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])  # true pairs 0 apart, false ones 2
    weight, bias = objective.classify.weight, objective.classify.bias
    near = F.cross_entropy(bias[None], torch.tensor([1]))
    far = F.cross_entropy((2 * weight[:, 0] + bias)[None], torch.tensor([0]))
    assert float(objective(video, video, [2])) == pytest.approx(float(near + far) / 2, abs=1e-4)


def test_false_pairs_are_of_the_same_clip_and_never_true() -> None:
    """With clips of two windows the false sound can only be the other one."""
    video = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    for seed in range(5):
        torch.manual_seed(seed)
        assert float(Contrastive()(video, video, [2, 2])) == pytest.approx(0, abs=1e-4)


def test_objectives_are_built_by_name() -> None:
    kinds = {"multiway": Multiway, "contrastive": Contrastive, "avenet": AveNet}
    for name, kind in kinds.items():
        assert type(build_objective(name, 7, "cosine")) is kind  # type: ignore[arg-type]
