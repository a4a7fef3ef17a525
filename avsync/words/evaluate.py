"""How many words a network recognises."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.errors import DataError
from avsync.system.progress import Progress, silent
from avsync.training.embedding import embed_picture
from avsync.words.batches import by_clip
from avsync.words.data import Part
from avsync.words.examples import Example, Examples
from avsync.words.model import WordsModel, WordsNet

FEW = 5  # of top-5


@dataclass(frozen=True, slots=True)
class WordShare:
    """One word of the vocabulary.

    Attributes
    ----------
    word : str
        In letters.
    said, right : int
        So often.
    """

    word: str
    said: int
    right: int


@dataclass(frozen=True, slots=True)
class WordsEvaluation:
    """What a model recognises of one part of the data.

    Attributes
    ----------
    model : str
        Name of its file.
    part : str
        Of the data.
    trained : dict of str to object
        Front end, objective and seed, from the model's provenance.
    vocabulary : int
        Words that the model knows.
    words : int
        Said, of the vocabulary.
    top1, top5 : float
        Shares whose word is the best, among the best five.
    by_word : tuple of WordShare
        Those that are said.
    never_learnt : dict of str to int
        Words that are said but not in the vocabulary: counted nowhere.
    not_said : tuple of str
        Words of the data without an example in this part.
    """

    model: str
    part: Part
    trained: dict[str, object]
    vocabulary: int
    words: int
    top1: float
    top5: float
    by_word: tuple[WordShare, ...]
    never_learnt: dict[str, int]
    not_said: tuple[str, ...]


def evaluate(
    model: WordsModel, examples: Examples, part: Part = "test", progress: Progress = silent
) -> WordsEvaluation:
    """Recognise the words of a part.

    Raises
    ------
    DataError
        Where it has none of the vocabulary.
    """
    vocabulary = model.net.config.vocabulary
    known = [e for e in examples.parts[part] if e.label in vocabulary]
    if not known:
        raise DataError(f"{model.path}: none of its words is said in the {part} part of the data")
    ranks = ranks_of(model.net, known, progress)
    said = Counter(example.label for example in known)
    right = Counter(e.label for e, rank in zip(known, ranks, strict=True) if rank == 0)
    unknown = Counter(e.label for e in examples.parts[part] if e.label not in vocabulary)
    return WordsEvaluation(
        model.path.name,
        part,
        model.provenance.get("front", {}),
        len(vocabulary),
        len(known),
        float(np.mean(ranks == 0)),
        float(np.mean(ranks < FEW)),
        tuple(WordShare(word, said[word], right[word]) for word in vocabulary if said[word]),
        dict(sorted(unknown.items())),
        tuple(examples.without(part)),
    )


def ranks_of(
    net: WordsNet, examples: Sequence[Example], progress: Progress = silent
) -> NDArray[np.int64]:
    """How many words score higher than the right one.

    Returns
    -------
    numpy.ndarray
        (N,) in the order of the examples.
    """
    net.eval()
    numbers = {label: number for number, label in enumerate(net.config.vocabulary)}
    device = next(net.parameters()).device
    ranks: dict[int, int] = {}
    groups = by_clip(examples)
    for done, said in enumerate(groups, 1):
        embedded = torch.from_numpy(embed_picture(net.streams, said[0].clip))
        windows = torch.tensor([example.windows() for example in said])
        with torch.inference_mode():
            scores = net(embedded.to(device), None, windows)
        own = torch.tensor([numbers[example.label] for example in said], device=device)
        better = (scores > scores.gather(1, own[:, None])).sum(1).tolist()
        ranks |= {id(example): rank for example, rank in zip(said, better, strict=True)}
        progress("recognising", done, len(groups))
    return np.array([ranks[id(example)] for example in examples])
