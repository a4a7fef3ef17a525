"""How a file is to be put right."""

from dataclasses import dataclass, field

from avsync.errors import UsageError
from avsync.pipeline.options import DetectOptions, check_track
from avsync.tolerance import DEFAULT, STANDARDS, Tolerance


@dataclass(frozen=True, slots=True)
class RemuxOptions:
    """How a file is to be written.

    Attributes
    ----------
    audio_track : int or None
        Track that is moved; 1 is the first, None: all.
    reencode_audio : bool
        Delay or cut the samples, for players and editors that ignore start times.
    keep_pitch : bool
        Cure drift without a change of pitch.
    keep_sound : bool
        Beside sound from a file of its own, keep the picture's, as it is.

    Examples
    --------
    >>> RemuxOptions(audio_track=2).reencode_audio
    False
    """

    audio_track: int | None = None
    reencode_audio: bool = False
    keep_pitch: bool = False
    keep_sound: bool = False


@dataclass(frozen=True, slots=True)
class FixOptions:
    """How to look at a file, and how to write it.

    Attributes
    ----------
    detect : DetectOptions
        How to look at it, before and after.
    offset_ms : float or None
        Known already: delay the sound by it, an hour at most. None: measure.
    tolerance : Tolerance
        What is inside is left alone.
    always_write : bool
        Copy what is left alone.
    force : bool
        Replace an existing output.
    dry_run : bool
        Only say what ffmpeg would be asked to do.
    drift : bool
        Also look for sound that runs away.
    remux : RemuxOptions
        How the output is written.

    Raises
    ------
    UsageError
        Where a value makes no sense.

    Examples
    --------
    >>> FixOptions(offset_ms=-120.0, dry_run=True).tolerance
    Tolerance(early_ms=40, late_ms=60)
    """

    detect: DetectOptions = field(default_factory=DetectOptions)
    offset_ms: float | None = None
    tolerance: Tolerance = STANDARDS[DEFAULT]
    always_write: bool = False
    force: bool = False
    dry_run: bool = False
    drift: bool = True
    remux: RemuxOptions = field(default_factory=RemuxOptions)

    def __post_init__(self) -> None:
        moved, heard = self.remux.audio_track, self.detect.audio_track
        check_track("audio_track", moved)
        if moved and heard and moved != heard:
            why = f"{heard} is to be heard, this one moved: name one"
            raise UsageError(why, "audio_track", moved)
        if self.remux.keep_sound and self.detect.audio is None:
            why = "is for sound from a file of its own: name that file (audio), too"
            raise UsageError(why, "keep_sound", True)
        if self.offset_ms is not None and not abs(self.offset_ms) <= 3_600_000:
            raise UsageError("at most an hour, in milliseconds", "offset_ms", self.offset_ms)
