"""The chain: a path and options become a report.

    file -> frames -> face tracks -> crops -> video embeddings --\\
         -> samples -> MFCC -> audio embeddings ------------------ distances -> offset -> report

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from avsync.media.files import at_hand
from avsync.pipeline.loading import Pipeline, embedder_of, require_opencv
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from avsync.pipeline.details import Collector
    from avsync.pipeline.embedder import VideoEmbedder
    from avsync.tracks import EmbeddedClip


def detect(
    path: str | os.PathLike[str],
    options: DetectOptions | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Progress = silent,
    collector: "Collector | None" = None,
) -> SyncReport:
    """Find by how many milliseconds the sound of a talking-face video is out of step.

    `pipeline`, opened with the same options, saves loading them again for every file. `collector`
    keeps what can be shown of the answer: see `avsync.pipeline.details`. Returns a
    report, `undetermined` where the file does not allow an answer. Raises an `AvsyncError` where
    it cannot be read at all.
    """
    require_opencv()
    from avsync.media.probe import probe
    from avsync.sync.reasons import other_tracks

    options = options or (pipeline.options if pipeline else DetectOptions())
    with at_hand(path) as place:
        info = probe(place, options.audio_track, options.video_track)
        info.require_both()
        pipeline = pipeline or Pipeline(options, progress=progress)
        embedder = embedder_of(info, pipeline, progress)
        embedder.collector = collector
        report = _answer(os.fspath(path), embedder, options, pipeline)
        if report.status == "undetermined" and pipeline.detector:
            report = _turned_answer(report, embedder, options, pipeline)
        if collector:
            collector.finish(report)
    hints = other_tracks(info) if report.status == "undetermined" else ()
    return replace(
        report,
        reasons=(*report.reasons, *hints),
        looked_seconds=embedder.frames / FRAMES_PER_SECOND,
        detector=pipeline.detector.name if pipeline.detector else "given crop",
        weights=pipeline.loaded.weights.name,
        warnings=(*pipeline.notes, *pipeline.loaded.notes, *embedder.warnings),
    )


def _answer(
    path: str, embedder: "VideoEmbedder", options: DetectOptions, pipeline: Pipeline
) -> SyncReport:
    from avsync.pipeline import sampling

    info = embedder.info
    is_whole = options.thorough or not info.timeline.is_regular  # else places cannot be found
    if is_whole or not sampling.is_long(info.duration_seconds):
        return verdict(path, [embedder.look()], options, pipeline, embedder.collector)
    return _sampled(path, embedder, options, pipeline)


def _turned_answer(
    report: SyncReport, embedder: "VideoEmbedder", options: DetectOptions, pipeline: Pipeline
) -> SyncReport:
    """Where there is no answer, and a face seems to lie on its side: what it tells upright."""
    from avsync.faces.turning import turn_needed

    degrees = turn_needed(embedder.kept)
    if not degrees:
        return report
    embedder.turned_degrees, embedder.frames = degrees, 0
    again = _answer(report.path, embedder, options, pipeline)
    turned = f"turned by {degrees} degrees clockwise"
    if again.status == "ok" or not report.tracks:
        how = "stands on its head" if degrees == 180 else "lies on its side"
        embedder.warnings.append(f"the face {how}: the picture was looked at {turned}")
        return again
    return replace(report, reasons=(*report.reasons, f"{turned}, it tells no more"))


def verdict(
    path: str,
    looks: "Sequence[EmbeddedClip]",
    options: DetectOptions,
    pipeline: Pipeline,
    collector: "Collector | None" = None,
) -> SyncReport:
    """What is told by one or more looks at a file, in time."""
    from avsync.sync.verdict import SearchOptions, judge

    question = SearchOptions(
        options.max_offset_seconds, options.upstream_scoring, options.detect_changes
    )
    report = judge(path, looks, pipeline.loaded.calibration, question)
    if collector:
        collector.compared(looks, report)
    return report


def _sampled(
    path: str, embedder: "VideoEmbedder", options: DetectOptions, pipeline: Pipeline
) -> SyncReport:
    """What parts of a long file tell, as many as it takes; or all of it, where they disagree."""
    from avsync.pipeline import sampling

    seconds = embedder.info.duration_seconds or 0.0
    reach = sampling.reach_seconds(seconds, options.max_offset_seconds)
    alone = replace(options, upstream_scoring=False)
    seen: list[EmbeddedClip] = []
    looks: list[sampling.Look] = []
    report = SyncReport(path, "undetermined")
    for span in sampling.spans(seconds):
        seen.append(embedder.look(span, reach))
        looks.append(sampling.Look(span, verdict(path, seen[-1:], alone, pipeline)))
        if len(looks) >= sampling.FEWEST_LOOKS:
            in_time = sorted(seen, key=lambda one: one.first_frame)
            report = verdict(path, in_time, options, pipeline, embedder.collector)
        if sampling.disagree(looks) or sampling.detect_changes(report):
            return verdict(path, [embedder.look()], options, pipeline, embedder.collector)
        if sampling.suffice(looks, report, seconds):
            break
    return sampling.spread_over(report, seconds)
