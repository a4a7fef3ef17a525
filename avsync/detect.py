"""The chain: a path and options become a report.

    file -> frames -> face tracks -> crops -> video embeddings --\\
         -> samples -> MFCC -> audio embeddings ------------------ distances -> offset -> report

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, MediaError
from avsync.inputs import at_hand, passes_by
from avsync.report import SyncReport
from avsync.timebase import FRAMES_PER_SECOND
from avsync.tools import DetectOptions, Tools, onlooker_of, open_tools, require_opencv, take_over

if TYPE_CHECKING:
    from avsync.looking import Onlooker
    from avsync.speakers import Seen


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
    from avsync import media
    from avsync.doubts import other_tracks

    options = options or DetectOptions()
    with at_hand(path) as place:
        info = media.probe(place, options.audio_track, options.video_track)
        info.require_both()
        tools = tools or open_tools(options, progress)
        onlooker = onlooker_of(info, tools, progress)
        report = _answer(os.fspath(path), onlooker, options, tools)
        if report.status == "undetermined" and tools.finder:
            report = _turned_answer(report, onlooker, options, tools)
    hints = other_tracks(info) if report.status == "undetermined" else ()
    return replace(
        report,
        reasons=(*report.reasons, *hints),
        looked_seconds=onlooker.frames / FRAMES_PER_SECOND,
        detector=tools.finder.name if tools.finder else "given crop",
        weights=tools.loaded.weights.name,
        warnings=(*tools.notes, *tools.loaded.notes, *onlooker.warnings),
    )


def _answer(path: str, onlooker: "Onlooker", options: DetectOptions, tools: Tools) -> SyncReport:
    from avsync import sampling

    if options.thorough or not sampling.is_long(onlooker.info.duration_seconds):
        return verdict(path, [onlooker.look()], options, tools)
    return _sampled(path, onlooker, options, tools)


def _turned_answer(
    report: SyncReport, onlooker: "Onlooker", options: DetectOptions, tools: Tools
) -> SyncReport:
    """Where there is no answer, and a face seems to lie on its side: what it tells upright."""
    from avsync.turning import turn_needed

    degrees = turn_needed(onlooker.kept)
    if not degrees:
        return report
    onlooker.turned_degrees, onlooker.frames = degrees, 0
    again = _answer(report.path, onlooker, options, tools)
    turned = f"turned by {degrees} degrees clockwise"
    if again.status == "ok" or not report.tracks:
        how = "stands on its head" if degrees == 180 else "lies on its side"
        onlooker.warnings.append(f"the face {how}: the picture was looked at {turned}")
        return again
    return replace(report, reasons=(*report.reasons, f"{turned}, it tells no more"))


def verdict(path: str, looks: "Sequence[Seen]", options: DetectOptions, tools: Tools) -> SyncReport:
    """What is told by one or more looks at a file, in time."""
    from avsync.judge import Question, judge

    question = Question(options.max_offset_seconds, options.upstream_scoring, options.varies)
    return judge(path, looks, tools.loaded.calibration, question)


def _sampled(path: str, onlooker: "Onlooker", options: DetectOptions, tools: Tools) -> SyncReport:
    """What parts of a long file tell, as many as it takes; or all of it, where they disagree."""
    from avsync import sampling

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


def try_detect(
    path: str,
    options: DetectOptions,
    tools: Tools,
    progress: Progress = silent,
    *,
    alone: bool = False,
) -> SyncReport:
    """As `detect`; whatever goes wrong with the file becomes a report of status `error`.

    Unless it is `alone`, a pipe is refused: of those in folders, many are never written to.
    """
    try:
        if passes_by(path) and not alone:
            raise MediaError(f"{path}: not a regular file; a pipe is read alone only")
        return detect(path, options, tools=tools, progress=progress)
    except AvsyncError as error:
        why = str(error)
    except Exception as error:  # a file that finds a fault in some library must not stop the others
        words = " ".join(str(error).split())
        why = f"{path}: unexpected {type(error).__name__}: {words}; please report it with the file"
    return SyncReport(path, "error", reasons=(why,))


def open_measure(
    options: DetectOptions, notes: tuple[str, ...], threads: int
) -> Callable[[str], SyncReport]:
    """Load the tools once, in a process that does nothing but measure files on so many threads.

    `notes` go into every report. Raises AvsyncError where the tools cannot be had.
    """
    take_over(threads)
    tools = open_tools(options, threads=threads)
    _ = tools.loaded  # what cannot be had is said now
    tools = replace(tools, notes=(*notes, *tools.notes))
    return partial(try_detect, options=options, tools=tools)
