"""How a file is to be looked at."""

from dataclasses import dataclass, fields
from typing import Any

from avsync.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")

INDECISIVE = ("device", "weights")  # options: answers hold for any device, and a file's checksum


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
    detect_changes: bool = True  # drift and steps are looked for, too
    thorough: bool = False  # long files are looked at from end to end

    def __post_init__(self) -> None:
        from avsync.faces.detectors import check_name

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
    def cache_key(self) -> dict[str, Any]:
        """What has a say in an answer, besides the file and what is in the weights."""
        names = (field.name for field in fields(self))
        return {name: getattr(self, name) for name in names if name not in INDECISIVE}
