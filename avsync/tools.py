"""Options of a measurement, and what is loaded once for any number of files.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import gc
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from avsync.downloads import Progress, silent
from avsync.errors import ToolMissingError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from avsync.confidence import Calibration
    from avsync.detectors import FaceFinder
    from avsync.embeddings import Network
    from avsync.features import CropGeometry
    from avsync.looking import Onlooker
    from avsync.media import MediaInfo
    from avsync.weights import Weights


DEVICES = ("auto", "cpu", "cuda")
INDECISIVE = ("device", "weights")  # options: answers hold for any device, and a file's checksum
TURN_SECONDS = 1e-3  # of a thread, of Python's 5 ms; decoding a frame takes several turns
OBJECTS_BEFORE_COLLECTING = 50_000  # of Python's 700; importing torch makes no garbage to speak of


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to look at a file."""

    max_offset_seconds: float = 1.0  # search range to either side
    faces: str = "auto"  # detector
    cropped: bool = False  # the picture is a face crop already, cut as SyncNet's pipeline does
    weights: str = "default"  # default, syncnet_v2 or a path
    upstream_scoring: bool = False  # also report LSE-D, LSE-C and the offset as SyncNet does
    device: str = "auto"  # auto, cpu, cuda
    audio_track: int | None = None  # that is heard; 1 is the first, None the file's default
    video_track: int | None = None  # that is looked at, likewise; cover pictures do not count
    varies: bool = True  # drift and steps are looked for, too
    thorough: bool = False  # long files are looked at from end to end

    def __post_init__(self) -> None:
        from avsync.detectors import check_name

        if not 0.1 <= self.max_offset_seconds <= 3600:
            raise UsageError(f"--max-offset {self.max_offset_seconds:g}: between 0.1 and 3600 s")
        check_name(self.faces)
        if not self.weights:
            raise UsageError("--weights: empty; name default, syncnet_v2 or a weights file")
        if self.device not in DEVICES:
            raise UsageError(f"--device {self.device}: unknown; choose {', '.join(DEVICES)}")
        for option, track in ("audio", self.audio_track), ("video", self.video_track):
            if track is not None and track < 1:
                raise UsageError(f"--{option}-track {track}: tracks count from 1")

    @property
    def decisive(self) -> dict[str, Any]:
        """What has a say in an answer, besides the file and what is in the weights."""
        names = (field.name for field in fields(self))
        return {name: getattr(self, name) for name in names if name not in INDECISIVE}


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


def take_over(threads: int | None = None) -> None:
    """Set this process up for measuring files: one that is avsync's own, before tools are opened.

    `threads`: how many of all kinds may be busy at once.
    """
    require_opencv()
    import cv2

    from avsync import ffmpeg
    from avsync.resources import cores

    # Decoding, finding faces and embedding go on at once: the threads of each would be in the
    # others' way, and OpenCV's wait busily.
    each = max(1, (threads or cores()) // 2)
    cv2.setNumThreads(each)
    ffmpeg.use_threads(each)
    # Libraries are loaded, and pictures looked at, by threads that hold each other up.
    sys.setswitchinterval(TURN_SECONDS)
    gc.set_threshold(OBJECTS_BEFORE_COLLECTING)


def open_tools(
    options: DetectOptions, progress: Progress = silent, threads: int | None = None
) -> Tools:
    """Open the face finder, and begin to load the weights that the options ask for.

    Raises AvsyncError where they cannot be had, or `Tools.loaded` does.
    """
    require_opencv()
    from concurrent.futures import ThreadPoolExecutor

    from avsync import weights
    from avsync.detectors import open_finder
    from avsync.looking import geometry_of
    from avsync.resources import cores

    geometry = geometry_of(weights.find(options.weights))
    threads = threads or cores()
    loader = ThreadPoolExecutor(1, "load")
    loading = loader.submit(_load, options, threads)
    loader.shutdown(wait=False)
    notes: list[str] = []
    finder = None if options.cropped else open_finder(options.faces, progress, notes)
    return Tools(finder, geometry, threads, tuple(notes), loading)


def _load(options: DetectOptions, threads: int) -> Loaded:
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
    if options.upstream_scoring and loaded.sha256 != weights.SYNCNET_V2.sha256:
        notes.append(
            f"LSE-D and LSE-C of {loaded.name} weights are not on SyncNet's scale: compare them "
            "with none that were published; those of --weights syncnet_v2 are"
        )
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
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"--device {wanted}: not here; choose auto or cpu")
    return wanted


def require_opencv() -> None:
    """OpenCV's usual wheel wants two system libraries that slim machines lack."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise ToolMissingError(
            f"OpenCV cannot be loaded ({error}): apt install libgl1 libglib2.0-0, "
            "or replace the package opencv-python by opencv-python-headless"
        ) from error
