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
from avsync.pipeline.loading import Tools, onlooker_of, open_tools, require_opencv
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.progress import Progress, silent
from avsync.timebase import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from avsync.pipeline.embedder import Onlooker
    from avsync.tracks import Seen


def detect(
    path: str | os.PathLike[str],
    options: DetectOptions | None = None,
    *,
    tools: Tools | None = None,
    progress: Progress = silent,
) -> SyncReport:
    """Find by how many milliseconds the sound of a talking-face video is out of step.

    `tools`, opened with the same options, saves loading them again for every file. Returns a
    report, `undetermined` where the file does not allow an answer. Raises an `AvsyncError` where
    it cannot be read at all.
    """
    require_opencv()
    from avsync.media.probe import probe
    from avsync.pipeline import sampling
    from avsync.sync.reasons import other_tracks

    options = options or DetectOptions()
    with at_hand(path) as place:
        info = probe(place, options.audio_track, options.video_track)
        info.require_both()
        tools = tools or open_tools(options, progress)
        onlooker = onlooker_of(info, tools, progress)
        name = os.fspath(path)
        is_whole = options.thorough or not info.timeline.is_regular  # else places cannot be found
        if is_whole or not sampling.is_long(info.duration_seconds):
            report = verdict(name, [onlooker.look()], options, tools)
        else:
            report = _sampled(name, onlooker, options, tools)
    hints = other_tracks(info) if report.status == "undetermined" else ()
    return replace(
        report,
        reasons=(*report.reasons, *hints),
        looked_seconds=onlooker.frames / FRAMES_PER_SECOND,
        detector=tools.finder.name if tools.finder else "given crop",
        weights=tools.loaded.weights.name,
        warnings=(*tools.notes, *tools.loaded.notes, *onlooker.warnings),
    )


def verdict(path: str, looks: "Sequence[Seen]", options: DetectOptions, tools: Tools) -> SyncReport:
    """What is told by one or more looks at a file, in time."""
    from avsync.sync.verdict import Question, judge

    question = Question(options.max_offset_seconds, options.upstream_scoring, options.varies)
    return judge(path, looks, tools.loaded.calibration, question)


def _sampled(path: str, onlooker: "Onlooker", options: DetectOptions, tools: Tools) -> SyncReport:
    """What parts of a long file tell, as many as it takes; or all of it, where they disagree."""
    from avsync.pipeline import sampling

    seconds = onlooker.info.duration_seconds or 0.0
    reach = sampling.reach_seconds(seconds, options.max_offset_seconds)
    alone = replace(options, upstream_scoring=False)
    seen: list[Seen] = []
    looks: list[sampling.Look] = []
    report = SyncReport(path, "undetermined")
    for span in sampling.spans(seconds):
        seen.append(onlooker.look(span, reach))
        looks.append(sampling.Look(span, verdict(path, seen[-1:], alone, tools)))
        if len(looks) >= sampling.FEWEST_LOOKS:
            report = verdict(path, sorted(seen, key=lambda one: one.first_frame), options, tools)
        if sampling.disagree(looks) or sampling.varies(report):
            return verdict(path, [onlooker.look()], options, tools)
        if sampling.suffice(looks, report, seconds):
            break
    return sampling.spread_over(report, seconds)
