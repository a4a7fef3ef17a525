"""Words become examples: 29 frames of a prepared face, with the word in their middle."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import DataError
from avsync.faces.crops import CropGeometry
from avsync.model import weights
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND, WINDOW_FRAMES
from avsync.training.clips import ClipSource, PreparedClip
from avsync.training.prepare import prepare
from avsync.words.data import PARTS, WORD_FRAMES, Part, Word, read_words

WORD_WINDOWS = WORD_FRAMES - WINDOW_FRAMES + 1  # 25 embeddings show a word
FAULTS_SAID = 10


@dataclass(frozen=True, slots=True)
class Example:
    """A word in a prepared clip.

    Attributes
    ----------
    clip : PreparedClip
        In which it is said.
    label : str
        The word.
    first : int
        Of its 29 frames, in the clip's track; may lie outside, as the last may.
    """

    clip: PreparedClip
    label: str
    first: int

    def windows(self, later_frames: int = 0) -> list[int]:
        """Its 25 embeddings among those of the track; outside the track, the edge repeats."""
        last = self.clip.frame_count - WINDOW_FRAMES
        return [min(max(0, self.first + later_frames + k), last) for k in range(WORD_WINDOWS)]


@dataclass(frozen=True, slots=True)
class Examples:
    """What can be learnt from and tested on.

    Attributes
    ----------
    parts : dict of str to list of Example
        Words of the videos of each part.
    labels : list of str
        All words of the data, also those without an example.
    """

    parts: dict[Part, list[Example]]
    labels: list[str]

    def without(self, part: Part) -> list[str]:
        """Words of which a part has no example."""
        seen = {example.label for example in self.parts[part]}
        return [label for label in self.labels if label not in seen]


@dataclass(frozen=True, slots=True)
class WordData:
    """Where words are, and where their prepared clips are kept.

    Attributes
    ----------
    data : Path
        LRW's folder, or a table.
    videos : Path or None
        Folder of a table's videos; its own unless given.
    cache : Path or None
        For prepared clips; None: the user's.
    jobs : int
        Processes that prepare clips.
    """

    data: Path
    videos: Path | None = None
    cache: Path | None = None
    jobs: int = 1


def gather(
    place: WordData,
    geometry: CropGeometry,
    progress: Progress = silent,
    say: Callable[[str], None] = lambda line: None,
    parts: Iterable[Part] = PARTS,
) -> Examples:
    """Prepare the clips of some parts and cut the words out.

    Parameters
    ----------
    place : WordData
        Where they are.
    geometry : CropGeometry
        Of the network's crops.
    progress : callable, optional
        Is told clips.
    say : callable, optional
        Is told what is left out.
    parts : iterable of str, optional
        Of the data.

    Raises
    ------
    DataError
        Where nothing is left.
    """
    listed = read_words(place.data, place.videos)
    wanted = [word for word in listed.words if word.part in parts]
    sources = {word.path: ClipSource(word.path, str(word.path.parent), "words") for word in wanted}
    if not sources:
        raise DataError(f"{place.data}: no video for {' or '.join(parts)}; see `part` in the table")
    folder = place.cache or weights.cache_folder() / "clips"
    prepared = prepare(list(sources.values()), geometry, folder, place.jobs, progress=progress)
    faults = [*listed.faults, *prepared.left_out]
    found = _cut(wanted, prepared.clips, faults)
    for fault in faults[:FAULTS_SAID]:
        say(f"left out: {fault}")
    if len(faults) > FAULTS_SAID:
        say(f"left out: {len(faults) - FAULTS_SAID} more")
    return Examples(found, listed.labels)


def _cut(
    words: Iterable[Word], clips: Iterable[PreparedClip], faults: list[str]
) -> dict[Part, list[Example]]:
    by_path = {clip.source.path: clip for clip in clips}
    found: dict[Part, list[Example]] = {part: [] for part in PARTS}
    for word in words:
        clip = by_path.get(word.path)
        if clip is None:
            continue  # its video is among the faults
        middle = word.middle_seconds * FRAMES_PER_SECOND - clip.first_frame
        if 0 <= middle <= clip.frame_count:
            found[word.part].append(Example(clip, word.label, round(middle - WORD_FRAMES / 2)))
        else:
            faults.append(f"{word.path}: no face while {word.label!r} is said")
    return found
