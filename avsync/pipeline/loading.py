"""Options of a measurement, and what is loaded once for any number of files.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from avsync.errors import ToolMissingError, UsageError
from avsync.pipeline.options import DetectOptions
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from concurrent.futures import Future

    from avsync.faces.crops import CropGeometry
    from avsync.faces.detectors import FaceDetector
    from avsync.media.probe import MediaInfo
    from avsync.model.embed import EmbeddingModel
    from avsync.model.weights import Weights
    from avsync.pipeline.embedder import VideoEmbedder
    from avsync.sync.confidence import Calibration


TURN_SECONDS = 1e-3  # of a thread, of Python's 5 ms; decoding a frame takes several turns
OBJECTS_BEFORE_COLLECTING = 50_000  # of Python's 700; importing torch makes no garbage to speak of


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What takes a second to load: torch, and the network."""

    weights: "Weights"
    calibration: "Calibration"
    network: "EmbeddingModel"
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is loaded once for any number of files; made by `load_pipeline`."""

    detector: "FaceDetector | None"  # None: the picture is a face crop already
    geometry: "CropGeometry"
    threads: int  # that may embed at once
    notes: tuple[str, ...]  # for every report
    loading: "Future[LoadedModel]"  # goes on while the first file is looked at

    @property
    def loaded(self) -> LoadedModel:
        """Waits for it. Raises AvsyncError where it cannot be had."""
        return self.loading.result()


def take_over(threads: int | None = None) -> None:
    """Set this process up for measuring files: one that is avsync's own, before tools are opened.

    `threads`: how many of all kinds may be busy at once.
    """
    require_opencv()
    import cv2

    from avsync.media import ffmpeg
    from avsync.system.resources import cores

    # Decoding, finding faces and embedding go on at once: the threads of each would be in the
    # others' way, and OpenCV's wait busily.
    each = max(1, (threads or cores()) // 2)
    cv2.setNumThreads(each)
    ffmpeg.use_threads(each)
    # Libraries are loaded, and pictures looked at, by threads that hold each other up.
    sys.setswitchinterval(TURN_SECONDS)
    gc.set_threshold(OBJECTS_BEFORE_COLLECTING)


def load_pipeline(
    options: DetectOptions, progress: Progress = silent, threads: int | None = None
) -> Pipeline:
    """Open the face finder, and begin to load the weights that the options ask for.

    Raises AvsyncError where they cannot be had, or `Pipeline.loaded` does.
    """
    require_opencv()
    from concurrent.futures import ThreadPoolExecutor

    from avsync.faces.detectors import load_face_detector
    from avsync.model import weights
    from avsync.model.weights import geometry_of
    from avsync.system.resources import cores

    geometry = geometry_of(weights.find(options.weights))
    threads = threads or cores()
    loader = ThreadPoolExecutor(1, "load")
    loading = loader.submit(_load, options, threads)
    loader.shutdown(wait=False)
    notes: list[str] = []
    detector = None if options.cropped else load_face_detector(options.faces, progress, notes)
    return Pipeline(detector, geometry, threads, tuple(notes), loading)


def _load(options: DetectOptions, threads: int) -> LoadedModel:
    from avsync.model import weights
    from avsync.model.embed import EmbeddingModel
    from avsync.model.optimize import for_inference
    from avsync.sync.confidence import Calibration

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
    network = EmbeddingModel(for_inference(loaded.streams), device, threads)
    return LoadedModel(loaded, Calibration.of(calibration, borrowed), network, tuple(notes))


def embedder_of(info: "MediaInfo", pipeline: Pipeline, progress: Progress) -> "VideoEmbedder":
    """What looks at a file with these tools. Raises MediaError."""
    from avsync.pipeline.embedder import VideoEmbedder

    def network() -> "EmbeddingModel":
        return pipeline.loaded.network

    return VideoEmbedder.of(
        info, pipeline.detector, pipeline.geometry, network, pipeline.threads, progress
    )


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
