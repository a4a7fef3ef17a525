"""Who on screen speaks when: a file or clip becomes a report.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avsync.pipeline.detect import look_at_all, verdict
from avsync.pipeline.loading import Pipeline, embedder_of, require_opencv
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import PathOrClip, name_of, open_recording
from avsync.report import SyncReport
from avsync.speakers import SpeakerReport, SpeakingFace, SpeechSegment
from avsync.sync.persons import persons
from avsync.sync.speakers import FaceOffset, film_offsets, speaking_scores, stretches
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND
from avsync.tracks import EmbeddedClip, FaceTrack

if TYPE_CHECKING:
    from avsync.pipeline.embedder import VideoEmbedder

SURE_ALONE = 0.98  # confidence from which a face has an offset of its own
ALIKE_MS = 80.0  # offsets that differ by less are one
LEFT_APART = "faces of which it is not plain whether they are of one person are left apart"
NOTHING_FITS = (
    "something is heard, but no face's lips fit it: voice-over, or sound that is out of step by "
    "more than was searched (--max-offset)"
)


def find_speakers(
    source: PathOrClip,
    options: DetectOptions | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Progress = silent,
) -> SpeakerReport:
    """Find who on screen speaks when.

    Parameters
    ----------
    source : path or Clip
        A file, an address (http and the like), or arrays; looked at from end to end.
    options : DetectOptions, optional
        How to look at it.
    pipeline : Pipeline, optional
        Made with the same options: saves loading weights and detector again for every file.
    progress : callable, optional
        Is told (what, done, total).

    Returns
    -------
    SpeakerReport
        Undetermined where no face is seen; without segments where no face speaks.

    Raises
    ------
    AvsyncError
        Where it cannot be read at all, or weights or detector cannot be had.

    Examples
    --------
    >>> import avsync
    >>> report = avsync.find_speakers("docs/talking.mp4")
    >>> report.status, len(report.faces)
    ('ok', 1)
    >>> sum(one.end_seconds - one.start_seconds for one in report.segments) > 4
    True
    """
    require_opencv()
    options = options or (pipeline.options if pipeline else DetectOptions())
    with open_recording(source, options) as recording:
        pipeline = pipeline or Pipeline(options, progress=progress)
        embedder = embedder_of(recording, pipeline, progress)
        seen, sync = look_at_all(name_of(source), embedder, options, pipeline)
    offsets = face_offsets(seen, sync, options, pipeline)
    report = with_circumstances(speakers_in(seen, sync, offsets), embedder, pipeline)
    for warning in report.warnings:
        logging.getLogger("avsync").warning("%s: %s", report.path, warning)
    return report


def face_offsets(
    seen: EmbeddedClip, sync: SyncReport, options: DetectOptions, pipeline: Pipeline
) -> list[FaceOffset]:
    """Where the sound of each face lies, given what is known of the film's."""
    return [_offset_of(seen, track, sync, options, pipeline) for track in seen.tracks]


def speakers_in(
    seen: EmbeddedClip, sync: SyncReport, offsets: Sequence[FaceOffset]
) -> SpeakerReport:
    """What an embedded film tells, given where the sound of each face lies."""
    duration = seen.frame_count / FRAMES_PER_SECOND
    if not seen.tracks:
        reasons = sync.reasons or ("no face was found",)
        return SpeakerReport(sync.path, "undetermined", duration, reasons=reasons)
    scores = speaking_scores(seen, offsets)
    who = persons(seen.tracks)
    faces = tuple(
        SpeakingFace(
            number, person, seen.first_frame + track.first_frame, track.boxes, score,
            offset.at(0), offset.confidence,
        )
        for number, (track, person, score, offset) in enumerate(
            zip(seen.tracks, who, scores, offsets, strict=True)
        )
    )  # fmt: skip
    segments = [
        _segment(face, first, end) for face in faces for first, end in stretches(face.scores)
    ]
    segments.sort(key=lambda one: (one.start_seconds, one.face))
    warnings = _notes(seen, who, segments)
    return SpeakerReport(sync.path, "ok", duration, faces, tuple(segments), warnings=warnings)


def _offset_of(
    seen: EmbeddedClip,
    track: FaceTrack,
    sync: SyncReport,
    options: DetectOptions,
    pipeline: Pipeline,
) -> FaceOffset:
    """The film's, unless the face is sure of another; of no answer, the best candidate."""
    constant = replace(options, detect_changes=False, upstream_scoring=False)
    own = verdict(sync.path, [replace(seen, tracks=[track])], constant, pipeline)
    own_confidence = own.confidence or 0.0
    is_sure = own.offset_ms is not None and own_confidence >= SURE_ALONE
    films = _film_offsets(sync, seen, track)
    if own.offset_ms is None or not is_sure:
        return FaceOffset(films, (sync.confidence or 0.0) if sync.candidates else 0.0)
    if not sync.candidates or np.abs(films - own.offset_ms).min(initial=np.inf) > ALIKE_MS:
        films = np.full(len(films), own.offset_ms)
    return FaceOffset(films, own_confidence)


def _film_offsets(sync: SyncReport, seen: EmbeddedClip, track: FaceTrack) -> NDArray[np.float64]:
    if sync.segments:
        return film_offsets(sync.segments, seen, track)
    best = sync.candidates[0].offset_ms if sync.candidates else 0.0
    return np.full(len(track.video), best)


def _segment(face: SpeakingFace, first: int, end: int) -> SpeechSegment:
    start = face.first_frame
    return SpeechSegment(
        face.number,
        face.person,
        (start + first) / FRAMES_PER_SECOND,
        (start + end) / FRAMES_PER_SECOND,
        round(float(face.scores[first:end].mean()), 4),
    )


def _notes(
    seen: EmbeddedClip, who: Sequence[int], segments: Sequence[SpeechSegment]
) -> tuple[str, ...]:
    notes = []
    if not seen.sounding.any():
        notes.append("nothing is heard")
    elif not segments:
        notes.append(NOTHING_FITS)
    if len(set(who)) > _most_at_once(seen.tracks):
        notes.append(LEFT_APART)
    return tuple(notes)


def _most_at_once(tracks: Sequence[FaceTrack]) -> int:
    """The largest number of faces in one picture."""
    steps = sorted(
        step
        for track in tracks
        for step in ((track.first_frame, 1), (track.first_frame + len(track.boxes), -1))
    )
    return int(np.cumsum([change for _, change in steps]).max(initial=0))


def with_circumstances(
    report: SpeakerReport, embedder: "VideoEmbedder", pipeline: Pipeline
) -> SpeakerReport:
    """With what it was found, and what was noticed on the way."""
    return replace(
        report,
        detector=pipeline.detector.name if pipeline.detector else "given crop",
        weights=pipeline.loaded.weights.name,
        runtime=embedder.network().runtime.name,
        warnings=(
            *pipeline.loaded.notes, *embedder.warnings, *report.warnings,
        ),
    )  # fmt: skip
