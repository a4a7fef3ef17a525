"""What is loaded once for any number of files.

Heavy imports happen inside the functions, so that naming this module costs nothing.
"""

import gc
import sys
from threading import Event, Lock
from typing import TYPE_CHECKING

from avsync.errors import ToolMissingError
from avsync.pipeline.models import LoadedModel, load_model
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import PathOrClip, open_recording
from avsync.system.progress import Progress, silent

if TYPE_CHECKING:
    from concurrent.futures import Future

    from avsync.faces.crops import CropGeometry
    from avsync.faces.detectors import FaceDetector
    from avsync.media.recording import Recording
    from avsync.model.batches import EmbeddingModel
    from avsync.model.config import ModelConfig
    from avsync.model.runtimes import RuntimeName
    from avsync.pipeline.details import Collector
    from avsync.pipeline.embedder import VideoEmbedder
    from avsync.report import SyncReport
    from avsync.tracks import EmbeddedClip


TURN_SECONDS = 1e-3  # of a thread, of Python's 5 ms; decoding a frame takes several turns

_is_own = Event()  # whether this process is avsync's own: see `take_over`


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
    >>> pipeline = avsync.Pipeline()
    >>> pipeline.detect("docs/talking.mp4").status
    'ok'
    """

    def __init__(
        self,
        options: DetectOptions | None = None,
        *,
        progress: Progress = silent,
        threads: int | None = None,
    ) -> None:
        require_opencv()
        from avsync.faces.detectors import load_face_detector
        from avsync.model import weights
        from avsync.system.resources import cores

        self.options = options or DetectOptions()
        self._config: ModelConfig = weights.config_of(weights.find(self.options.weights))
        self.geometry: CropGeometry = self._config.geometry
        self.threads = threads or cores()
        self._loading: dict[RuntimeName, Future[LoadedModel]] = {}
        self._lock = Lock()  # of what is being loaded
        self.load_for(0.0)  # what short films need; torch, where nothing else will do
        self.detector: FaceDetector | None = None
        if not self.options.cropped:
            self.detector = load_face_detector(self.options.faces, progress)

    @property
    def loaded(self) -> LoadedModel:
        """Weights and what they say, on whichever runtime was loaded first; waits for it.

        Raises AvsyncError where they cannot be had.
        """
        with self._lock:
            first = next(iter(self._loading.values()))
        return first.result()

    def load_for(self, film_seconds: float | None) -> "Future[LoadedModel]":
        """Begin to load what measures a film of that length best, unless that is done."""
        from concurrent.futures import ThreadPoolExecutor

        from avsync.model.runtimes import choose

        options = self.options
        runtime = choose(options.runtime, self._config, options.device, film_seconds)
        with self._lock:
            if runtime not in self._loading:
                loader = ThreadPoolExecutor(1, "load")  # goes on while a file is looked at
                self._loading[runtime] = loader.submit(_load, options, self.threads, runtime)
                loader.shutdown(wait=False)
            return self._loading[runtime]

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


def _load(options: DetectOptions, threads: int, runtime: "RuntimeName") -> LoadedModel:
    """Importing torch makes no garbage, which it takes a tenth of a second to look for."""
    if not _is_own.is_set():
        return load_model(options, threads, runtime)
    gc.disable()
    try:
        return load_model(options, threads, runtime)
    finally:
        gc.enable()


def embedder_of(recording: "Recording", pipeline: Pipeline, progress: Progress) -> "VideoEmbedder":
    """What looks at a recording with these tools. Raises MediaError."""
    from avsync.pipeline.embedder import VideoEmbedder

    loading = pipeline.load_for(recording.duration_seconds)

    def network() -> "EmbeddingModel":
        return loading.result().network

    return VideoEmbedder.of(
        recording, pipeline.detector, pipeline.geometry, network, pipeline.threads, progress
    )


def require_opencv() -> None:
    """OpenCV's usual wheel wants two system libraries that slim machines lack."""
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise ToolMissingError(
            f"OpenCV cannot be loaded ({error}): apt install libgl1 libglib2.0-0, "
            "or replace the package opencv-python by opencv-python-headless"
        ) from error
