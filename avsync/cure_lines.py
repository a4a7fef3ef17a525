"""How other programs are told to put sound and picture in step, each in its own unit.

All of them count as `offset_ms` does: positive is a sound that comes later than it did, which is
what a sound needs that was early.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from avsync.errors import UsageError


@dataclass(frozen=True, slots=True)
class Moved:
    """A file whose sound is to be moved: later by so much, earlier where that is negative.

    Attributes
    ----------
    path : str
        Of the file.
    delay_ms : float
        Of the sound.
    audio_stream : int
        Its index in the container.
    sound : str or None
        The file that it is in; None: the same.
    """

    path: str
    delay_ms: float
    audio_stream: int = 1
    sound: str | None = None

    @property
    def seconds(self) -> str:
        """Of the delay."""
        return f"{self.delay_ms / 1000:.3f}"

    @property
    def milliseconds(self) -> str:
        """Of the delay, whole."""
        return f"{round(self.delay_ms) or 0}"

    def beside(self, suffix: str = "") -> str:
        """Name of a new file beside it; one that is made of two is of the kind that takes any."""
        path = PurePath(self.path)
        kind = suffix or (path.suffix if self.sound is None else ".mkv")
        return str(path.with_name(f"{path.stem}.synced{kind}"))


def fix_line(moved: Moved, *options: str) -> str:
    """What `avsync fix` is to be told.

    >>> fix_line(Moved("talk.mp4", -120.4))
    'avsync fix talk.mp4 -o talk.synced.mp4'
    """
    sound = [] if moved.sound is None else ["--audio", moved.sound]
    return shlex.join(["avsync", "fix", moved.path, *sound, *options, "-o", moved.beside()])


def _mpv(moved: Moved) -> str:
    sound = [] if moved.sound is None else [f"--audio-file={moved.sound}"]
    return shlex.join(["mpv", *sound, f"--audio-delay={moved.seconds}", "--", moved.path])


def _vlc(moved: Moved) -> str:
    sound = [] if moved.sound is None else [f"--input-slave={moved.sound}"]
    return shlex.join(["vlc", *sound, f"--audio-desync={moved.milliseconds}", moved.path])


def _mkvmerge(moved: Moved) -> str:
    track = f"{moved.audio_stream}:{moved.milliseconds}"
    picture = [] if moved.sound is None else ["--no-audio", moved.path]
    sound = moved.sound or moved.path
    return shlex.join(["mkvmerge", "-o", moved.beside(".mkv"), *picture, "--sync", track, sound])


def _ffmpeg(moved: Moved) -> str:
    """Whichever is too early starts later: no stamp goes below zero."""
    sound, picture = max(0.0, moved.delay_ms), max(0.0, -moved.delay_ms)
    argv = ["ffmpeg", "-itsoffset", f"{picture / 1000:.3f}", "-i", f"file:{moved.path}"]
    argv += ["-itsoffset", f"{sound / 1000:.3f}", "-i", f"file:{moved.sound or moved.path}"]
    argv += ["-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{moved.beside()}"]
    return shlex.join(argv)


def _obs(moved: Moved) -> str:
    return f"Advanced Audio Properties > Sync Offset: {moved.milliseconds} ms"


def _kodi(moved: Moved) -> str:
    if not round(moved.delay_ms):
        return "Audio settings > Audio offset: 0.000 s"
    which = "delayed" if moved.delay_ms > 0 else "ahead"
    return f"Audio settings > Audio offset: {abs(moved.delay_ms) / 1000:.3f} s {which}"


TOOLS: dict[str, Callable[[Moved], str]] = {
    "mpv": _mpv,
    "vlc": _vlc,
    "mkvmerge": _mkvmerge,
    "obs": _obs,
    "ffmpeg": _ffmpeg,
    "kodi": _kodi,
}


def check_tool(name: str) -> str:
    """Raises UsageError for a program that is not known."""
    if name not in TOOLS:
        raise UsageError(f"choose {', '.join(TOOLS)}", "for", name)
    return name


def line_for(name: str, moved: Moved) -> str:
    """What cures a file in another program: a command, or where to enter which value.

    >>> line_for("mpv", Moved("talk.mp4", -120.4))
    'mpv --audio-delay=-0.120 -- talk.mp4'
    """
    return TOOLS[check_tool(name)](moved)


def in_words(delay_ms: float) -> str:
    """What is done to the sound.

    >>> in_words(-120), in_words(40), in_words(0)
    ('sound 120 ms earlier', 'sound 40 ms later', 'sound as it is')
    """
    if not round(delay_ms):
        return "sound as it is"
    which = "later" if delay_ms > 0 else "earlier"
    return f"sound {abs(round(delay_ms))} ms {which}"
