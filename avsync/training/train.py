"""The training loop, top to bottom: network, steps, checkpoints, a weights file at the end."""

import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from avsync import weights
from avsync.downloads import Progress, silent
from avsync.errors import DataError, WeightsError
from avsync.model import DEFAULT_CONFIG, DefaultStreams
from avsync.timebase import FRAME_MS
from avsync.training.batches import Batch, Batches, sounds_of
from avsync.training.calibrate import calibrate
from avsync.training.clips import Clip
from avsync.training.evaluate import Accuracy, accuracy
from avsync.training.objectives import Multiway, Similarity

MIN_WINDOWS = 10  # shorter clips have too few candidates to teach anything
WARM_UP_STEPS = 200
WEIGHT_DECAY = 0.02
MAX_GRADIENT = 5.0


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train; with the data, this determines the weights."""

    steps: int = 4000
    windows: int = 480  # of all clips of a batch
    n_way: int = 24  # candidates: windows taken of one clip
    learning_rate: float = 1e-3
    similarity: Similarity = "cosine"
    seed: int = 0
    start: str | None = None  # weights to start from
    evaluate_every: int = 500  # steps
    checkpoint_every: int = 100  # steps


@dataclass(slots=True)
class _State:
    streams: DefaultStreams
    objective: Multiway
    optimiser: torch.optim.AdamW
    step: int = 0


def train(
    clips: Sequence[Clip],
    held_out: Sequence[Clip],
    output: Path,
    options: TrainOptions,
    provenance: dict[str, Any],
    tolerance_ms: float = FRAME_MS,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Accuracy | None:
    """Train the default network, write its weights to `output`, return its accuracy.

    Confidence is calibrated on `held_out`: an answer is right within `tolerance_ms`.
    A checkpoint beside `output` lets a run that was killed go on where it was; it is removed
    when the weights are written. Raises DataError where there is nothing to learn from.
    """
    clips = [clip for clip in clips if len(clip.valid_windows) >= MIN_WINDOWS]
    if not clips:
        raise DataError("no clip shows a face with sound for long enough; add data")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    state = _new_state(clips, options, device)
    checkpoint = output.with_suffix(".checkpoint")
    _resume(state, checkpoint, options)
    batches = Batches(
        clips, state.streams.config.geometry.pixels, options.windows, options.n_way, options.seed
    )
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(state.step, options.steps),
        num_workers=1,
        prefetch_factor=4,
    )
    started, losses, measured = time.monotonic(), [], None
    for batch in loader if state.step < options.steps else ():
        losses.append(_step(state, batch, options, device))
        progress("training", state.step, options.steps)
        if state.step % options.checkpoint_every == 0:
            _write_checkpoint(state, checkpoint, options)
        if state.step % options.evaluate_every == 0 or state.step == options.steps:
            measured = accuracy(state.streams, held_out) if held_out else None
            loss = sum(losses) / len(losses)
            minutes = (time.monotonic() - started) / 60
            say(f"step {state.step}  {minutes:.1f} min  loss {loss:.3f}  {measured}")
            losses = []
    facts = {
        **provenance,
        "options": asdict(options),
        "accuracy": asdict(measured) if measured else None,
    }
    calibration = calibrate(state.streams, held_out, tolerance_ms) if held_out else {}
    weights.save(output, state.streams.config, state.streams.state_dict(), calibration, facts)
    checkpoint.unlink(missing_ok=True)
    return measured


def _new_state(clips: Sequence[Clip], options: TrainOptions, device: torch.device) -> _State:
    torch.manual_seed(options.seed)
    if options.start:
        streams = weights.load(options.start).streams
        if not isinstance(streams, DefaultStreams):
            raise WeightsError(f"{options.start}: only the default network can be trained")
    else:
        streams = DefaultStreams(DEFAULT_CONFIG)
        _measure_mfcc(streams, clips)
    streams.to(device).train()
    objective = Multiway(options.similarity).to(device)
    parameters = [*streams.parameters(), *objective.parameters()]
    optimiser = torch.optim.AdamW(parameters, options.learning_rate, weight_decay=WEIGHT_DECAY)
    return _State(streams, objective, optimiser)


def _measure_mfcc(streams: DefaultStreams, clips: Sequence[Clip]) -> None:
    """Scale of each coefficient over (some of) the data, kept in the weights."""
    some = clips[:: max(1, len(clips) // 400)]
    vectors = torch.cat([sounds_of(clip.samples)[:, 0] for clip in some])
    streams.mfcc_mean.copy_(vectors.mean(0))
    streams.mfcc_deviation.copy_(vectors.std(0))


def _step(state: _State, batch: Batch, options: TrainOptions, device: torch.device) -> float:
    for group in state.optimiser.param_groups:
        group["lr"] = _learning_rate(state.step, options)
    state.streams.train()
    with torch.autocast(device.type, torch.bfloat16):
        frames = batch.frames.to(device, non_blocking=True)
        video = state.streams.embed_videos(frames, batch.frame_counts)
        audio = state.streams.embed_sounds(batch.sounds.to(device, non_blocking=True))[:, 0]
    loss: Tensor = state.objective(video.float(), audio.float(), batch.lengths)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.streams.parameters(), MAX_GRADIENT)
    state.optimiser.step()
    state.step += 1
    return loss.item()


def _learning_rate(step: int, options: TrainOptions) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if step < WARM_UP_STEPS:
        return options.learning_rate * (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / max(1, options.steps - WARM_UP_STEPS)
    return options.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2)


def _write_checkpoint(state: _State, path: Path, options: TrainOptions) -> None:
    file = io.BytesIO()
    torch.save(
        {
            "options": asdict(options),
            "step": state.step,
            "streams": state.streams.state_dict(),
            "objective": state.objective.state_dict(),
            "optimiser": state.optimiser.state_dict(),
        },
        file,
    )
    weights.write_whole(path, file.getvalue())


def _resume(state: _State, path: Path, options: TrainOptions) -> None:
    if not path.exists():
        return
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if saved["options"] != asdict(options):
        raise DataError(f"{path}: of a training with other options; delete it or change --output")
    state.streams.load_state_dict(saved["streams"])
    state.objective.load_state_dict(saved["objective"])
    state.optimiser.load_state_dict(saved["optimiser"])
    state.step = saved["step"]
