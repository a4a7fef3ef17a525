"""`avsync words ...`."""

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from avsync.cli.progress import progress_bar
from avsync.cli.training import JOBS, Config, Jobs, Quiet, say
from avsync.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Recognise words from lips.")

Data = Annotated[
    Path, typer.Argument(help="LRW's folder (WORD/train/WORD_00001.mp4), or a table (TSV).")
]
Videos = Annotated[
    Path | None, typer.Option(help="Folder of a table's videos.", show_default="the table's own")
]
Cache = Annotated[Path | None, typer.Option(help="Folder for prepared clips.")]


class PartName(StrEnum):
    """What videos are for."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@app.command("train")
def words_train(
    data: Data,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")],
    features: Annotated[
        str | None,
        typer.Option(help="Front end: default, a weights file, or random.", show_default="default"),
    ] = None,
    fine_tune: Annotated[
        bool, typer.Option("--fine-tune", help="The front end learns, too, a tenth as fast.")
    ] = False,
    end_to_end: Annotated[
        bool, typer.Option("--end-to-end", help="Front end and back end learn from scratch.")
    ] = False,
    config: Annotated[
        Config, typer.Option(help="Network of a random or end-to-end front end.")
    ] = Config.DEFAULT,
    epochs: Annotated[int, typer.Option(min=1, help="Times that each word is seen.")] = 30,
    words: Annotated[int, typer.Option(min=2, help="Words in a step, about.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Of AdamW, at its highest.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    videos: Videos = None,
    checkpoint_every: Annotated[float, typer.Option(help="Seconds between checkpoints.")] = 60.0,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing model.")] = False,
    cache: Cache = None,
    jobs: Jobs = JOBS,
    quiet: Quiet = False,
) -> None:
    """Train a classifier of words behind a video stream, which is frozen unless told otherwise.

    A table is a TSV with the columns clip, word, start_s, end_s and, where known, part (train, val
    or test). Interrupted, the same command goes on from its last checkpoint.

    avsync words train lrw/ --features default -o words.safetensors
    """
    if end_to_end and (features or fine_tune):
        raise UsageError("--end-to-end starts from nothing: leave out --features and --fine-tune")
    from avsync.system.atomic import check_target
    from avsync.words.examples import WordData
    from avsync.words.recipe import run
    from avsync.words.train import WordsOptions

    check_target(data, output, force)
    front: Any = "end-to-end" if end_to_end else "fine-tuned" if fine_tune else "frozen"
    chosen = "" if end_to_end else features or "default"
    options = WordsOptions(front, chosen, config.value, epochs, words, learning_rate, seed)
    place = WordData(data, videos, cache, jobs)
    with progress_bar(quiet) as progress:
        run(place, output, options, checkpoint_every, progress, say)


@app.command("evaluate")
def words_evaluate(
    data: Data,
    model: Annotated[list[Path], typer.Option(help="Model file; several: compared.")],
    part: Annotated[PartName, typer.Option(help="Videos to measure on.")] = PartName.TEST,
    videos: Videos = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    cache: Cache = None,
    jobs: Jobs = JOBS,
    quiet: Quiet = False,
) -> None:
    """Measure how many words models recognise: among the best one and five, and by word.

    avsync words evaluate lrw/ --model words.safetensors
    """
    from avsync.cli.tables import write_words
    from avsync.words.examples import WordData
    from avsync.words.recipe import measure

    place = WordData(data, videos, cache, jobs)
    with progress_bar(quiet) as progress:
        measured = [measure(place, one, part.value, progress, say) for one in model]
    for evaluation in measured:
        for word, count in evaluation.never_learnt.items():
            say(f"{evaluation.model}: never learnt {word!r}: left out, {count} times")
        for word in evaluation.not_said:
            say(f"{word!r}: no example in the {evaluation.part} part")
    if as_json:
        print(json.dumps([asdict(evaluation) for evaluation in measured], indent=2))
    else:
        write_words(measured)
