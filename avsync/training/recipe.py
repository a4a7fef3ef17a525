"""From folders of videos to a weights file: prepare, clean, hold out, train, calibrate."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from avsync import weights
from avsync.downloads import Progress
from avsync.errors import DataError
from avsync.model import DEFAULT_CONFIG
from avsync.timebase import FRAME_MS
from avsync.training.clean import NEAR_MS, clean
from avsync.training.clips import Clip, find_sources, prepare
from avsync.training.train import TrainOptions, train


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that determines a weights file."""

    data: tuple[Path, ...]
    output: Path
    options: TrainOptions
    hold_out: Path | None = None  # speakers to measure on only, one a line
    clean_with: str | None = None  # weights that measure clips' own offsets
    cache: Path | None = None  # for prepared clips
    jobs: int = 1


def run(recipe: Recipe, progress: Progress, say: Callable[[str], None]) -> None:
    """Do all of it; a run that was killed goes on from its cache and its checkpoint."""
    sources = find_sources(recipe.data)
    cache = recipe.cache or weights.cache_folder() / "clips"
    clips, left_out = prepare(sources, DEFAULT_CONFIG.geometry, cache, recipe.jobs, progress)
    say(f"{len(clips)} of {len(sources)} clips usable; left out: {_counts(left_out)}")
    if recipe.clean_with:
        clips, done = clean(clips, weights.load(recipe.clean_with), progress)
        say(f"own offsets of clips: {_counts(done)}")
    learning, held_out = split(clips, _speakers(recipe.hold_out))
    say(f"{len(learning)} clips to learn from, {len(held_out)} held out")
    provenance = {
        "data": [path.name for path in recipe.data],
        "groups": sorted({clip.source.group for clip in learning}),
        "clips": len(learning),
        "speakers": len({clip.source.speaker for clip in learning}),
        "cleaned_with": recipe.clean_with and weights.find(recipe.clean_with).name,
        "held_out_speakers": sorted({clip.source.speaker for clip in held_out}),
    }
    tolerance_ms = FRAME_MS if recipe.clean_with else NEAR_MS
    train(
        learning, held_out, recipe.output, recipe.options, provenance, tolerance_ms, progress, say
    )


def split(clips: list[Clip], speakers: set[str]) -> tuple[list[Clip], list[Clip]]:
    """Clips to learn from, and those of the speakers to measure on."""
    learning = [clip for clip in clips if clip.source.speaker not in speakers]
    return learning, [clip for clip in clips if clip.source.speaker in speakers]


def _speakers(path: Path | None) -> set[str]:
    if path is None:
        return set()
    try:
        return set(path.read_text(encoding="utf-8").split())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; name a file of speakers") from error


def _counts(reasons: Counter[str]) -> str:
    return ", ".join(f"{count} {why}" for why, count in reasons.most_common()) or "none"
