"""Stage 6a: what was seen and heard becomes a verdict: the offset, how it runs, reasons to doubt.

"Cannot tell" is an answer; a wrong offset is a defect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from avsync.confidence import Calibration
from avsync.offset import Offset, find_offset, upstream_scores
from avsync.report import Segment, SyncReport, TrackSummary, UpstreamScores
from avsync.segments import Part, film_speeds, find_parts, find_stretch, gain_of
from avsync.speakers import FaceTrack, Seen, Talk, listen, stretched
from avsync.timebase import (
    FRAMES_PER_SECOND,
    STEPS_PER_FRAME,
    STEPS_PER_SECOND,
    drift_ms_per_minute,
    offset_in_words,
)

MIN_WINDOWS = 10  # pictures compared; with fewer, nothing can be told
MIN_SPEECH_SECONDS = 0.5
SHORT_SPEECH_SECONDS = 3.0  # less is seldom enough
MIN_FACE_PIXELS = 32  # larger side of the canonical box, in the source's pixels
MIN_CONFIDENCE = 0.8  # of an answer; a wrong one is worse than none
MIN_PART_CONFIDENCE = 0.95  # of each part of a file whose offset is said to step
PLAUSIBLE_AGREEMENT = 0.5  # of parts that are told as the reason for doubt


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a file."""

    max_offset_seconds: float = 1.0  # search range to either side
    upstream_scoring: bool = False  # also SyncNet's figures
    varies: bool = True  # whether drift and steps are looked for


@dataclass(frozen=True, slots=True)
class _Finding:
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


def judge(
    path: str, looks: Sequence[Seen], calibration: Calibration, question: Question
) -> SyncReport:
    """Compare picture and sound, find the offset and who speaks, and say how sure it is.

    `looks` are one or more parts of the file, in time.
    """
    found = _find(looks, calibration, question)
    speech_seconds = _speech_seconds(looks)
    reasons = _reasons(looks, found, speech_seconds, question)
    summaries = _summaries(looks, found)
    report = SyncReport(
        path,
        "undetermined",
        reasons=reasons,
        upstream=_upstream(looks, summaries) if question.upstream_scoring else None,
        tracks=summaries,
        duration_seconds=sum(seen.frame_count for seen in looks) / FRAMES_PER_SECOND,
        speech_seconds=speech_seconds,
    )
    return _with_answer(report, found, answered=not reasons) if found else report


def _with_answer(report: SyncReport, found: _Finding, answered: bool) -> SyncReport:
    main, evidence = found.segments[found.main], found.parts[found.main].offset.evidence
    report = replace(
        report,
        confidence=found.confidence,
        min_distance=round(evidence.min_distance, 4),
        median_minus_min=round(evidence.median_distance - evidence.min_distance, 4),
    )
    if not answered:
        return report
    return replace(
        report,
        status="ok",
        offset_ms=main.offset_ms,
        uncertainty_ms=max(segment.uncertainty_ms for segment in found.segments),
        segments=found.segments,
    )


def _find(looks: Sequence[Seen], calibration: Calibration, question: Question) -> _Finding | None:
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


def _constant(
    looks: Sequence[Seen], talk: Talk, calibration: Calibration, stretch: float = 1.0
) -> _Finding | None:
    """One offset all through, after the sound was stretched."""
    offset = find_offset(talk.stretches)
    if offset is None:
        return None
    segment = _segment(0.0, _end_seconds(looks), offset, calibration)
    if stretch != 1.0:
        segment = replace(
            segment,
            drift_ms_per_minute=round(drift_ms_per_minute(stretch), 2),
            explained_by=film_speeds(stretch),
        )
    everything = Part(slice(0, len(talk.stretches.numbers)), offset)
    return _Finding(talk, (segment,), (everything,))


def _steps(looks: Sequence[Seen], talk: Talk, calibration: Calibration) -> _Finding | None:
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
    return _Finding(talk, tuple(segments), tuple(parts))


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


def _speech_seconds(looks: Sequence[Seen]) -> float:
    """Seconds in which something is heard while a face is seen."""
    heard = 0
    for seen in looks:
        looked = np.zeros(len(seen.sounding), bool)
        for track in seen.tracks:
            last = track.first_frame + len(track.boxes)
            looked[track.first_frame * STEPS_PER_FRAME : last * STEPS_PER_FRAME] = True
        heard += int((looked & seen.sounding).sum())
    return round(heard / STEPS_PER_SECOND, 2)


