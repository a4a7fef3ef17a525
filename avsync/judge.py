"""Stage 6a: what was seen and heard becomes a verdict: who speaks, the offset, reasons to doubt.

"Cannot tell" is an answer; a wrong offset is a defect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.confidence import Calibration
from avsync.offset import (
    STRETCH_FRAMES,
    Offset,
    Stretches,
    choose_speakers,
    compare,
    find_offset,
    upstream_scores,
)
from avsync.report import Segment, SyncReport, TrackSummary, UpstreamScores
from avsync.timebase import FRAMES_PER_SECOND, STEPS_PER_FRAME, STEPS_PER_SECOND

MIN_WINDOWS = 10  # pictures compared; with fewer, nothing can be told
MIN_SPEECH_SECONDS = 0.5
MIN_FACE_PIXELS = 32  # larger side of the canonical box, in the source's pixels
MIN_CONFIDENCE = 0.7  # of an answer; a wrong one is worse than none


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One embedded face."""

    first_frame: int  # on the 25-fps timeline
    boxes: NDArray[np.float32]  # (T, 4) centre x, y, width, height, in pixels of the source
    video: NDArray[Any]  # (max(0, T - 4), D): one window starts at each frame


@dataclass(frozen=True, slots=True)
class Seen:
    """What the streams made of a file."""

    tracks: Sequence[FaceTrack]
    audio: NDArray[Any]  # (S, D): one window starts at each 10 ms
    sounding: NDArray[np.bool_]  # by 10-ms step: whether something is heard
    frame_count: int  # on the 25-fps timeline


@dataclass(frozen=True, slots=True)
class _Compared:
    """Tracks with their distances, and which stretches of them count."""

    seen: Seen
    stretches: list[Stretches]
    chosen: list[NDArray[np.bool_]]
    offset: Offset | None


def judge(
    path: str,
    seen: Seen,
    calibration: Calibration,
    max_offset_seconds: float,
    upstream_scoring: bool = False,
) -> SyncReport:
    """Compare picture and sound, choose the speaker, find the offset, and say how sure it is."""
    compared = _compare(seen, round(max_offset_seconds * STEPS_PER_SECOND))
    offset = compared.offset
    confidence = round(calibration.confidence(offset.evidence), 4) if offset else None
    speech_seconds = _speech_seconds(compared)
    reasons = _reasons(compared, confidence, speech_seconds, max_offset_seconds)
    summaries = _summaries(compared)
    answer = None if reasons else offset
    offset_ms = round(answer.offset_ms, 1) if answer else None
    duration = seen.frame_count / FRAMES_PER_SECOND
    return SyncReport(
        path=path,
        status="ok" if answer else "undetermined",
        offset_ms=offset_ms,
        confidence=confidence,
        uncertainty_ms=round(answer.uncertainty_ms, 1) if answer else None,
        reasons=reasons,
        min_distance=round(offset.evidence.min_distance, 4) if offset else None,
        median_minus_min=round(_depth(offset), 4) if offset else None,
        upstream=_upstream(compared, summaries) if upstream_scoring else None,
        segments=() if offset_ms is None else (Segment(0.0, duration, offset_ms),),
        tracks=summaries,
        duration_seconds=duration,
        speech_seconds=speech_seconds,
    )


def _depth(offset: Offset) -> float:
    """How far the minimum of the distance curve lies below its median."""
    return offset.evidence.median_distance - offset.evidence.min_distance


def _compare(seen: Seen, max_shift: int) -> _Compared:
    stretches = [compare(t.video, seen.audio, t.first_frame, max_shift) for t in seen.tracks]
    chosen = choose_speakers(stretches)
    if not stretches:
        return _Compared(seen, [], [], None)
    sums = np.concatenate([s.sums[c] for s, c in zip(stretches, chosen, strict=True)])
    counts = np.concatenate([s.counts[c] for s, c in zip(stretches, chosen, strict=True)])
    return _Compared(seen, stretches, chosen, find_offset(sums, counts))


