"""Tables of an evaluation, for people."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from avsync.tolerance import ACCEPT

if TYPE_CHECKING:
    from avsync.training.answers import Answers, Shares
    from avsync.training.evaluate import Evaluation
    from avsync.words.evaluate import WordsEvaluation

FEW_WORDS = 10  # of the easiest and of the hardest are shown


def write_evaluations(measured: Sequence["Evaluation"]) -> None:
    """Print all tables to stdout."""
    console = plain_console()
    console.print(_accuracy(measured))
    console.print(_retrieval(measured))
    for evaluation in measured:
        if evaluation.answers:
            _write_answers(console, evaluation.weights, evaluation.answers)


def write_words(measured: Sequence["WordsEvaluation"]) -> None:
    """Print how many words each model recognises, and which ones it finds easy and hard."""
    console = plain_console()
    table = Table(title=f"Words recognised, {measured[0].part} part")
    for column in ("model", "front end", "features"):
        table.add_column(column)
    for column in ("words", "of", "right", "among the best 5"):
        table.add_column(column, justify="right")
    for evaluation in measured:
        trained = evaluation.trained
        objective = trained.get("objective")
        table.add_row(
            evaluation.model, str(trained.get("kind", "not known")),
            str(trained.get("features", "")) + (f" ({objective})" if objective else ""),
            str(evaluation.words), str(evaluation.vocabulary),
            _percent(evaluation.top1), _percent(evaluation.top5),
        )  # fmt: skip
    console.print(table)
    for evaluation in measured:
        words = sorted(evaluation.by_word, key=lambda w: (-w.right / w.said, w.word))
        for what, some in (
            ("easiest", words[:FEW_WORDS]),
            ("hardest", words[: -FEW_WORDS - 1 : -1]),
        ):
            shown = ", ".join(f"{w.word} {w.right}/{w.said}" for w in some)
            console.print(f"{evaluation.model}, {what}: {shown}", highlight=False)


def plain_console() -> Console:
    """A pipe has no width; a table cut to 80 columns would lose its last ones.

    Names are written as they are: `[b]` or `:x:` in one is no command.
    """
    width = None if Console().is_terminal else 120
    return Console(width=width, markup=False, emoji=False)


def _accuracy(measured: Sequence["Evaluation"]) -> Table:
    first = measured[0].accuracy
    table = Table(
        title="Right within one frame of 31 candidates, by frames of input (chance 9.7 %)",
        caption=f"{first.clip_count} clips, {first.window_count} windows; "
        "second line: mean of the clips' own shares",
    )
    table.add_column("weights")
    table.add_column("trained")
    for frames in first.by_frames:
        table.add_column(str(frames), justify="right")
    table.add_column("whole clip", justify="right")
    for evaluation in measured:
        accuracy = evaluation.accuracy
        table.add_row(
            evaluation.weights, _trained(evaluation.trained),
            *map(_percent, accuracy.by_frames.values()), _percent(accuracy.clips),
        )  # fmt: skip
        table.add_row("", "", *map(_percent, accuracy.by_frames_per_clip.values()), "")
    return table


def _retrieval(measured: Sequence["Evaluation"]) -> Table:
    table = Table(
        title="Own counterpart first among N, in percent (chance 100 / N)",
        caption="k: among the best k of the largest N; frames: of input",
    )
    for column in ("weights", "query", "others from"):
        table.add_column(column, no_wrap=True)
    first = [found for evaluation in measured for found in evaluation.retrieval][:1]
    heads = ["frames", "queries", *[f"N={n}" for found in first for n in found.top1]]
    heads += [f"k={k}" for found in first for k in list(found.recall)[1:]]
    for column in heads:
        table.add_column(column, justify="right")
    for evaluation in measured:
        for found in evaluation.retrieval:
            shares = [*found.top1.values(), *list(found.recall.values())[1:]]
            table.add_row(
                evaluation.weights, found.query, found.among, str(found.input_frames),
                str(found.queries), *(f"{100 * share:.1f}" for share in shares),
            )  # fmt: skip
    return table


def _trained(facts: dict[str, object]) -> str:
    if not facts.get("objective"):
        return "not known"
    way = f" N={facts['n_way']} {facts['similarity']}" if facts["objective"] == "multiway" else ""
    return f"{facts['config']}, {facts['objective']}{way}, {facts['steps']} steps"


def _write_answers(console: Console, name: str, answers: "Answers") -> None:
    console.print(_shares(f"{name}: the clip's own sound, moved by up to 0.8 s", answers.by_length))
    console.print(_shares(f"{name}: whole clips by group", answers.by_group))
    title = f"{name}: whole clips under what is up to 3 dB louder, or 12 dB softer, than speech"
    console.print(_shares(title, answers.noisy))
    console.print(_shares(f"{name}: foreign sound (only 'cannot tell' is right)", answers.foreign))
    table = Table(
        title=f"{name}: confidence",
        caption=f"expected calibration error {answers.calibration_error:.3f}; "
        f"of {answers.sure_answers} answers with confidence {ACCEPT:g} and more, "
        f"{_percent(answers.sure_and_right)} right",
    )
    for column in ("answers", "confidence", "right"):
        table.add_column(column, justify="right")
    for band in answers.reliability:
        table.add_row(
            f"{band['answers']:.0f}", _percent(band["confidence"]), _percent(band["right"])
        )
    console.print(table)


def _shares(title: str, rows: Iterable["Shares"]) -> Table:
    table = Table(title=title)
    table.add_column("")
    for column in ("trials", "speakers", "right", "wrong", "cannot tell", "median ms", "95 % ms"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.name, str(row.trials), str(row.speakers),
            _percent(row.right), _percent(row.wrong), _percent(row.undetermined),
            _ms(row.median_error_ms), _ms(row.error_95_ms),
        )  # fmt: skip
    return table


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"
