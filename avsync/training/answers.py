"""What `avsync detect` would answer: trials of held-out clips, right, wrong or "cannot tell"."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from avsync.report import SyncReport
from avsync.sync.confidence import Calibration
from avsync.sync.verdict import SearchOptions, reach_verdict
from avsync.system.progress import Progress
from avsync.timebase import FRAMES_PER_SECOND
from avsync.tolerance import ACCEPT
from avsync.training.calibrate import expected_error, reliability
from avsync.training.trials import NOISY, OWN, Foreign, Trial, Trials

SHIFTS = 4  # times that each clip's sound is moved
CUTS_SECONDS = (1, 2, 4, 8)  # lengths that longer clips are cut to


@dataclass(frozen=True, slots=True)
class Shares:
    """What became of the trials of one kind.

    Attributes
    ----------
    name : str
        Of the kind.
    trials, speakers : int
        So many.
    right, wrong, undetermined : float
        Shares; right is what lies within 40 ms.
    median_error_ms, error_95_ms : float or None
        Of the answers to the clips' own sound; None: there are none.
    """

    name: str
    trials: int
    speakers: int
    right: float
    wrong: float
    undetermined: float
    median_error_ms: float | None
    error_95_ms: float | None

    @property
    def right_of_answered(self) -> float | None:
        """Share of right answers among answers."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None


@dataclass(frozen=True, slots=True)
class Answers:
    """What `avsync detect` would have said to the trials.

    Attributes
    ----------
    by_length : tuple of Shares
        Whole clips, and clips that were cut.
    by_group : tuple of Shares
        Whole clips by data, language, picture and face.
    noisy : tuple of Shares
        Whole clips with music or another voice over their sound.
    foreign : tuple of Shares
        Sound that is not the face's: undetermined is right.
    calibration_error : float
        Expected, over all of these trials.
    sure_answers : int
        With a confidence of `avsync.tolerance.ACCEPT` and more.
    sure_and_right : float or None
        Share of those that are right; None: there are none.
    reliability : list of dict of str to float
        Of each band of confidence: answers, mean confidence, share right.
    """

    by_length: tuple[Shares, ...]
    by_group: tuple[Shares, ...]
    noisy: tuple[Shares, ...]
    foreign: tuple[Shares, ...]
    calibration_error: float
    sure_answers: int
    sure_and_right: float | None
    reliability: list[dict[str, float]]


@dataclass(frozen=True, slots=True)
class _Judged:
    trial: Trial
    report: SyncReport  # as `avsync detect` would give it
    confidence: float | None  # of the best offset, however unsure
    is_right: bool  # the best offset, however unsure

    @property
    def answered(self) -> bool:
        return self.report.offset_ms is not None

    @property
    def error_ms(self) -> float | None:
        if self.report.offset_ms is None or self.trial.heard not in OWN:
            return None
        return abs(self.report.offset_ms - self.trial.truth_ms)


def answers_to(trials: Trials, calibration: Calibration, progress: Progress) -> Answers:
    """Judge whole, cut, noisy and foreign trials as `avsync detect` judges files.

    Parameters
    ----------
    trials : Trials
        Made of held-out clips.
    calibration : Calibration
        Of the confidence.
    progress : callable
        Is told trials.
    """
    kinds = {
        "whole clips": _whole, "cut clips": _cut, "noisy sound": _noisy, "foreign sound": _foreign,
    }  # fmt: skip
    whole, cut, noisy, foreign = (
        _judge_all(make(trials), calibration, progress, what) for what, make in kinds.items()
    )
    scored = [j for j in (*whole, *cut, *noisy, *foreign) if j.confidence is not None]
    confidence = np.array([j.confidence for j in scored])
    right = np.array([j.is_right for j in scored])
    sure = [j.is_right for j in scored if j.answered and (j.confidence or 0) >= ACCEPT]
    return Answers(
        (*_grouped(whole, _length_name), *_grouped(cut, _cut_name)),
        tuple(shares for name in GROUPS for shares in _grouped(whole, GROUPS[name])),
        _grouped(noisy, _heard_name),
        _grouped(foreign, _heard_name),
        expected_error(confidence, right),
        len(sure),
        float(np.mean(sure)) if sure else None,
        reliability(confidence, right),
    )


