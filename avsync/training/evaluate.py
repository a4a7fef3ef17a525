"""`avsync evaluate`: the paper's table, whole clips with their sound moved, and confidence.

The paper's protocol looks at windows and knows that an answer lies within 15 frames; the trials
ask what a user asks: is the answer right, wrong, or "cannot tell", and does confidence mean it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from avsync.errors import DataError
from avsync.model.networks import AnyStreams
from avsync.model.weights import Weights
from avsync.sync.confidence import Calibration
from avsync.system.progress import Progress, silent
from avsync.training.accuracy import Accuracy, distances_of, embed_pairs, score
from avsync.training.answers import Answers, answers_to
from avsync.training.clips import PreparedClip
from avsync.training.retrieval import Recall, retrieve
from avsync.training.trials import Trials

TRAINED = ("config", "objective", "n_way", "similarity", "steps")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that is measured of one weights file.

    Attributes
    ----------
    weights : str
        Its name.
    trained : dict of str to object
        Network, objective, N and steps, from its provenance.
    accuracy : Accuracy
        The paper's protocol.
    retrieval : tuple of Recall
        Pictures that look for sounds, and sounds that look for pictures.
    answers : Answers or None
        None: not asked for, or the weights are not calibrated.
    """

    weights: str
    trained: dict[str, object]
    accuracy: Accuracy
    retrieval: tuple[Recall, ...]
    answers: Answers | None


def evaluate(
    weights: Weights,
    clips: Sequence[PreparedClip],
    table_only: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Measure weights on clips that they were not trained on, at the clips' own offsets.

    Parameters
    ----------
    weights : Weights
        Trials need calibrated ones.
    clips : sequence of PreparedClip
        Held out.
    table_only : bool, optional
        The paper's protocol and retrieval alone, without trials.
    progress : callable, optional
        Is told clips and trials.

    Raises
    ------
    DataError
        Where no clip is long enough.
    """
    streams = weights.streams
    assert isinstance(streams, AnyStreams)
    clips = [clip for clip in clips if len(clip.valid_windows) > 1]
    if not clips:
        raise DataError("no clip shows a face with sound for long enough; add data")
    options = weights.provenance.get("options", {})
    trained = {name: options.get(name) for name in TRAINED}
    pairs = []
    for clip in clips:
        pairs.append(embed_pairs(streams, clip))
        progress("embedding clips", len(pairs), len(clips))
    table = score([distances_of(clip) for clip in pairs])
    found = retrieve(pairs)
    if table_only or not weights.calibration:
        return Evaluation(weights.name, trained, table, found, None)
    answers = answers_to(Trials(streams, clips), Calibration.of(weights.calibration), progress)
    return Evaluation(weights.name, trained, table, found, answers)
