"""What there is to recognise: words in videos, as LRW or a table of word times names them.

Words are split by video: all words of a video are of one part.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from avsync.errors import DataError
from avsync.media.search import files_below
from avsync.timebase import FRAMES_PER_SECOND
from avsync.training.clips import read_table

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = ("train", "val", "test")
WORD_FRAMES = 29  # in which a word is shown, its middle in theirs, as in LRW: 1.16 s
LRW_MIDDLE_SECONDS = WORD_FRAMES / 2 / FRAMES_PER_SECOND
LRW_FOLDER = "lipread_mp4"  # inside what is distributed
NO_WORDS = ("", "sil", "sp")  # marks of silence in tables
COLUMNS = ("clip", "word", "start_s", "end_s")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is said in a video.

    Attributes
    ----------
    path : Path
        Of the video.
    label : str
        The word.
    middle_seconds : float
        On the video's timeline.
    part : str
        What the video is for.
    """

    path: Path
    label: str
    middle_seconds: float
    part: Part


@dataclass(frozen=True, slots=True)
class WordList:
    """All words of a data set.

    Attributes
    ----------
    words : list of Word
        As they are said.
    labels : list of str
        Also of words that no video shows.
    faults : list of str
        What had to be left out, and why.
    """

    words: list[Word]
    labels: list[str]
    faults: list[str]


def read_words(data: Path, videos: Path | None = None) -> WordList:
    """Words of LRW's folder, or of a table with the columns `clip`, `word`, `start_s`, `end_s`.

    A column `part` says which videos are for what; without it their names decide, see `part_of`.

    Parameters
    ----------
    data : Path
        The folder or table.
    videos : Path, optional
        Folder of the table's videos; its own unless given.

    Raises
    ------
    DataError
        For data that is neither.

    References
    ----------
    Chung, Zisserman: Lip Reading in the Wild, ACCV 2016.
    """
    if data.is_dir():
        return _read_lrw(data)
    if not data.exists():
        raise DataError(f"{data}: no such folder or table; check the name")
    return _read_table(data, videos or data.parent)


def part_of(clip: str) -> Part:
    """For what a video is, by its name: 70 % train, 10 % val, 20 % test, always the same."""
    tenth = int(hashlib.sha256(clip.encode()).hexdigest()[:8], 16) % 10
    return "test" if tenth < 2 else "val" if tenth == 2 else "train"


def _read_lrw(place: Path) -> WordList:
    root = place / LRW_FOLDER if (place / LRW_FOLDER).is_dir() else place
    folders = sorted(f for f in root.iterdir() if any((f / part).is_dir() for part in PARTS))
    if not folders:
        raise DataError(f"{place}: no folders WORD/train; name LRW's folder or a table of words")
    words = [
        Word(path, folder.name, LRW_MIDDLE_SECONDS, part)
        for folder in folders
        for part in PARTS
        if (folder / part).is_dir()
        for path in files_below(folder / part)
    ]
    return WordList(words, [folder.name for folder in folders], [])


def _read_table(path: Path, folder: Path) -> WordList:
    rows = read_table(path)
    if missing := [column for column in COLUMNS if column not in rows[0]]:
        raise DataError(
            f"{path}: no column `{missing[0]}`; a table of words is a TSV with the columns "
            + ", ".join(COLUMNS)
        )
    videos = _videos(folder)
    words: list[Word] = []
    faults: list[str] = []
    labels = {row["word"] for row in rows if not _is_silence(row)}
    for number, row in enumerate(rows, 2):
        if _is_silence(row):
            continue
        try:
            words.append(_word(row, videos))
        except LookupError:
            faults.append(f"{row['clip']}: no video of this name in {folder}")
        except (TypeError, ValueError):
            faults.append(f"{path}: line {number} lacks times or has an unknown part")
    return WordList(words, sorted(labels), list(dict.fromkeys(faults)))


def _is_silence(row: dict[str, str]) -> bool:
    return (row["word"] or "").lower() in NO_WORDS


def _videos(folder: Path) -> dict[str, Path]:
    """Videos by their names in a table: relative to the folder, the suffix may be missing."""
    try:
        found = files_below(folder)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}; name the folder of the videos") from error
    names: dict[str, Path] = {}
    for path in found:
        inside = path.relative_to(folder)
        names[inside.as_posix()] = names[inside.with_suffix("").as_posix()] = path
        names.setdefault(path.stem, path)
    return names


def _word(row: dict[str, str], videos: dict[str, Path]) -> Word:
    path = videos[row["clip"]]
    middle_seconds = (float(row["start_s"]) + float(row["end_s"])) / 2
    part = row.get("part") or part_of(row["clip"])
    return Word(path, row["word"], middle_seconds, PARTS[PARTS.index(part)])