def _whole(trials: Trials) -> Iterable[Trial]:
    for number in range(len(trials)):
        for _ in range(SHIFTS):
            yield trials.make(number, trials.length(number), 1, "own")


def _cut(trials: Trials) -> Iterable[Trial]:
    for number in range(len(trials)):
        for seconds in CUTS_SECONDS:
            if trials.length(number) >= seconds * FRAMES_PER_SECOND:
                for _ in range(2):
                    yield trials.make(number, seconds * FRAMES_PER_SECOND, 1, "own")


def _noisy(trials: Trials) -> Iterable[Trial]:
    for number in range(len(trials)):
        for heard in NOISY:
            yield trials.make(number, trials.length(number), 1, heard)


def _foreign(trials: Trials) -> Iterable[Trial]:
    kinds: tuple[Foreign, ...] = ("stranger", "other moment", "music", "silence")
    for number in range(len(trials)):
        for heard in kinds:
            yield trials.make(number, trials.length(number), 1, heard, alone=True)


def _judge_all(
    trials: Iterable[Trial], calibration: Calibration, progress: Progress, what: str
) -> list[_Judged]:
    judged = []
    for trial in trials:
        name = str(trial.clip.source.path)
        report = reach_verdict(name, [trial.seen], calibration, SearchOptions(trial.reach_seconds))
        offset = trial.offset()
        confidence = calibration.confidence(offset.evidence) if offset else None
        is_right = offset is not None and trial.is_right(offset.offset_ms)
        judged.append(_Judged(trial, report, confidence, is_right))
        progress(what, len(judged), None)
    return judged


def _grouped(judged: Iterable[_Judged], name: Callable[[Trial], str]) -> tuple[Shares, ...]:
    groups: dict[str, list[_Judged]] = defaultdict(list)
    for j in judged:
        groups[name(j.trial)].append(j)
    return tuple(_shares(group, groups[group]) for group in sorted(groups))


def _shares(name: str, judged: Sequence[_Judged]) -> Shares:
    answered = [j for j in judged if j.answered]
    right = sum(j.is_right for j in answered) / len(judged)
    errors = [j.error_ms for j in answered if j.error_ms is not None]
    return Shares(
        name,
        len(judged),
        len({j.trial.clip.source.speaker for j in judged}),
        right,
        len(answered) / len(judged) - right,
        1 - len(answered) / len(judged),
        float(np.median(errors)) if errors else None,
        float(np.quantile(errors, 0.95)) if errors else None,
    )


def _band(value: float, edges: Sequence[int], unit: str) -> str:
    """`below 2 s`, `2 to 5 s`, `5 s and more`."""
    above = [edge for edge in edges if value >= edge]
    below = [edge for edge in edges if value < edge]
    if not above:
        return f"below {edges[0]} {unit}"
    return f"{above[-1]} to {below[0]} {unit}" if below else f"{above[-1]} {unit} and more"


def _length_name(trial: Trial) -> str:
    return "whole: " + _band(trial.clip.frame_count / FRAMES_PER_SECOND, (2, 5), "s")


def _heard_name(trial: Trial) -> str:
    seconds = trial.clip.frame_count / FRAMES_PER_SECOND
    return f"{trial.heard}, {_band(seconds, (2,), 's')}"


def _cut_name(trial: Trial) -> str:
    return f"cut to {trial.windows / FRAMES_PER_SECOND:.0f} s"


GROUPS: dict[str, Callable[[Trial], str]] = {
    "data": lambda trial: f"data: {trial.clip.source.group}",
    "language": lambda trial: f"language: {trial.clip.source.language or 'not known'}",
    "picture": lambda trial: "picture: " + _band(trial.clip.picture_height, (360, 720), "lines"),
    "face": lambda trial: "face: " + _band(trial.clip.face_height, (60, 120, 240), "pixels high"),
}