def _reasons(
    looks: Sequence[Seen], found: _Finding | None, speech_seconds: float, question: Question
) -> tuple[str, ...]:
    """Why there is no answer, each with what is missing or what to try; empty: there is one."""
    tracks = [track for seen in looks for track in seen.tracks]
    if not sum(seen.frame_count for seen in looks):
        return ("no picture could be decoded",)
    if not tracks:
        return ("no face found: try --faces yunet or sfd, or --cropped for face crops",)
    face = max(float(np.median(track.boxes[:, 2:].max(axis=1))) for track in tracks)
    if face < MIN_FACE_PIXELS:
        return (f"no face larger than {face:.0f} pixels: {MIN_FACE_PIXELS} are needed",)
    windows = float(found.talk.stretches.windows.sum()) if found else 0.0
    if found is None or windows < MIN_WINDOWS:
        shown = windows / FRAMES_PER_SECOND
        return (f"too short: a face with sound is seen for {shown:.1f} s only",)
    if not any(seen.sounding.any() for seen in looks):
        return ("the sound is silent",)
    if speech_seconds < MIN_SPEECH_SECONDS:
        return (f"sound is heard for {speech_seconds:.1f} s only while a face is seen",)
    if any(part.offset.at_edge for part in found.parts):
        wider = 5 * question.max_offset_seconds
        return (f"best match at the edge of the search range: try --max-offset {wider:g}",)
    return _doubts(found, speech_seconds, question)


def _doubts(found: _Finding, speech_seconds: float, question: Question) -> tuple[str, ...]:
    """Why the best offset is not believed; empty: it is."""
    if found.confidence >= MIN_CONFIDENCE:
        return ()
    doubt = f"no offset stands out (confidence {100 * found.confidence:.0f} %)"
    if speech_seconds < SHORT_SPEECH_SECONDS:
        return (f"{doubt}: speech was heard for {speech_seconds:.1f} s only while a face is seen",)
    if len(parts := find_parts(found.talk, _is_plausible)) > 1:
        table = found.talk.stretches
        said = (
            f"{offset_in_words(part.offset.offset_ms)} from "
            f"{table.start_seconds(part.rows.start):.0f} s on"
            for part in parts
        )
        return (f"{doubt}: the stretches disagree ({', '.join(said)})",)
    return (
        f"{doubt}: within {question.max_offset_seconds:g} s lips and sound fit nowhere; is it the "
        "speaker's own voice, and the mouth in view?",
    )


def _is_plausible(offset: Offset) -> bool:
    return offset.evidence.agreement > PLAUSIBLE_AGREEMENT


def _summaries(looks: Sequence[Seen], found: _Finding | None) -> tuple[TrackSummary, ...]:
    """The faces that were seen, with their shares of the evidence."""
    tracks = [(seen.first_frame, track) for seen in looks for track in seen.tracks]
    shares = [0.0] * len(tracks)
    if found:
        best = np.concatenate([np.full(_length(p.rows), p.offset.best) for p in found.parts])
        shares = found.talk.shares(best, len(tracks))
    return tuple(
        _summary(first_frame, track, share)
        for (first_frame, track), share in zip(tracks, shares, strict=True)
    )


def _length(rows: slice) -> int:
    return int(rows.stop - rows.start)


def _summary(first_frame: int, track: FaceTrack, share: float) -> TrackSummary:
    x, y, width, height = (float(v) for v in np.median(track.boxes, axis=0))
    start = first_frame + track.first_frame
    return TrackSummary(
        round(start / FRAMES_PER_SECOND, 2),
        round((start + len(track.boxes)) / FRAMES_PER_SECOND, 2),
        (round(x - width / 2), round(y - height / 2), round(width), round(height)),
        round(share, 3),
    )


def _upstream(looks: Sequence[Seen], summaries: Sequence[TrackSummary]) -> UpstreamScores | None:
    """SyncNet's figures for the track with most evidence."""
    if not summaries:
        return None
    pairs = [(seen, track) for seen in looks for track in seen.tracks]
    seen, track = pairs[int(np.argmax([s.share for s in summaries]))]
    sounds = seen.audio[track.first_frame * STEPS_PER_FRAME :: STEPS_PER_FRAME]
    if not len(track.video) or not len(sounds):
        return None
    lse_d, lse_c, frames = upstream_scores(track.video, sounds)
    return UpstreamScores(round(lse_d, 3), round(lse_c, 3), frames)
