"""The training loop, top to bottom: network, steps, checkpoints, a weights file at the end.

Under `torchrun` every process takes its own batches, and gradients are averaged over all.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from avsync.errors import DataError, WeightsError
from avsync.model import weights, weights_file
from avsync.model.config import CONFIGS
from avsync.model.networks import AnyStreams, DefaultStreams, build
from avsync.model.optimize import half_precision
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAME_MS
from avsync.training.accuracy import Accuracy, accuracy
from avsync.training.batches import Batch, Batches, sounds_of
from avsync.training.calibrate import calibrate
from avsync.training.checkpoint import Checkpoint
from avsync.training.clips import PreparedClip
from avsync.training.device import Place, place
from avsync.training.log import Log
from avsync.training.objectives import build_objective
from avsync.training.options import TrainOptions
from avsync.training.state import WEIGHT_DECAY, TrainingState

MIN_STRETCH = 24  # windows of a clip in a batch: about what the shortest clips have
MIN_WINDOWS = 10  # shorter clips have too few candidates to teach anything
EVALUATE_STEPS = 250


class Matcher(nn.Module):
    """Streams and objective as one: a batch becomes its loss.

    Parameters
    ----------
    streams : AnyStreams
        The network.
    objective : nn.Module
        Of `avsync.training.objectives`.
    """

    def __init__(self, streams: AnyStreams, objective: nn.Module) -> None:
        super().__init__()
        self.streams, self.objective = streams, objective

    def forward(
        self, frames: Tensor, sounds: Tensor, frame_counts: Sequence[int], lengths: Sequence[int]
    ) -> Tensor:
        """Frames and sounds of a `Batch` -> mean loss."""
        with half_precision(frames.device):
            video = self.streams.embed_videos(frames, frame_counts)
            audio = self.streams.embed_sounds(sounds)[:, 0]
        loss: Tensor = self.objective(video.float(), audio.float(), lengths)
        return loss


def train(
    clips: Sequence[PreparedClip],
    held_out: Sequence[PreparedClip],
    output: Path,
    options: TrainOptions,
    provenance: dict[str, Any],
    checkpoint_seconds: float = 60.0,
    tolerance_ms: float = FRAME_MS,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> Accuracy | None:
    """Train streams, write their weights, return their accuracy on the clips held out.

    Confidence is calibrated on them, too: right is what lies within `tolerance_ms` of a clip's own
    offset. A checkpoint beside the output lets a run that was killed go on where it was, with the
    result of an uninterrupted one; it is removed when the weights are written.

    Raises
    ------
    DataError
        Where there is nothing to learn from.
    WeightsError
        For weights that cannot be started from.
    """
    clips = [clip for clip in clips if len(clip.valid_windows) >= MIN_WINDOWS]
    if not clips and options.steps:
        raise DataError("no clip shows a face with sound for long enough; add data")
    with place() as here:
        state, matcher, averaged = _begin(clips, options, here.device)
        checkpoint = Checkpoint(
            output, state, {"matcher": matcher, "averaged": averaged},
            {"options": asdict(options)}, asdict(TrainOptions()), checkpoint_seconds,
        )  # fmt: skip
        checkpoint.resume()
        loader = _loader(state, clips, options, here)
        log = Log(output.with_suffix(".logs"), say) if here.leads else None
        for loss in _losses(state, matcher, averaged, loader, here):
            if log is None:
                continue
            progress("training", state.step, options.steps)
            log.loss(state.step, loss, state.rate)
            if state.step % EVALUATE_STEPS == 0 and not state.is_done and held_out:
                log.accuracy(state.step, accuracy(_streams_of(averaged), held_out))
            checkpoint.write_if_due()
        if log is None:
            return None
        log.close()
        streams = _streams_of(averaged)
        measured = accuracy(streams, held_out) if held_out else None
        facts = _provenance(provenance, options, here) | {"accuracy": measured and asdict(measured)}
        calibration = calibrate(streams, held_out, tolerance_ms) if held_out else {}
        weights_file.save(output, streams.config, streams.state_dict(), calibration, facts)
        checkpoint.remove()
        return measured


def _provenance(data: dict[str, Any], options: TrainOptions, here: Place) -> dict[str, Any]:
    """Where weights come from; those that are only calibrated again come from where they did."""
    parent = weights.load(options.start).provenance if options.start else {}
    if not options.steps:
        return parent
    facts = {**data, "options": asdict(options), "processes": here.world_size}
    return facts | ({"started_from": parent} if options.start else {})


def _begin(
    clips: Sequence[PreparedClip], options: TrainOptions, device: torch.device
) -> tuple[TrainingState, Matcher, AveragedModel]:
    """What learns, and the average over its last steps, which is what is kept."""
    torch.manual_seed(options.seed)
    streams = _streams(clips, options)
    objective = build_objective(
        options.objective, options.n_way, options.similarity, options.margin
    )
    matcher = Matcher(streams, objective).to(device).train()
    average = get_ema_multi_avg_fn(1 - 1 / options.averaging_steps)  # type: ignore[no-untyped-call]
    averaged = AveragedModel(streams, multi_avg_fn=average, use_buffers=True)
    optimiser = torch.optim.AdamW(
        matcher.parameters(), options.learning_rate, weight_decay=WEIGHT_DECAY
    )
    state = TrainingState(matcher, optimiser, options.steps, options.learning_rate, options.seed)
    return state, matcher, averaged


def _streams(clips: Sequence[PreparedClip], options: TrainOptions) -> AnyStreams:
    """Streams to start from: those of a weights file, or new ones."""
    config = CONFIGS[options.config]
    if options.start:
        streams = weights.load(options.start).streams
        if streams.config != config:
            raise WeightsError(
                f"{options.start}: not of the network {options.config}; name other weights"
            )
        assert isinstance(streams, AnyStreams)
        return streams
    fresh = build(config)
    if isinstance(fresh, DefaultStreams):
        _measure_mfcc(fresh, clips)
    return fresh


def _measure_mfcc(streams: DefaultStreams, clips: Sequence[PreparedClip]) -> None:
    """Scale of each coefficient over (some of) the data, kept in the weights."""
    some = clips[:: max(1, len(clips) // 400)]
    vectors = torch.cat([sounds_of(clip.samples)[:, 0] for clip in some])
    streams.mfcc_mean.copy_(vectors.mean(0))
    streams.mfcc_deviation.copy_(vectors.std(0))


def _streams_of(averaged: AveragedModel) -> AnyStreams:
    streams = averaged.module
    assert isinstance(streams, AnyStreams)
    return streams


def _loader(
    state: TrainingState, clips: Sequence[PreparedClip], options: TrainOptions, here: Place
) -> "DataLoader[Batch]":
    pixels = CONFIGS[options.config].geometry.pixels
    stretch = max(MIN_STRETCH, options.n_way)
    batches = Batches(clips, pixels, options.windows, stretch, options.seed)
    # On a GPU the preparation of batches is what takes the time.
    workers = max(1, min(8, (os.cpu_count() or 1) - 1)) if here.device.type == "cuda" else 1
    first, last = (step * here.world_size + here.rank for step in (state.step, options.steps))
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, last, here.world_size),
        num_workers=workers,
        prefetch_factor=4,
    )


def _losses(
    state: TrainingState,
    matcher: Matcher,
    averaged: AveragedModel,
    loader: "DataLoader[Batch]",
    here: Place,
) -> Iterator[float]:
    """Take the steps that are left, and tell the loss of each."""
    parallel: nn.Module = matcher
    if here.world_size > 1:
        parallel = DistributedDataParallel(matcher)

    def loss_of(batch: Batch) -> Tensor:
        frames, sounds = (
            tensor.to(here.device, non_blocking=True) for tensor in (batch.frames, batch.sounds)
        )
        loss: Tensor = parallel(frames, sounds, batch.frame_counts, batch.lengths)
        return loss

    for batch in loader if not state.is_done else ():
        loss = state.update(partial(loss_of, batch), here)
        averaged.update_parameters(matcher.streams)
        yield loss
