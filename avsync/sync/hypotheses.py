"""Stage 6a: the way in which the offset runs through a file: the one by which most is gained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from avsync.report import Segment
from avsync.sync.active_speaker import Talk, listen, listen_to
from avsync.sync.confidence import Calibration
from avsync.sync.drift import film_speeds, find_stretch
from avsync.sync.offset import Offset, find_offset
from avsync.sync.steps import Part, find_parts, gain_of
from avsync.timebase import FRAMES_PER_SECOND, STEPS_PER_SECOND, drift_ms_per_minute
from avsync.tracks import Seen, seen_at_once, stretched

MIN_PART_CONFIDENCE = 0.95  # of each part of a file whose offset is said to step


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a file."""

    max_offset_seconds: float = 1.0  # search range to either side
    upstream_scoring: bool = False  # also SyncNet's figures
    varies: bool = True  # whether drift and steps are looked for


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which the offset may run through a file."""

    talk: Talk
    segments: tuple[Segment, ...]  # in time
    parts: tuple[Part, ...]  # of the talk's stretches: one for each segment

    @property
    def main(self) -> int:
        """The segment in which most was compared."""
        return int(np.argmax([part.offset.evidence.windows for part in self.parts]))

    @property
    def gain(self) -> float:
        """What is gained over no offset at all, less the price of the steps."""
        return gain_of(self.talk, self.parts)

    @property
    def confidence(self) -> float:
        """That of the least sure segment."""
        return min(segment.confidence for segment in self.segments)


def find(looks: Sequence[Seen], calibration: Calibration, question: Question) -> Finding | None:
    """The way in which most is gained: a constant offset, a line or steps; None: no comparison."""
    max_shift = round(question.max_offset_seconds * STEPS_PER_SECOND)
    talk = listen(looks, max_shift)
    constant = _constant(looks, talk, calibration) if talk else None
    if talk is None or constant is None or not question.varies:
        return constant
    ways = [constant]
    if steps := _steps(looks, talk, calibration):
        ways.append(steps)
    stretch = find_stretch(looks, question.max_offset_seconds)
    line = listen([stretched(seen, stretch) for seen in looks], max_shift)
    if stretch != 1.0 and line and (drift := _constant(looks, line, calibration, stretch)):
        ways.append(drift)
    return max(ways, key=lambda way: way.gain)


def find_alone(
    looks: Sequence[Seen], calibration: Calibration, question: Question
) -> dict[int, Finding]:
    """What each face that is seen beside another tells by itself, by its number in all looks.

    That one of several is sure is likelier than that a certain one is: the offsets of each count as
    candidates.
    """
    max_shift = round(question.max_offset_seconds * STEPS_PER_SECOND)
    faces = [(seen, track) for seen in looks for track in seen.tracks]
    beside = sorted({number for pair in seen_at_once(looks) for number in pair})
    alone = {}
    for number in beside:
        talk = listen_to(*faces[number], number, max_shift)
        found = _constant(looks, talk, calibration, faces=len(beside)) if talk else None
        if found and not found.parts[0].offset.at_edge:
            alone[number] = found
    return alone


def surest(together: Finding | None, alone: Mapping[int, Finding], enough: float) -> Finding | None:
    """What all faces tell together; where that is not sure enough, what one tells that is."""
    if together is None or together.confidence >= enough or not alone:
        return together
    best = max(alone.values(), key=lambda found: found.confidence)
    return best if best.confidence >= enough else together


def _constant(
    looks: Sequence[Seen],
    talk: Talk,
    calibration: Calibration,
    stretch: float = 1.0,
    faces: int = 1,
) -> Finding | None:
    """One offset all through, after the sound was stretched; of one of so many faces."""
    offset = find_offset(talk.stretches)
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
    everything = Part(slice(0, len(talk.stretches.numbers)), offset)
    return Finding(talk, (segment,), (everything,))


def _steps(looks: Sequence[Seen], talk: Talk, calibration: Calibration) -> Finding | None:
    def is_sure(offset: Offset) -> bool:
        return calibration.confidence(offset.evidence) >= MIN_PART_CONFIDENCE

    parts = find_parts(talk, is_sure)
    if len(parts) < 2:
        return None
    starts = [0.0, *(talk.stretches.start_seconds(part.rows.start) for part in parts[1:])]
    ends = [*starts[1:], _end_seconds(looks)]
    segments = [
        _segment(start, end, part.offset, calibration)
        for start, end, part in zip(starts, ends, parts, strict=True)
    ]
    return Finding(talk, tuple(segments), tuple(parts))


def _segment(start: float, end: float, offset: Offset, calibration: Calibration) -> Segment:
    return Segment(
        round(start, 2),
        round(end, 2),
        round(offset.offset_ms, 1),
        confidence=round(calibration.confidence(offset.evidence), 4),
        uncertainty_ms=round(calibration.uncertainty_ms(offset.uncertainty_ms), 1),
    )


def _end_seconds(looks: Sequence[Seen]) -> float:
    return max(seen.first_frame + seen.frame_count for seen in looks) / FRAMES_PER_SECOND
