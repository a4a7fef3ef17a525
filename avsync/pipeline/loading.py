"""Options of a measurement, and what is loaded once for any number of files.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from avsync.errors import ToolMissingError, UsageError
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import PathOrClip, open_recording
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from concurrent.futures import Future

    from avsync.faces.crops import CropGeometry
    from avsync.faces.detectors import FaceDetector
    from avsync.media.recording import Recording
    from avsync.model.batches import EmbeddingModel
    from avsync.model.weights import Weights
    from avsync.pipeline.details import Collector
    from avsync.pipeline.embedder import VideoEmbedder
    from avsync.report import SyncReport
    from avsync.sync.confidence import Calibration
    from avsync.tracks import EmbeddedClip


TURN_SECONDS = 1e-3  # of a thread, of Python's 5 ms; decoding a frame takes several turns

_is_own = Event()  # whether this process is avsync's own: see `take_over`


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """What takes a second to load: torch, and the network.

    Attributes
    ----------
    weights : Weights
        As they are named.
    calibration : Calibration
        Of confidence.
    network : EmbeddingModel
        What embeds.
    notes : tuple of str
        Warnings for every report.
    """

    weights: "Weights"
    calibration: "Calibration"
    network: "EmbeddingModel"
    notes: tuple[str, ...]


class Pipeline:
    """Weights and face detector, loaded once to measure any number of files.

    Parameters
    ----------
    options : DetectOptions, optional
        How files are to be looked at.
    progress : callable, optional
        Is told (what, done, total) while something is downloaded.
    threads : int, optional
        That may embed at once; all cores unless given.
    notes : sequence of str, optional
        Warnings for every report.

    Attributes
    ----------
    detector : FaceDetector or None
        None where the picture is a face crop already.
    geometry : CropGeometry
        How the network wants its crops.

    Raises
    ------
    AvsyncError
        Where detector or weights are not there. What takes long to load is waited for by the first
        file, and missed there.

    Examples
    --------
    >>> import avsync
    >>> pipeline = avsync.Pipeline(avsync.DetectOptions(faces="hog"))
    >>> pipeline.detect("docs/talking.mp4").status
    'ok'
    """

    def __init__(
        self,
        options: DetectOptions | None = None,
        *,
        progress: Progress = silent,
        threads: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        require_opencv()
        from concurrent.futures import ThreadPoolExecutor

        from avsync.faces.detectors import load_face_detector
        from avsync.model import weights
        from avsync.model.weights import geometry_of
        from avsync.system.resources import cores

        self.options = options or DetectOptions()
        self.geometry: CropGeometry = geometry_of(weights.find(self.options.weights))
        self.threads = threads or cores()
        loader = ThreadPoolExecutor(1, "load")  # goes on while the first file is looked at
        self._loading: Future[LoadedModel] = loader.submit(_load, self.options, self.threads)
        loader.shutdown(wait=False)
        said: list[str] = []
        self.detector: FaceDetector | None = None
        if not self.options.cropped:
            self.detector = load_face_detector(self.options.faces, progress, said)
        self.notes = (*notes, *said)

    @property
    def loaded(self) -> LoadedModel:
        """Waits for it. Raises AvsyncError where it cannot be had."""
        return self._loading.result()

    def detect(
        self,
        source: PathOrClip,
        *,
        progress: Progress = silent,
        collector: "Collector | None" = None,
    ) -> "SyncReport":
        """As `avsync.detect`, with these options and what is loaded already."""
        from avsync.pipeline.detect import detect

        return detect(source, self.options, pipeline=self, progress=progress, collector=collector)

    def embed(self, source: PathOrClip, *, progress: Progress = silent) -> "EmbeddedClip":
        """Embed every face and the sound of a file or clip, all of it.

        Parameters
        ----------
        source : path or Clip
            A file, an address, or arrays.
        progress : callable, optional
            Is told (what, done, total).

        Returns
        -------
        EmbeddedClip
            Tracks of one embedding for each window of 5 frames at 25 fps, and one of sound for each
            10 ms.

        Raises
        ------
        MediaError
            Where nothing can be decoded.
        """
        with open_recording(source, self.options) as recording:
            return embedder_of(recording, self, progress).look()


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
    _is_own.set()


def _load(options: DetectOptions, threads: int) -> LoadedModel:
    """Importing torch makes no garbage, which it takes a tenth of a second to look for."""
    if not _is_own.is_set():
        return _load_now(options, threads)
    gc.disable()
    try:
        return _load_now(options, threads)
    finally:
        gc.enable()


def _load_now(options: DetectOptions, threads: int) -> LoadedModel:
    from avsync.model import weights, weights_file
    from avsync.model.batches import EmbeddingModel
    from avsync.model.optimize import for_inference
    from avsync.sync.confidence import Calibration

    device = device_of(options.device)
    loaded = weights.load(options.weights, device)
    calibration, notes = loaded.calibration, []
    borrowed = not calibration
    if borrowed:
        calibration = weights_file.read_header(weights.find("default"))["calibration"]
        notes.append("confidence is calibrated for the default weights, not for these")
    if options.upstream_scoring and loaded.sha256 != weights.SYNCNET_V2.sha256:
        notes.append(
            f"LSE-D and LSE-C of {loaded.name} weights are not on SyncNet's scale: compare them "
            "with none that were published; those of --weights syncnet_v2 are"
        )
    network = EmbeddingModel(for_inference(loaded.streams), device, threads)
    return LoadedModel(loaded, Calibration.of(calibration, borrowed), network, tuple(notes))


def embedder_of(recording: "Recording", pipeline: Pipeline, progress: Progress) -> "VideoEmbedder":
    """What looks at a recording with these tools. Raises MediaError."""
    from avsync.pipeline.embedder import VideoEmbedder

    def network() -> "EmbeddingModel":
        return pipeline.loaded.network

    return VideoEmbedder.of(
        recording, pipeline.detector, pipeline.geometry, network, pipeline.threads, progress
    )


def device_of(wanted: str) -> str:
    """`cpu` or `cuda`; raises UsageError for a device that is not there."""
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError("not here; choose auto or cpu", "device", wanted)
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
