"""The chain: a file or clip and options become a report.

    file -> frames -> face tracks -> crops -> video embeddings --\\
         -> samples -> MFCC -> audio embeddings ------------------ distances -> offset -> report

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from avsync.pipeline.loading import Pipeline, embedder_of, require_opencv
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import PathOrClip, audio_of, name_of, open_recording
from avsync.report import SyncReport
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from avsync.pipeline.details import Collector
    from avsync.pipeline.embedder import VideoEmbedder
    from avsync.tracks import EmbeddedClip

T = TypeVar("T")


def detect(
    source: PathOrClip,
    options: DetectOptions | None = None,
    *,
    pipeline: Pipeline | None = None,
    progress: Progress = silent,
    collector: "Collector | None" = None,
) -> SyncReport:
    """Find by how many milliseconds the sound of a talking-face video is out of step.

    Parameters
    ----------
    source : path or Clip
        A file, an address (http and the like), or arrays.
    options : DetectOptions, optional
        How to look at it.
    pipeline : Pipeline, optional
        Made with the same options: saves loading weights and detector again for every file.
    progress : callable, optional
        Is told (what, done, total).
    collector : Collector, optional
        Keeps what can be shown of the answer: see `avsync.pipeline.details`.

    Returns
    -------
    SyncReport
        Undetermined, with reasons and candidates, where the file does not allow an answer.

    Raises
    ------
    AvsyncError
        Where it cannot be read at all, or weights or detector cannot be had.

    Examples
    --------
    >>> import avsync
    >>> report = avsync.detect("docs/talking.mp4")
    >>> report.status, round(report.offset_ms, -1)
    ('ok', -120.0)
    """
    require_opencv()
    options = options or (pipeline.options if pipeline else DetectOptions())
    with open_recording(source, options) as recording:
        pipeline = pipeline or Pipeline(options, progress=progress)
        embedder = embedder_of(recording, pipeline, progress)
        embedder.collector = collector
        _, report = _best_way_up(
            lambda: (None, _answer(name_of(source), embedder, options, pipeline)), embedder
        )
    if collector:
        collector.finish(report)
    hints = recording.alternatives if report.status == "undetermined" else ()
    report = _with_circumstances(report, hints, embedder, pipeline)
    report = replace(report, audio=audio_of(source, options))
    log_warnings(report)
    return report


def _with_circumstances(
    report: SyncReport, hints: tuple[str, ...], embedder: "VideoEmbedder", pipeline: Pipeline
) -> SyncReport:
    return replace(
        report,
        reasons=(*report.reasons, *hints),
        looked_seconds=embedder.frames / FRAMES_PER_SECOND,
        detector=pipeline.detector.name if pipeline.detector else "given crop",
        weights=pipeline.loaded.weights.name,
        runtime=embedder.network().runtime.name,
        warnings=(*pipeline.loaded.notes, *embedder.warnings),
    )


def log_warnings(report: SyncReport) -> None:
    """Warnings stand in the report, and go to the logger `avsync`, for programs that listen."""
    for warning in report.warnings:
        logging.getLogger("avsync").warning("%s: %s", report.path, warning)


def _answer(
    path: str, embedder: "VideoEmbedder", options: DetectOptions, pipeline: Pipeline
) -> SyncReport:
    from avsync.pipeline import sampling

    recording = embedder.recording
    is_whole = options.thorough or not recording.is_seekable
    if is_whole or not sampling.is_long(recording.duration_seconds):
        return verdict(path, [embedder.look()], options, pipeline, embedder.collector)
    return _sampled(path, embedder, options, pipeline)


def look_at_all(
    path: str, embedder: "VideoEmbedder", options: DetectOptions, pipeline: Pipeline
) -> "tuple[EmbeddedClip, SyncReport]":
    """A film from end to end, turned where a face lies on its side; and what it tells."""

    def look() -> "tuple[EmbeddedClip, SyncReport]":
        seen = embedder.look()
        return seen, verdict(path, [seen], options, pipeline)

    return _best_way_up(look, embedder)


def _best_way_up(
    look: Callable[[], tuple[T, SyncReport]], embedder: "VideoEmbedder"
) -> tuple[T, SyncReport]:
    """A look and what it tells; one at turned pictures, where a face seems to lie on its side."""
    from avsync.faces.turning import turn_needed

    seen, report = look()
    if report.status == "ok" or not embedder.detector:
        return seen, report
    if not (degrees := turn_needed(embedder.kept)):
        return seen, report
    embedder.turned_degrees, embedder.frames = degrees, 0
    upright, again = look()
    turned = f"turned by {degrees} degrees clockwise"
    if again.status == "ok" or not report.tracks:
        how = "stands on its head" if degrees == 180 else "lies on its side"
        embedder.warnings.append(f"the face {how}: the picture was looked at {turned}")
        return upright, again
    embedder.turned_degrees = 0
    return seen, replace(report, reasons=(*report.reasons, f"{turned}, it tells no more"))


def verdict(
    path: str,
    looks: "Sequence[EmbeddedClip]",
    options: DetectOptions,
    pipeline: Pipeline,
    collector: "Collector | None" = None,
) -> SyncReport:
    """What is told by one or more looks at a file, in time."""
    from avsync.sync.verdict import SearchOptions, reach_verdict

    question = SearchOptions(
        options.max_offset_seconds,
        options.upstream_scoring,
        options.detect_changes,
        options.accept,
    )
    report = reach_verdict(path, looks, pipeline.loaded.calibration, question)
    if collector:
        collector.compared(looks, report)
    return report


def _sampled(
    path: str, embedder: "VideoEmbedder", options: DetectOptions, pipeline: Pipeline
) -> SyncReport:
    """What parts of a long file tell, as many as it takes; or all of it, where they disagree."""
    from avsync.pipeline import sampling

    seconds = embedder.recording.duration_seconds or 0.0
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
