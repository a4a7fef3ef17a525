"""Stage 6a: the way in which the offset runs through a file: the one by which most is gained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from avsync.findings import Segment
from avsync.sync.active_speaker import ActiveSpeaker, distance_table, distance_table_of
from avsync.sync.confidence import Calibration
from avsync.sync.drift import film_speeds, find_stretch
from avsync.sync.jumps import Part, find_parts, gain_of
from avsync.sync.offset import Offset, find_offset
from avsync.timebase import FRAMES_PER_SECOND, HOPS_PER_SECOND, drift_ms_per_minute
from avsync.tolerance import ACCEPT
from avsync.tracks import EmbeddedClip, all_tracks, seen_at_once, stretched

MIN_PART_CONFIDENCE = 0.95  # of each part of a file whose offset is said to step


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """What is asked of a file.

    Attributes
    ----------
    max_offset_seconds, upstream_scoring, detect_changes, accept : float or bool
        As in `avsync.DetectOptions`.
    """

    max_offset_seconds: float = 1.0
    upstream_scoring: bool = False
    detect_changes: bool = True
    accept: float = ACCEPT


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One way in which the offset may run through a file.

    Attributes
    ----------
    active : ActiveSpeaker
        Distances by block and offset, of the face that counts.
    segments : tuple of Segment
        In time.
    parts : tuple of Part
        Of the blocks: one for each segment.
    """

    active: ActiveSpeaker
    segments: tuple[Segment, ...]
    parts: tuple[Part, ...]

    @property
    def main(self) -> int:
        """The segment in which most was compared."""
        return int(np.argmax([part.offset.evidence.windows for part in self.parts]))

    @property
    def gain(self) -> float:
        """What is gained over no offset at all, less the price of the steps."""
        return gain_of(self.active, self.parts)

    @property
    def confidence(self) -> float:
        """That of the least sure segment."""
        return min(segment.confidence for segment in self.segments)


def best_hypothesis(
    looks: Sequence[EmbeddedClip], calibration: Calibration, question: SearchOptions
) -> Hypothesis | None:
    """The way in which most is gained: a constant offset, a line or jumps.

    Parameters
    ----------
    looks : sequence of EmbeddedClip
        Parts of a file, in time.
    calibration : Calibration
        Of the weights that embedded them.
    question : SearchOptions
        What is asked.

    Returns
    -------
    Hypothesis or None
        None where nothing can be compared.
    """
    max_shift = round(question.max_offset_seconds * HOPS_PER_SECOND)
    active = distance_table(looks, max_shift)
    constant = _constant(looks, active, calibration) if active else None
    if active is None or constant is None or not question.detect_changes:
        return constant
    ways = [constant]
    if steps := _steps(looks, active, calibration):
        ways.append(steps)
    stretch = find_stretch(looks, question.max_offset_seconds)
    line = distance_table([stretched(seen, stretch) for seen in looks], max_shift)
    if stretch != 1.0 and line and (drift := _constant(looks, line, calibration, stretch)):
        ways.append(drift)
    return max(ways, key=lambda way: way.gain)


def per_face_hypotheses(
    looks: Sequence[EmbeddedClip], calibration: Calibration, question: SearchOptions
) -> dict[int, Hypothesis]:
    """What each face that is seen beside another tells by itself, by its number in all looks.

    That one of several is sure is likelier than that a certain one is: the offsets of each count as
    candidates.

    Parameters
    ----------
    looks : sequence of EmbeddedClip
        Parts of a file, in time.
    calibration : Calibration
        Of the weights that embedded them.
    question : SearchOptions
        What is asked.

    Returns
    -------
    dict of Hypothesis
        By the numbers of `avsync.tracks.all_tracks`.
    """
    max_shift = round(question.max_offset_seconds * HOPS_PER_SECOND)
    faces = all_tracks(looks)
    beside = sorted({number for pair in seen_at_once(looks) for number in pair})
    alone = {}
    for number in beside:
        active = distance_table_of(*faces[number], number, max_shift)
        found = _constant(looks, active, calibration, faces=len(beside)) if active else None
        if found and not found.parts[0].offset.at_edge:
            alone[number] = found
    return alone


def most_confident(
    together: Hypothesis | None, alone: Mapping[int, Hypothesis], enough: float
) -> Hypothesis | None:
    """What all faces tell together; where that is not sure enough, what one tells that is.

    Parameters
    ----------
    together : Hypothesis or None
        Of all faces.
    alone : mapping of Hypothesis
        Of each by itself.
    enough : float
        Confidence.

    Returns
    -------
    Hypothesis or None
        One of them.
    """
    if together is None or together.confidence >= enough or not alone:
        return together
    best = max(alone.values(), key=lambda found: found.confidence)
    return best if best.confidence >= enough else together


def _constant(
    looks: Sequence[EmbeddedClip],
    active: ActiveSpeaker,
    calibration: Calibration,
    stretch: float = 1.0,
    faces: int = 1,
) -> Hypothesis | None:
    """One offset all through, after the sound was stretched; of one of so many faces."""
    offset = find_offset(active.blocks)
    if offset is None:
        return None
    evidence = offset.evidence
    offset = replace(offset, evidence=replace(evidence, shifts=faces * evidence.shifts))
    segment = _segment(0.0, _end_seconds(looks), offset, calibration)
    if stretch != 1.0:
        segment = replace(
            segment,
            drift_ms_per_minute=round(drift_ms_per_minute(stretch), 2),
            explained_by=film_speeds(stretch),
        )
    everything = Part(slice(0, len(active.blocks.numbers)), offset)
    return Hypothesis(active, (segment,), (everything,))


def _steps(
    looks: Sequence[EmbeddedClip], active: ActiveSpeaker, calibration: Calibration
) -> Hypothesis | None:
    def is_sure(offset: Offset) -> bool:
        return calibration.confidence(offset.evidence) >= MIN_PART_CONFIDENCE

    parts = find_parts(active, is_sure)
    if len(parts) < 2:
        return None
    starts = [0.0, *(active.blocks.start_seconds(part.rows.start) for part in parts[1:])]
    ends = [*starts[1:], _end_seconds(looks)]
    segments = [
        _segment(start, end, part.offset, calibration)
        for start, end, part in zip(starts, ends, parts, strict=True)
    ]
    return Hypothesis(active, tuple(segments), tuple(parts))


def _segment(start: float, end: float, offset: Offset, calibration: Calibration) -> Segment:
    return Segment(
        round(start, 2),
        round(end, 2),
        round(offset.offset_ms, 1),
        confidence=round(calibration.confidence(offset.evidence), 4),
        uncertainty_ms=round(calibration.uncertainty_ms(offset.uncertainty_ms), 1),
    )


def _end_seconds(looks: Sequence[EmbeddedClip]) -> float:
    return max(seen.first_frame + seen.frame_count for seen in looks) / FRAMES_PER_SECOND
