"""The chain: a path and options become a report.

    file -> frames -> face tracks -> crops -> video embeddings --\\
         -> samples -> MFCC -> audio embeddings ------------------ distances -> offset -> report

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from avsync.downloads import Progress, silent
from avsync.errors import AvsyncError, ToolMissingError, UsageError
from avsync.report import SyncReport
from avsync.timebase import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from concurrent.futures import Future

    from avsync.confidence import Calibration
    from avsync.detectors import FaceFinder
    from avsync.embeddings import Network
    from avsync.features import CropGeometry
    from avsync.looking import Onlooker
    from avsync.media import MediaInfo
    from avsync.speakers import Seen
    from avsync.weights import Weights


DEVICES = ("auto", "cpu", "cuda")
LOADING_TURN_SECONDS = 1e-3  # of Python's 5 ms; decoding a frame takes several turns


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to look at a file."""

    max_offset_seconds: float = 1.0  # search range to either side
    faces: str = "auto"  # detector
    cropped: bool = False  # the picture is a face crop already, cut as SyncNet's pipeline does
    weights: str = "default"  # default, syncnet_v2 or a path
    upstream_scoring: bool = False  # also report LSE-D, LSE-C and the offset as SyncNet does
    device: str = "auto"  # auto, cpu, cuda
    audio_track: int = 1  # which of the sound tracks is heard
    varies: bool = True  # drift and steps are looked for, too
    thorough: bool = False  # long files are looked at from end to end

    def __post_init__(self) -> None:
        if not 0.1 <= self.max_offset_seconds <= 3600:
            raise UsageError(f"--max-offset {self.max_offset_seconds:g}: between 0.1 and 3600 s")

    @property
    def decisive(self) -> dict[str, Any]:
        """What has a say in an answer, besides the file and the weights."""
        return {
            "max_offset_seconds": self.max_offset_seconds,
            "faces": self.faces,
            "cropped": self.cropped,
            "upstream_scoring": self.upstream_scoring,
            "thorough": self.thorough,
        }


@dataclass(frozen=True, slots=True)
class Loaded:
    """What takes a second to load: torch, and the network."""

    weights: "Weights"
    calibration: "Calibration"
    network: "Network"
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tools:
    """What is loaded once for any number of files; made by `open_tools`."""

    finder: "FaceFinder | None"  # None: the picture is a face crop already
    geometry: "CropGeometry"
    threads: int  # that may embed at once
    notes: tuple[str, ...]  # for every report
    loading: "Future[Loaded]"  # goes on while the first file is looked at

    @property
    def loaded(self) -> Loaded:
        """Waits for it. Raises AvsyncError where it cannot be had."""
        return self.loading.result()


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
    _require_opencv()
    from avsync import media, sampling

    options = options or DetectOptions()
    info = media.probe(path, options.audio_track)
    info.require_both()
    tools = tools or open_tools(options, progress)
    onlooker = onlooker_of(info, tools, progress)
    name = os.fspath(path)
    if options.thorough or not sampling.is_long(info.duration_seconds):
        report = verdict(name, [onlooker.look()], options, tools)
    else:
        report = _sampled(name, onlooker, options, tools)
    return replace(
        report,
        looked_seconds=onlooker.frames / FRAMES_PER_SECOND,
        detector=tools.finder.name if tools.finder else "given crop",
        weights=tools.loaded.weights.name,
        warnings=(*tools.notes, *tools.loaded.notes, *onlooker.warnings),
    )


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
    path: str, options: DetectOptions, tools: Tools, progress: Progress = silent
) -> SyncReport:
    """As `detect`; whatever goes wrong with the file becomes a report of status `error`."""
    try:
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
    """Load the tools once, for a process that measures many files on so many threads.

    `notes` go into every report. Raises AvsyncError where the tools cannot be had.
    """
    tools = open_tools(options, threads=threads)
    _ = tools.loaded  # what cannot be had is said now
    tools = replace(tools, notes=(*notes, *tools.notes))
    return partial(try_detect, options=options, tools=tools)


def open_tools(
    options: DetectOptions, progress: Progress = silent, threads: int | None = None
) -> Tools:
    """Open the face finder, and begin to load the weights that the options ask for.

    Raises AvsyncError where they cannot be had, or `Tools.loaded` does.
    """
    _require_opencv()
    from concurrent.futures import ThreadPoolExecutor

    import cv2

    from avsync import ffmpeg, weights
    from avsync.detectors import open_finder
    from avsync.looking import geometry_of
    from avsync.resources import cores

    if options.device not in DEVICES:
        raise UsageError(f"--device {options.device}: not here; choose auto or cpu")
    geometry = geometry_of(weights.find(options.weights))
    threads = threads or cores()
    # Decoding, finding faces and embedding go on at once: the threads of each would be in the
    # others' way, and OpenCV's wait busily.
    cv2.setNumThreads(max(1, threads // 2))
    ffmpeg.use_threads(max(1, threads // 2))
    loader = ThreadPoolExecutor(1, "load")
    loading = loader.submit(_load, options, threads)
    loader.shutdown(wait=False)
    notes: list[str] = []
    finder = None if options.cropped else open_finder(options.faces, progress, notes)
    return Tools(finder, geometry, threads, tuple(notes), loading)


def _load(options: DetectOptions, threads: int) -> Loaded:
    """Importing torch makes no garbage to speak of; other threads, who look at the file, go on."""
    interval, collects = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(LOADING_TURN_SECONDS)
    gc.disable()
    try:
        return _load_now(options, threads)
    finally:
        sys.setswitchinterval(interval)
        if collects:
            gc.enable()


def _load_now(options: DetectOptions, threads: int) -> Loaded:
    from avsync import weights
    from avsync.confidence import Calibration
    from avsync.embeddings import Network
    from avsync.fast import arranged

    device = device_of(options.device)
    loaded = weights.load(options.weights, device)
    calibration, notes = loaded.calibration, []
    borrowed = not calibration
    if borrowed:
        calibration = weights.read_header(weights.find("default"))["calibration"]
        notes.append("confidence is calibrated for the default weights, not for these")
    network = Network(arranged(loaded.streams), device, threads)
    return Loaded(loaded, Calibration.of(calibration, borrowed), network, tuple(notes))


def onlooker_of(info: "MediaInfo", tools: Tools, progress: Progress) -> "Onlooker":
    """What looks at a file with these tools. Raises MediaError."""
    from avsync.looking import Onlooker

    def network() -> "Network":
        return tools.loaded.network

    return Onlooker.of(info, tools.finder, tools.geometry, network, tools.threads, progress)


def device_of(wanted: str) -> str:
    """`cpu` or `cuda`; raises UsageError for a device that is not there."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted not in DEVICES or (wanted == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"--device {wanted}: not here; choose auto or cpu")
    return wanted


def _require_opencv() -> None:
    """OpenCV's usual wheel wants two system libraries that slim machines lack."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise ToolMissingError(
            f"OpenCV cannot be loaded ({error}): apt install libgl1 libglib2.0-0, "
            "or replace the package opencv-python by opencv-python-headless"
        ) from error
