"""Training of word recognition: on frozen features, on ones that learn along, or from scratch."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from avsync.errors import DataError, UsageError
from avsync.model import weights
from avsync.model.config import CONFIGS, ModelConfig
from avsync.model.networks import AnyStreams, build
from avsync.model.optimize import half_precision
from avsync.system.progress import Progress, silent
from avsync.training.augment import plain_frames
from avsync.training.checkpoint import Checkpoint
from avsync.training.clips import PreparedClip
from avsync.training.device import Place, usual_device
from avsync.training.embedding import embed_picture
from avsync.training.state import WEIGHT_DECAY, TrainingState
from avsync.words import model as files
from avsync.words.batches import Features, WordBatch, WordBatches, by_clip
from avsync.words.evaluate import ranks_of
from avsync.words.examples import Examples
from avsync.words.model import WordsConfig, WordsNet

FrontEnd = Literal["frozen", "fine-tuned", "end-to-end"]
RANDOM = "random"  # features of a network that has learnt nothing
SMOOTHING = 0.1  # of labels
TUNING = 0.1  # a front end that is fine-tuned learns so much slower than the back end
MEASURED_CLIPS = 32  # for the batch norms of a random front end
TRAINED = ("objective", "n_way", "similarity", "steps", "seed")


@dataclass(frozen=True, slots=True)
class WordsOptions:
    """How to train; with the data, this determines the model.

    Attributes
    ----------
    front : str
        frozen, fine-tuned or end-to-end.
    features : str
        Weights that the front end starts from, by name or path; or random.
    config : str
        Network of a front end that is random or trained end to end.
    epochs : int
        Times that each word is seen.
    words : int
        Of a batch, about.
    learning_rate : float
        At its highest.
    seed : int
        Of everything random.

    Raises
    ------
    UsageError
        Where a front end is to be fine-tuned that starts from nothing.
    """

    front: FrontEnd = "frozen"
    features: str = "default"
    config: str = "default"
    epochs: int = 30
    words: int = 64
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.front == "fine-tuned" and self.features == RANDOM:
            raise UsageError(
                "a front end to be fine-tuned needs features to start from; or train it end to end"
            )


def config_of(options: WordsOptions) -> ModelConfig:
    """Network of the front end, which says how clips are cut.

    Raises
    ------
    WeightsError
        Where its weights cannot be had.
    """
    return _open_front(options)[0].config


def train(
    examples: Examples,
    output: Path,
    options: WordsOptions,
    provenance: dict[str, Any],
    checkpoint_seconds: float = 60.0,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
) -> float | None:
    """Train on the part train, write a model file, return the share of right words in val.

    The vocabulary are the words that have an example to learn from. A checkpoint beside the output
    lets a run that was killed go on with the result of an uninterrupted one.

    Raises
    ------
    DataError
        Where there are not two words to tell apart.
    """
    learning, vocabulary = examples.parts["train"], _vocabulary(examples, say)
    streams, facts = _open_front(options)
    here = Place(usual_device())
    streams.to(here.device)
    clips = [said[0].clip for said in by_clip(learning)]
    if options.features == RANDOM and options.front == "frozen":
        _measure_norms(streams, clips[:MEASURED_CLIPS])
    identity = {**asdict(options), **facts, "vocabulary": vocabulary, "words": len(learning)}
    net, optimiser = _begin(streams, vocabulary, options, here)
    features = _embed(streams, clips, progress) if options.front == "frozen" else None
    pixels = streams.config.geometry.pixels
    batches = WordBatches(learning, vocabulary, options.words, options.seed, pixels, features)
    steps = options.epochs * batches.per_epoch
    state = TrainingState(net, optimiser, steps, options.learning_rate, options.seed)
    checkpoint = Checkpoint(
        output, state, {"net": net}, {"identity": identity}, {}, checkpoint_seconds
    )
    checkpoint.resume()
    _loop(state, net, batches, here, checkpoint, progress, say)
    right = _validate(net, examples, progress)
    facts_of_all = {**provenance, "front": facts, "options": asdict(options), "val_top1": right}
    files.save(output, net, facts_of_all)
    checkpoint.remove()
    return right


def _vocabulary(examples: Examples, say: Callable[[str], None]) -> list[str]:
    vocabulary = sorted({example.label for example in examples.parts["train"]})
    if len(vocabulary) < 2:
        raise DataError("fewer than two words have a video to learn from; add data")
    for word in examples.without("train"):
        say(f"{word!r}: no example to learn from; left out of the vocabulary")
    return vocabulary


def _open_front(options: WordsOptions) -> tuple[AnyStreams, dict[str, Any]]:
    """The front end as training begins, and what is to be known of it."""
    facts: dict[str, Any] = {"kind": options.front}
    if options.front == "end-to-end" or options.features == RANDOM:
        torch.manual_seed(options.seed)
        what = "from scratch" if options.front == "end-to-end" else RANDOM
        return build(CONFIGS[options.config]), {**facts, "features": what, "config": options.config}
    loaded = weights.load(options.features)
    assert isinstance(loaded.streams, AnyStreams)
    trained = loaded.provenance.get("options", {})
    facts |= {"features": loaded.name, "sha256": loaded.sha256}
    return loaded.streams, facts | {name: trained.get(name) for name in TRAINED}


def _begin(
    streams: AnyStreams, vocabulary: Sequence[str], options: WordsOptions, here: Place
) -> tuple[WordsNet, torch.optim.AdamW]:
    torch.manual_seed(options.seed)
    net = WordsNet(WordsConfig(streams.config, tuple(vocabulary)), streams).to(here.device)
    streams.requires_grad_(options.front != "frozen")
    slower = TUNING if options.front == "fine-tuned" else 1.0
    groups: list[dict[str, Any]] = [{"params": list(net.back.parameters()), "share": 1.0}]
    if options.front != "frozen":
        groups.append({"params": list(streams.parameters()), "share": slower})
    return net, torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)


def _loop(
    state: TrainingState,
    net: WordsNet,
    batches: WordBatches,
    here: Place,
    checkpoint: Checkpoint,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    losses: list[float] = []
    for batch in DataLoader(batches, batch_size=None, sampler=range(state.step, state.steps)):
        losses.append(state.update(partial(_loss, net, batch, here.device), here))
        progress("training", state.step, state.steps)
        if state.step % batches.per_epoch == 0:
            say(f"epoch {state.step // batches.per_epoch}: loss {sum(losses) / len(losses):.3f}")
            losses = []
        checkpoint.write_if_due()


def _loss(net: WordsNet, batch: WordBatch, device: torch.device) -> Tensor:
    with half_precision(device):
        scores = net(batch.clips.to(device), batch.frame_counts, batch.windows)
    labels = batch.labels.to(device)
    return F.cross_entropy(scores.float(), labels, label_smoothing=SMOOTHING)


def _embed(streams: AnyStreams, clips: Sequence[PreparedClip], progress: Progress) -> Features:
    features: Features = {}
    for done, clip in enumerate(clips, 1):
        features[clip.prepared] = embed_picture(streams, clip)
        progress("embedding clips", done, len(clips))
    return features


def _measure_norms(streams: AnyStreams, clips: Sequence[PreparedClip]) -> None:
    """Give a random network's batch norms the statistics of some clips: else they do nothing."""
    device = next(streams.parameters()).device
    for module in streams.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d | nn.BatchNorm1d):
            module.momentum = None  # the plain mean of all that is seen
    streams.train()
    with torch.no_grad():
        for clip in clips:
            frames = plain_frames(clip.frames, streams.config.geometry.pixels)
            streams.embed_video(torch.from_numpy(frames).to(device))
    streams.eval()


def _validate(net: WordsNet, examples: Examples, progress: Progress) -> float | None:
    """Share of right words in the part `val`, where it has any."""
    known = [e for e in examples.parts["val"] if e.label in net.config.vocabulary]
    return float((ranks_of(net, known, progress) == 0).mean()) if known else None
