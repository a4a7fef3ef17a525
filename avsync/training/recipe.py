"""From data to a weights file, or to figures: gather clips, hold speakers out, then the job."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from avsync.model import weights
from avsync.model.config import CONFIGS, ModelConfig
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAME_MS
from avsync.training.clips import PreparedClip, find_sources, read_speakers, split
from avsync.training.evaluate import Evaluation, evaluate
from avsync.training.options import TrainOptions
from avsync.training.prepare import is_prepared, prepare, read_prepared
from avsync.training.train import train


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that determines a weights file.

    Attributes
    ----------
    data : tuple of Path
        Prepared folders, folders of videos, manifests.
    output : Path
        The weights file.
    options : TrainOptions
        How to train.
    hold_out : Path or None
        File of speakers to measure on only, one a line.
    tolerance_ms : float
        A held-out answer is right so near to its clip's own offset.
    cache : Path or None
        For clips of data that is not prepared.
    jobs : int
        Processes that prepare clips.
    checkpoint_seconds : float
        How often a checkpoint is written.
    """

    data: tuple[Path, ...]
    output: Path
    options: TrainOptions
    hold_out: Path | None = None
    tolerance_ms: float = FRAME_MS
    cache: Path | None = None
    jobs: int = 1
    checkpoint_seconds: float = 60.0


def run(recipe: Recipe, progress: Progress, say: Callable[[str], None]) -> None:
    """Do all of it; a run that was killed goes on from its clips and its checkpoint."""
    if os.environ.get("RANK", "0") != "0":  # of several processes, one talks
        progress, say = silent, lambda line: None
    config = CONFIGS[recipe.options.config]
    clips = gather(recipe.data, config, recipe.cache, recipe.jobs, progress, say)
    learning, held_out = split(clips, read_speakers(recipe.hold_out))
    say(f"{len(learning)} clips to learn from, {len(held_out)} held out")
    provenance = {
        "data": [path.name for path in recipe.data],
        "groups": dict(Counter(clip.source.group for clip in learning)),
        "clips": len(learning),
        "speakers": len({clip.source.speaker for clip in learning}),
        "held_out_speakers": sorted({clip.source.speaker for clip in held_out}),
    }
    train(
        learning, held_out, recipe.output, recipe.options, provenance,
        recipe.checkpoint_seconds, recipe.tolerance_ms, progress, say,
    )  # fmt: skip


def gather(
    data: Sequence[Path],
    config: ModelConfig,
    cache: Path | None,
    jobs: int,
    progress: Progress,
    say: Callable[[str], None],
    part: str | None = None,
) -> list[PreparedClip]:
    """Clips of prepared folders, and of other data, which is prepared now, its offsets unmeasured.

    Parameters
    ----------
    data : sequence of Path
        Prepared folders, folders of videos, manifests.
    config : ModelConfig
        Network that crops are for.
    cache : Path or None
        For clips of data that is not prepared; None: the user's.
    jobs : int
        Processes.
    progress : callable
        Is told clips.
    say : callable
        Is told what became of the videos.
    part : str, optional
        A list of LRS2.

    Raises
    ------
    DataError
        Where there are none.
    """
    clips: list[PreparedClip] = []
    for place in data:
        if is_prepared(place):
            clips += read_prepared(place, config.geometry)
            continue
        sources = find_sources([place], part)
        folder = cache or weights.cache_folder() / "clips"
        prepared = prepare(sources, config.geometry, folder, jobs, progress=progress)
        say(f"{place}: {counts(prepared.verdicts)}")
        clips += prepared.clips
    return clips


def counts(reasons: Counter[str]) -> str:
    """Counted reasons as text."""
    return ", ".join(f"{count} {why}" for why, count in reasons.most_common()) or "none"


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """What to measure, and on what.

    Attributes
    ----------
    data : tuple of Path
        Prepared folders, folders of videos, manifests.
    weights : tuple of str
        Names or paths.
    speakers : Path or None
        File of those to measure on, one a line; all without.
    part : str or None
        A list of LRS2.
    table_only : bool
        The paper's protocol, without trials.
    cache : Path or None
        For clips of data that is not prepared.
    jobs : int
        Processes that prepare clips.
    """

    data: tuple[Path, ...]
    weights: tuple[str, ...]
    speakers: Path | None = None
    part: str | None = None
    table_only: bool = False
    cache: Path | None = None
    jobs: int = 1


def evaluate_all(
    plan: EvaluationPlan, progress: Progress, say: Callable[[str], None]
) -> list[Evaluation]:
    """Measure each of the weights on the same clips.

    Raises
    ------
    DataError
        Where there are none.
    WeightsError
        For weights that cannot be loaded.
    """
    speakers = read_speakers(plan.speakers)
    measured = []
    for name in plan.weights:
        loaded = weights.load(name)
        clips = gather(plan.data, loaded.config, plan.cache, plan.jobs, progress, say, plan.part)
        clips = split(clips, speakers)[1] if speakers else clips
        measured.append(evaluate(loaded, clips, plan.table_only, progress))
    return measured