def _speech_seconds(compared: _Compared) -> float:
    """Seconds in which something is heard while a chosen face is seen."""
    seen = compared.seen
    looked = np.zeros(len(seen.sounding), bool)
    for track, stretches, chosen in zip(
        seen.tracks, compared.stretches, compared.chosen, strict=True
    ):
        for k in map(int, np.flatnonzero(chosen)):
            first = stretches.first_frame + k * STRETCH_FRAMES
            last = min(first + STRETCH_FRAMES, track.first_frame + len(track.boxes))
            looked[first * STEPS_PER_FRAME : last * STEPS_PER_FRAME] = True
    return round(float((looked & seen.sounding).sum()) / STEPS_PER_SECOND, 2)


def _reasons(
    compared: _Compared, confidence: float | None, speech_seconds: float, max_offset_seconds: float
) -> tuple[str, ...]:
    """Why there is no answer, each with what is missing or what to try; empty: there is one."""
    seen, offset = compared.seen, compared.offset
    if seen.frame_count == 0:
        return ("no picture could be decoded",)
    if not seen.tracks:
        return ("no face found: try --faces yunet or sfd, or --cropped for face crops",)
    face = max(float(np.median(track.boxes[:, 2:].max(axis=1))) for track in seen.tracks)
    if face < MIN_FACE_PIXELS:
        return (f"no face larger than {face:.0f} pixels: {MIN_FACE_PIXELS} are needed",)
    windows = sum(int(s.counts[c].max(axis=1).sum()) for s, c in _pairs(compared))
    if windows < MIN_WINDOWS or offset is None:
        shown = windows / FRAMES_PER_SECOND
        return (f"too short: a face with sound is seen for {shown:.1f} s only",)
    if not seen.sounding.any():
        return ("the sound is silent",)
    if speech_seconds < MIN_SPEECH_SECONDS:
        return (f"sound is heard for {speech_seconds:.1f} s only while a face is seen",)
    if offset.at_edge:
        wider = 5 * max_offset_seconds
        return (f"best match at the edge of the search range: try --max-offset {wider:g}",)
    if confidence is not None and confidence < MIN_CONFIDENCE:
        return (f"no offset stands out (confidence {100 * confidence:.0f} %)",)
    return ()


def _pairs(compared: _Compared) -> list[tuple[Stretches, NDArray[np.bool_]]]:
    return list(zip(compared.stretches, compared.chosen, strict=True))


def _summaries(compared: _Compared) -> tuple[TrackSummary, ...]:
    """The faces that were seen, with their shares of the evidence."""
    shares = _shares(compared)
    summaries = []
    for track, share in zip(compared.seen.tracks, shares, strict=True):
        x, y, width, height = (float(v) for v in np.median(track.boxes, axis=0))
        summaries.append(
            TrackSummary(
                round(track.first_frame / FRAMES_PER_SECOND, 2),
                round((track.first_frame + len(track.boxes)) / FRAMES_PER_SECOND, 2),
                (round(x - width / 2), round(y - height / 2), round(width), round(height)),
                round(share, 3),
            )
        )
    return tuple(summaries)


def _shares(compared: _Compared) -> list[float]:
    """How much each track's chosen stretches lower the distance at the offset that was found."""
    gains = []
    for stretches, chosen in _pairs(compared):
        sums, counts = stretches.sums[chosen].sum(axis=0), stretches.counts[chosen].sum(axis=0)
        best = compared.offset.best if compared.offset else 0
        judged = counts > 0
        if not judged.any() or not counts[best]:
            gains.append(0.0)
            continue
        median = float(np.median(sums[judged] / counts[judged]))
        gains.append(max(0.0, median * float(counts[best]) - float(sums[best])))
    total = sum(gains)
    return [gain / total if total else 0.0 for gain in gains]


def _upstream(compared: _Compared, summaries: Sequence[TrackSummary]) -> UpstreamScores | None:
    """SyncNet's figures for the track with most evidence."""
    if not summaries:
        return None
    track = compared.seen.tracks[int(np.argmax([s.share for s in summaries]))]
    sounds = compared.seen.audio[track.first_frame * STEPS_PER_FRAME :: STEPS_PER_FRAME]
    if not len(track.video) or not len(sounds):
        return None
    lse_d, lse_c, frames = upstream_scores(track.video, sounds)
    return UpstreamScores(round(lse_d, 3), round(lse_c, 3), frames)
