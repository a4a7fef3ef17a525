"""Find the constants of `avsync.sync.turns.TURNS` by maximum likelihood, and print them.

    python benchmarks/fit_speakers.py CORPUS/manifest.tsv --speakers weights/dev-speakers.txt

Scenes of `speaker_scenes.py` are made of the embeddings of clips of all speakers but those named,
and the logarithm of the probability that the model gives to the truth of each face-frame is made as
large as it can be, by gradients through the forward-backward algorithm.
"""

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from speaker_scenes import Scene, load_clips, make_scene
from torch import Tensor

from avsync.model.embed import embed_sound
from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.speech import is_audible, mfcc
from avsync.sync.speaking import FEATURES, features
from avsync.timebase import WINDOW_FRAMES
from avsync.tracks import EmbeddedClip, FaceTrack

MOST_FACES = 3
STATES = [(), *((n,) for n in range(MOST_FACES)), *combinations(range(MOST_FACES), 2)]
MEMBERS = torch.tensor([[float(n in state) for n in range(MOST_FACES)] for state in STATES])
SIZES = MEMBERS.sum(dim=1).long()
ABSENT = -30.0
STEPS, RATE = 80, 0.15


def main() -> None:
    """Make scenes, fit, print."""
    parser = argparse.ArgumentParser(description="Fit how faces take turns.")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--speakers", type=Path, required=True)
    parser.add_argument("--scenes", type=int, default=150)
    chosen = parser.parse_args()
    torch.set_num_threads(1)  # tensors are small: threads would wait for each other
    pipeline = Pipeline(DetectOptions(), threads=1)
    names = set(chosen.speakers.read_text().split())
    clips, _ = load_clips(chosen.manifest, names, pipeline, held_out=False, most_each=2)
    print(f"{sum(map(len, clips.values()))} clips of {len(clips)} speakers", flush=True)
    rng = np.random.default_rng(0)
    scenes = [
        observed(make_scene(clips, rng, 2 + n % 2, 24), pipeline) for n in range(chosen.scenes)
    ]
    fit(*padded(scenes))


def observed(scene: Scene, pipeline: Pipeline) -> tuple[Tensor, Tensor]:
    """(faces, T, F) features and (faces, T) truth."""
    steps = mfcc([scene.samples])
    truth = scene.truth
    seen = EmbeddedClip(
        [_track(scene, panel) for panel in range(scene.panels)],
        embed_sound(steps, pipeline.loaded.network), is_audible(steps), truth.shape[1],
    )  # fmt: skip
    rows = [features(seen, t, np.zeros(len(t.video), np.int64)) for t in seen.tracks]
    return torch.from_numpy(np.stack(rows)), torch.from_numpy(truth)


def _track(scene: Scene, panel: int) -> FaceTrack:
    """What would be embedded of a panel, but for the windows across two clips."""
    rows = []
    for turn in scene.turns:
        for clip, first, count in turn.shown[panel]:
            at = np.minimum(np.arange(first, first + count), len(clip.track.video) - 1)
            rows.append(np.asarray(clip.track.video[at], np.float32))
    video = np.concatenate(rows)
    return FaceTrack(0, np.zeros((len(video), 4), np.float32), video[: 1 - WINDOW_FRAMES])


def padded(scenes: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Features, truth, and where there is a face, of all scenes as one array."""
    longest = max(truth.shape[1] for _, truth in scenes)
    shape = (len(scenes), MOST_FACES, longest)
    found, truths = torch.zeros(*shape, len(FEATURES)), torch.zeros(shape)
    there = torch.zeros(shape, dtype=torch.bool)
    for n, (rows, truth) in enumerate(scenes):
        faces, frames = truth.shape
        found[n, :faces, :frames], truths[n, :faces, :frames] = rows, truth.float()
        there[n, :faces, :frames] = True
    return found, truths, there


def fit(rows: Tensor, truth: Tensor, there: Tensor) -> None:
    """Print the constants, and how well they tell."""
    weights = torch.zeros(len(FEATURES))
    weights[0] = 1.0
    start = [weights, torch.tensor(0.0), torch.tensor([-4.0, -4, -2]), torch.tensor([0.0, 0, -3])]
    parameters = [one.requires_grad_() for one in start]
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for step in range(STEPS):
        optimizer.zero_grad()
        told = posterior(rows, there, *parameters)[there].clamp(1e-5, 1 - 1e-5)
        loss = torch.nn.functional.binary_cross_entropy(told, truth[there])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 10 == 9:
            print(f"step {step + 1}: {loss.item():.4f}", flush=True)
    weights, bias, leaving, prior = (one.detach() for one in parameters)
    print("weights", [round(x, 4) for x in weights.tolist()], "bias", round(bias.item(), 4))
    print("leaving", [round(x, 4) for x in leaving.sigmoid().tolist()])
    print("prior", [round(x, 4) for x in prior.tolist()])
    for low in (0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98):
        some = (told >= low) & (told < min([t for t in BOUNDS if t > low]))
        said, right = told[some].mean().item(), truth[there][some].mean().item()
        print(f"from {low}: {int(some.sum())} face-frames, told {said:.3f}, right {right:.3f}")


BOUNDS = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.1)


def posterior(
    rows: Tensor, there: Tensor, weights: Tensor, bias: Tensor, leaving: Tensor, prior: Tensor
) -> Tensor:
    """(scenes, faces, T): as `avsync.sync.turns`, differentiable."""
    odds = (rows @ weights + bias).masked_fill(~there, ABSENT)
    evidence = torch.einsum("bnt,sn->bts", odds, MEMBERS)
    evidence = (evidence - evidence.amax(dim=2, keepdim=True)).exp()
    leave = leaving.sigmoid()[SIZES]
    is_possible = there.any(dim=2).float() @ MEMBERS.T >= SIZES
    comes = torch.where(is_possible, prior[SIZES], torch.tensor(ABSENT)).softmax(dim=1)
    now = comes * evidence[:, 0]
    forward = [now / now.sum(dim=1, keepdim=True)]
    for t in range(1, evidence.shape[1]):
        now = forward[-1]
        now = evidence[:, t] * ((1 - leave) * now + comes * (now * leave).sum(1, keepdim=True))
        forward.append(now / now.sum(dim=1, keepdim=True))
    backward = [torch.ones_like(now)]
    for t in range(evidence.shape[1] - 2, -1, -1):
        next_one = evidence[:, t + 1] * backward[-1]
        last = (1 - leave) * next_one + leave * (comes * next_one).sum(1, keepdim=True)
        backward.append(last / last.sum(dim=1, keepdim=True))
    both = torch.stack(forward, 1) * torch.stack(backward[::-1], 1)
    return torch.einsum("bts,sn->bnt", both / both.sum(dim=2, keepdim=True), MEMBERS)


if __name__ == "__main__":
    main()
