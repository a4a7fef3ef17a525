"""How a file is to be looked at."""

from dataclasses import dataclass, fields
from typing import Any

from avsync.errors import UsageError
from avsync.tolerance import ACCEPT

DEVICES = ("auto", "cpu", "cuda")
RUNTIMES = ("auto", "torch", "onnx")
MOST_SECONDS = 3600.0  # that are searched to either side

INDECISIVE = (
    "device",
    "runtime",
    "weights",
)  # options: answers hold for any device, and a file's checksum


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How to look at a file, and what counts as an answer.

    Attributes
    ----------
    max_offset_seconds : float
        Search range to either side, 0.1 to 3600.
    faces : str
        Face detector: auto, yunet, sfd, blazeface, retinaface or hog.
    cropped : bool
        The picture is a face crop already, cut as SyncNet's pipeline does.
    weights : str
        default, syncnet_v2, or the path of a weights file.
    upstream_scoring : bool
        Also report LSE-D, LSE-C and the offset as SyncNet does.
    device : str
        auto, cpu or cuda.
    runtime : str
        What the network runs on: torch, onnx, or auto, which is onnx where that answers sooner: on
        a processor, for films of a minute at most. Answers are the same to a millisecond.
    audio : str or None
        File that the sound is in, from whose beginning it counts as the picture does from its own;
        or a folder with one of the picture's name. None: the picture's file.
    audio_track, video_track : int or None
        Track that is heard, or looked at; 1 is the first, None the file's default. Cover pictures
        do not count.
    detect_changes : bool
        Drift and jumps of the offset are looked for, too.
    thorough : bool
        Files of more than three minutes are looked at from end to end.
    accept : float
        Confidence from which on an offset is an answer, 0 to 1. Below 0.9 answers are more often
        wrong than right ones are missed; `SyncReport.candidates` are given in any case.

    Raises
    ------
    UsageError
        Where a value makes no sense.

    Examples
    --------
    >>> DetectOptions(max_offset_seconds=5.0).max_offset_seconds
    5.0
    >>> DetectOptions(device="tpu")
    Traceback (most recent call last):
        ...
    avsync.errors.UsageError: device=tpu: unknown; choose auto, cpu, cuda
    """

    max_offset_seconds: float = 1.0
    faces: str = "auto"
    cropped: bool = False
    weights: str = "default"
    upstream_scoring: bool = False
    device: str = "auto"
    runtime: str = "auto"
    audio: str | None = None
    audio_track: int | None = None
    video_track: int | None = None
    detect_changes: bool = True
    thorough: bool = False
    accept: float = ACCEPT

    def __post_init__(self) -> None:
        from avsync.faces.detectors import meant_by

        if not 0.1 <= self.max_offset_seconds <= MOST_SECONDS:
            why = f"between 0.1 and {MOST_SECONDS:g} s"
            raise UsageError(why, "max_offset_seconds", self.max_offset_seconds)
        meant_by(self.faces)
        if not self.weights:
            raise UsageError("empty; name default, syncnet_v2 or a weights file", "weights", "")
        if self.device not in DEVICES:
            raise UsageError(f"unknown; choose {', '.join(DEVICES)}", "device", self.device)
        if self.runtime not in RUNTIMES:
            raise UsageError(f"unknown; choose {', '.join(RUNTIMES)}", "runtime", self.runtime)
        if self.audio == "":
            raise UsageError("empty; name a file, or a folder of files", "audio", "")
        check_track("audio_track", self.audio_track)
        check_track("video_track", self.video_track)
        if not 0 <= self.accept <= 1:
            raise UsageError("a confidence, between 0 and 1", "accept", self.accept)

    @property
    def cache_key(self) -> dict[str, Any]:
        """What has a say in an answer, besides the file and what is in the weights."""
        names = (field.name for field in fields(self))
        return {name: getattr(self, name) for name in names if name not in INDECISIVE}


def check_track(field: str, number: int | None) -> None:
    """Raise UsageError for a track that no file has."""
    if number is not None and number < 1:
        raise UsageError("tracks count from 1", field, number)
