"""Stage 6c: what was seen and heard becomes a verdict: an offset with its confidence, or why not.

"Cannot tell" is an answer; a wrong offset is a defect. What comes next to an answer is told, too.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from avsync.findings import Candidate, Curve, TrackSummary, UpstreamScores
from avsync.report import SyncReport
from avsync.sync.confidence import SIDE_HOPS, Calibration
from avsync.sync.hypotheses import (
    Hypothesis,
    SearchOptions,
    best_hypothesis,
    most_confident,
    per_face_hypotheses,
)
from avsync.sync.lse import lse_scores
from avsync.sync.offset import Offset, lowest_minima, offset_at
from avsync.sync.reasons import missing_evidence, rejection_reason
from avsync.timebase import (
    FRAMES_PER_SECOND,
    HOPS_PER_FRAME,
    HOPS_PER_SECOND,
    offset_ms_of_shift,
)
from avsync.tolerance import ACCEPT
from avsync.tracks import EmbeddedClip, FaceTrack, all_tracks

__all__ = ["SearchOptions", "reach_verdict"]

MOST_CANDIDATES = 3


def reach_verdict(
    path: str, looks: Sequence[EmbeddedClip], calibration: Calibration, question: SearchOptions
) -> SyncReport:
    """Compare picture and sound, find the offset and who speaks, and say how sure it is.

    Parameters
    ----------
    path : str
        What the file is called.
    looks : sequence of EmbeddedClip
        One or more parts of it, in time.
    calibration : Calibration
        Of the weights that embedded them.
    question : SearchOptions
        What is asked.

    Returns
    -------
    SyncReport
        With candidates and curve where anything could be compared, and an answer where that is
        sure enough.
    """
    alone = per_face_hypotheses(looks, calibration, question)
    found = best_hypothesis(looks, calibration, question)
    for enough in (ACCEPT, question.accept):
        found = most_confident(found, alone, enough)
    speech_seconds = _speech_seconds(looks)
    missing = missing_evidence(looks, found, speech_seconds)
    doubt = missing
    if found and not missing:
        doubt = rejection_reason(looks, found, alone, speech_seconds, question)
    summaries = _summaries(looks, found)
    report = SyncReport(
        path,
        "undetermined",
        reasons=(doubt,) if doubt else (),
        upstream=_upstream(looks, summaries) if question.upstream_scoring else None,
        tracks=summaries,
        duration_seconds=sum(seen.frame_count for seen in looks) / FRAMES_PER_SECOND,
        speech_seconds=speech_seconds,
    )
    if found is None:
        return report
    report = _with_evidence(report, found)
    if missing:
        return report
    report = replace(report, candidates=candidates(found, calibration))
    return report if doubt else _with_answer(report, found)


def candidates(found: Hypothesis, calibration: Calibration) -> tuple[Candidate, ...]:
    """The offset that was found, and the lowest other minima of its curve.

    Parameters
    ----------
    found : Hypothesis
        What a file tells.
    calibration : Calibration
        Of the weights that embedded it.

    Returns
    -------
    tuple of Candidate
        Three at most, what was found first; none where that lies at the edge of the search.
    """
    if any(part.offset.at_edge for part in found.parts):
        return ()
    main, part = found.segments[found.main], found.parts[found.main]
    blocks = found.active.blocks.part(part.rows)
    others = [
        offset_at(blocks, place)
        for place in lowest_minima(blocks.curve, MOST_CANDIDATES)
        if abs(place - part.offset.best) > SIDE_HOPS
    ]
    judged = [_candidate(other, calibration) for other in others if not other.at_edge]
    judged.sort(key=lambda one: -one.confidence)
    first = Candidate(main.offset_ms, found.confidence, main.uncertainty_ms)
    return (first, *judged)[:MOST_CANDIDATES]


def _candidate(offset: Offset, calibration: Calibration) -> Candidate:
    return Candidate(
        round(offset.offset_ms, 1),
        round(calibration.confidence(offset.evidence), 4),
        round(calibration.uncertainty_ms(offset.uncertainty_ms), 1),
    )


def _curve(distances: NDArray[np.float32]) -> Curve:
    """The latest sound first."""
    shifts = np.arange(len(distances))[::-1] - len(distances) // 2
    return Curve(
        tuple(offset_ms_of_shift(shift) for shift in shifts.tolist()),
        tuple(None if np.isnan(d) else round(d, 4) for d in distances[::-1].tolist()),
    )


def _with_evidence(report: SyncReport, found: Hypothesis) -> SyncReport:
    evidence = found.parts[found.main].offset.evidence
    return replace(
        report,
        confidence=found.confidence,
        min_distance=round(evidence.min_distance, 4),
        median_minus_min=round(evidence.median_distance - evidence.min_distance, 4),
        curve=_curve(found.active.blocks.curve),
    )


def _with_answer(report: SyncReport, found: Hypothesis) -> SyncReport:
    main = found.segments[found.main]
    return replace(
        report,
        status="ok",
        offset_ms=main.offset_ms,
        uncertainty_ms=max(segment.uncertainty_ms for segment in found.segments),
        segments=found.segments,
    )


def _speech_seconds(looks: Sequence[EmbeddedClip]) -> float:
    """Seconds in which something is heard while a face is seen."""
    heard = 0
    for seen in looks:
        looked = np.zeros(len(seen.sounding), bool)
        for track in seen.tracks:
            last = track.first_frame + len(track.boxes)
            looked[track.first_frame * HOPS_PER_FRAME : last * HOPS_PER_FRAME] = True
        heard += int((looked & seen.sounding).sum())
    return round(heard / HOPS_PER_SECOND, 2)


def _summaries(looks: Sequence[EmbeddedClip], found: Hypothesis | None) -> tuple[TrackSummary, ...]:
    """The faces that were seen, with their shares of the evidence."""
    tracks = all_tracks(looks)
    shares = [0.0] * len(tracks)
    if found:
        best = np.concatenate([np.full(_length(p.rows), p.offset.best) for p in found.parts])
        shares = found.active.shares(best, len(tracks))
    return tuple(
        _summary(seen.first_frame, track, share)
        for (seen, track), share in zip(tracks, shares, strict=True)
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


def _upstream(
    looks: Sequence[EmbeddedClip], summaries: Sequence[TrackSummary]
) -> UpstreamScores | None:
    """SyncNet's figures for the track with most evidence."""
    if not summaries:
        return None
    seen, track = all_tracks(looks)[int(np.argmax([s.share for s in summaries]))]
    sounds = seen.audio[track.first_frame * HOPS_PER_FRAME :: HOPS_PER_FRAME]
    if not len(track.video) or not len(sounds):
        return None
    lse_d, lse_c, frames = lse_scores(track.video, sounds)
    return UpstreamScores(round(lse_d, 3), round(lse_c, 3), frames)
