"""Stage 6c: what was seen and heard becomes a verdict: an offset with its confidence, or why not.

"Cannot tell" is an answer; a wrong offset is a defect.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avsync.report import SyncReport, TrackSummary, UpstreamScores
from avsync.sync.confidence import Calibration
from avsync.sync.hypotheses import (
    Hypothesis,
    SearchOptions,
    best_hypothesis,
    most_confident,
    per_face_hypotheses,
)
from avsync.sync.lse import lse_scores
from avsync.sync.reasons import MIN_CONFIDENCE, reasons
from avsync.timebase import FRAMES_PER_SECOND, HOPS_PER_FRAME, HOPS_PER_SECOND
from avsync.tracks import EmbeddedClip, FaceTrack

__all__ = ["SearchOptions", "judge"]


def judge(
    path: str, looks: Sequence[EmbeddedClip], calibration: Calibration, question: SearchOptions
) -> SyncReport:
    """Compare picture and sound, find the offset and who speaks, and say how sure it is.

    `looks` are one or more parts of the file, in time.
    """
    alone = per_face_hypotheses(looks, calibration, question)
    found = most_confident(best_hypothesis(looks, calibration, question), alone, MIN_CONFIDENCE)
    speech_seconds = _speech_seconds(looks)
    doubts = reasons(looks, found, alone, speech_seconds, question)
    summaries = _summaries(looks, found)
    report = SyncReport(
        path,
        "undetermined",
        reasons=doubts,
        upstream=_upstream(looks, summaries) if question.upstream_scoring else None,
        tracks=summaries,
        duration_seconds=sum(seen.frame_count for seen in looks) / FRAMES_PER_SECOND,
        speech_seconds=speech_seconds,
    )
    return _with_answer(report, found, answered=not doubts) if found else report


def _with_answer(report: SyncReport, found: Hypothesis, answered: bool) -> SyncReport:
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
    tracks = [(seen.first_frame, track) for seen in looks for track in seen.tracks]
    shares = [0.0] * len(tracks)
    if found:
        best = np.concatenate([np.full(_length(p.rows), p.offset.best) for p in found.parts])
        shares = found.active.shares(best, len(tracks))
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


def _upstream(
    looks: Sequence[EmbeddedClip], summaries: Sequence[TrackSummary]
) -> UpstreamScores | None:
    """SyncNet's figures for the track with most evidence."""
    if not summaries:
        return None
    pairs = [(seen, track) for seen in looks for track in seen.tracks]
    seen, track = pairs[int(np.argmax([s.share for s in summaries]))]
    sounds = seen.audio[track.first_frame * HOPS_PER_FRAME :: HOPS_PER_FRAME]
    if not len(track.video) or not len(sounds):
        return None
    lse_d, lse_c, frames = lse_scores(track.video, sounds)
    return UpstreamScores(round(lse_d, 3), round(lse_c, 3), frames)
