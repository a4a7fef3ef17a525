"""Lip-sync error of sets of files, as papers on generated and dubbed faces report it.

LSE-D and LSE-C (Prajwal et al., *A Lip Sync Expert Is All You Need*, ACM Multimedia 2020) are the
minimum of SyncNet's mean distances by offset, and their median less that minimum. They are means
over a set's files; how far such a mean can be relied on is told by resampling the files.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from avsync.errors import DataError
from avsync.estimates import Estimate, estimate
from avsync.report import Status, SyncReport
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class Protocol:
    """How figures came about, so that another's table can be reproduced.

    Attributes
    ----------
    avsync : str
        Version.
    scale : str
        Name of the weights.
    is_published_scale : bool
        Whether they are SyncNet's own, whose figures papers report.
    weights_sha256 : str
        Of their file.
    crop : dict
        What a crop shows: `side` of the square and `dy` below the face's centre, in sides of the
        face box, `pixels`, `colour`.
    detectors : tuple of str
        That found the faces.
    frames_per_second, sample_rate, search_frames : int
        Of pictures and sound, and how far to either side offsets are tried.
    padding : str
        What is beyond the ends of the sound.
    face : str
        Whose figures are taken.
    """

    avsync: str
    scale: str
    is_published_scale: bool
    weights_sha256: str
    crop: dict[str, Any]
    detectors: tuple[str, ...]
    search_frames: int
    frames_per_second: int = FRAMES_PER_SECOND
    sample_rate: int = SAMPLE_RATE
    padding: str = "zero embeddings, as joonson/syncnet_python has it"
    face: str = "the one with most evidence"


@dataclass(frozen=True, slots=True)
class FileScore:
    """Figures of one file.

    Attributes
    ----------
    path : str
        As it was given.
    status : str
        ok, undetermined (LSE-D and LSE-C may be known nevertheless) or error.
    scale : str
        Weights that the distances are of: figures of another scale compare with nothing.
    lse_d, lse_c : float or None
        Of the face with most evidence; None where no face is seen.
    lse_offset_frames : int or None
        At which they were found, of 40 ms; positive: the sound is early.
    offset_ms, confidence : float or None
        As `avsync.detect` tells them; positive: the sound is early.
    reasons : tuple of str
        Why there is no answer, or the error.
    """

    path: str
    status: Status
    scale: str
    lse_d: float | None
    lse_c: float | None
    lse_offset_frames: int | None
    offset_ms: float | None
    confidence: float | None
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, report: SyncReport, scale: str) -> "FileScore":
        """The figures that a report holds that was made with `upstream_scoring`."""
        scores = report.upstream
        return cls(
            report.path, report.status, scale,
            scores.lse_d if scores else None, scores.lse_c if scores else None,
            scores.offset_frames if scores else None,
            report.offset_ms, report.confidence, report.reasons,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SetScore:
    """Figures of a set of files.

    Attributes
    ----------
    name : str
        Of the set.
    files, scored, answered : int
        How many there are, have LSE-D and LSE-C, and have an offset.
    lse_d, lse_c : Estimate or None
        Means of those that are scored; LSE-D is better lower, LSE-C higher.
    abs_offset_ms : Estimate or None
        Mean distance from being in step, of those that are answered.
    """

    name: str
    files: int
    scored: int
    answered: int
    lse_d: Estimate | None
    lse_c: Estimate | None
    abs_offset_ms: Estimate | None

    @classmethod
    def of(cls, name: str, scores: Sequence[FileScore]) -> "SetScore":
        """Summarise files."""
        offsets = [abs(s.offset_ms) for s in scores if s.offset_ms is not None]
        scored = [s for s in scores if s.lse_d is not None]
        return cls(
            name, len(scores), len(scored), len(offsets),
            estimate(s.lse_d for s in scored), estimate(s.lse_c for s in scored),
            estimate(offsets),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Comparison:
    """Generated files against real ones of the same names.

    Attributes
    ----------
    pairs : int
        Names of which both files are scored.
    lse_d, lse_c : Estimate or None
        Mean of generated less real.
    better_d, better_c : int
        Pairs in which the generated one is better than the real one.
    unpaired : tuple of str
        Paths without a counterpart that is scored.
    """

    pairs: int
    lse_d: Estimate | None
    lse_c: Estimate | None
    better_d: int
    better_c: int
    unpaired: tuple[str, ...]

    @classmethod
    def of(cls, generated: Sequence[FileScore], real: Sequence[FileScore]) -> "Comparison":
        """Pair by file name, less its suffix.

        Raises DataError where a name occurs twice in a set, or none in both.
        """
        ours, theirs = by_name(generated), by_name(real)
        both = [
            (name, ours[name].lse_d, ours[name].lse_c, theirs[name].lse_d, theirs[name].lse_c)
            for name in ours
            if name in theirs
        ]
        if not both:
            raise DataError("no two files have the same name: pairs are found by name, less suffix")
        known = [
            (name, d - real_d, c - real_c)
            for name, d, c, real_d, real_c in both
            if d is not None and c is not None and real_d is not None and real_c is not None
        ]
        names = {name for name, _, _ in known}
        alone = [s.path for table in (ours, theirs) for n, s in table.items() if n not in names]
        return cls(
            len(known),
            estimate(d for _, d, _ in known), estimate(c for _, _, c in known),
            sum(d < 0 for _, d, _ in known), sum(c > 0 for _, _, c in known), tuple(alone),
        )  # fmt: skip


def by_name(scores: Sequence[FileScore]) -> Mapping[str, FileScore]:
    """Scores by the names of their files, less suffix. Raises DataError for a name twice."""
    counts = Counter(PurePath(score.path).stem for score in scores)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataError(f"{twice[0]}: several files of a set have this name; which is the pair?")
    return {PurePath(score.path).stem: score for score in scores}
