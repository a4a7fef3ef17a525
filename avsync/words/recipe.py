"""From data to a model, or to figures: gather words, then the job."""

from collections.abc import Callable
from pathlib import Path

from avsync.system.progress import Progress
from avsync.words import model as files
from avsync.words.data import Part
from avsync.words.evaluate import WordsEvaluation, evaluate
from avsync.words.examples import WordData, gather
from avsync.words.train import WordsOptions, config_of, train


def run(
    place: WordData,
    output: Path,
    options: WordsOptions,
    checkpoint_seconds: float,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Train; a run that was killed goes on from its clips and its checkpoint."""
    geometry = config_of(options).geometry
    found = gather(place, geometry, progress, say, ("train", "val"))
    counts = {part: len(found.parts[part]) for part in ("train", "val")}
    say(f"{counts['train']} words to learn from, {counts['val']} to measure on")
    provenance = {"data": place.data.name, "words": counts}
    right = train(found, output, options, provenance, checkpoint_seconds, progress, say)
    if right is not None:
        say(f"{right:.1%} of the words of the val part recognised")


def measure(
    place: WordData, model: Path, part: Part, progress: Progress, say: Callable[[str], None]
) -> WordsEvaluation:
    """Recognise the words of a part of the data."""
    loaded = files.load(model)
    found = gather(place, loaded.net.config.front.geometry, progress, say, (part,))
    return evaluate(loaded, found, part, progress)
