"""Which ffmpeg is used: the one that is asked for, or another where that fails.

Nothing is run here. What fails is remembered for the process, so that the same input is answered by
the same ffmpeg from then on.
"""

import os
import re
import shutil
import signal
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from avsync.errors import MediaError, ToolMissingError

OLDEST = "4.2"  # that writes and reads right what the tests make
OLDEST_LIBAVCODEC = (58, 54)  # of that version; what was built from git has no other number
UNKNOWN = "no ffmpeg"  # what does not say its version
# How a process ends by a fault of its own, not by somebody else.
CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGTRAP", "SIGSYS")

_failures: dict[tuple[str, str], str] = {}  # (program, url or nothing) -> how it failed


def find_ffmpeg() -> str:
    """Path of the ffmpeg to use: AVSYNC_FFMPEG, then the one imageio-ffmpeg carries, then PATH.

    The one that comes along is of a known version, and starts in a fifth of the time that those of
    Linux distributions take, which look for two hundred libraries first.

    Raises
    ------
    ToolMissingError
        Where none is found, or AVSYNC_FFMPEG names no program.
    """
    return _candidates()[0]


def _candidates() -> tuple[str, ...]:
    """All there are, in the order in which they are tried. Raises ToolMissingError for none."""
    return _found(os.environ.get("AVSYNC_FFMPEG"), os.environ.get("PATH"))


@cache
def _found(wanted: str | None, search: str | None) -> tuple[str, ...]:
    given = shutil.which(wanted) if wanted else None
    if wanted and not given:
        raise ToolMissingError(f"AVSYNC_FFMPEG={wanted}: no such program; correct or unset it")
    found = [
        path for path in (given, bundled_ffmpeg(), shutil.which("ffmpeg", path=search)) if path
    ]
    if not found:
        raise ToolMissingError(
            "ffmpeg not found: install it (apt install ffmpeg, brew install ffmpeg), "
            "or `pip install imageio-ffmpeg`, or set AVSYNC_FFMPEG to its path"
        )
    distinct: dict[str, str] = {}
    for path in found:
        distinct.setdefault(os.path.realpath(path), path)
    return tuple(distinct.values())


def bundled_ffmpeg() -> str | None:
    """Path of the ffmpeg that imageio-ffmpeg carries; None: it is not there.

    It is not asked, as importing it, and its trying the program, take as long as a short clip.
    """
    package = find_spec("imageio_ffmpeg")
    folders = (package.submodule_search_locations if package else None) or ()
    programs = (path for folder in folders for path in Path(folder, "binaries").glob("ffmpeg-*"))
    return next(filter(None, (shutil.which(os.fspath(path)) for path in programs)), None)


def ffmpeg_for(url: str) -> str:
    """The ffmpeg for work on an input: the first that has not failed."""
    candidates = _candidates()
    return next((path for path in candidates if not _failure(path, url)), candidates[0])


def notes_on(url: str) -> list[str]:
    """That another ffmpeg than the usual one was used for an input, and why."""
    why = _failure(find_ffmpeg(), url)
    return [f"{why}: {ffmpeg_for(url)} was used instead"] if why else []


def replace_unusable(program: str, why: str) -> bool:
    """Whether another ffmpeg is used from now on, as the system cannot run one nobody asked for."""
    asked_for = _candidates()[0] if os.environ.get("AVSYNC_FFMPEG") else None
    return program != asked_for and _is_replaced(program, "", why)


def replace_old(program: str, header: str) -> bool:
    """Whether an ffmpeg, by its header, is too old, and another is used from now on.

    Raises
    ------
    ToolMissingError
        Where there is no other.
    """
    found = re.search(r"^ *libavcodec +(\d+)\. *(\d+)", header, re.MULTILINE)
    if found is None or (int(found[1]), int(found[2])) >= OLDEST_LIBAVCODEC:
        return False
    why = f"{program} is {version_in(header)}, older than {OLDEST}"
    if _is_replaced(program, "", why):
        return True
    raise ToolMissingError(f"{why}: install a newer one, or `pip install imageio-ffmpeg`")


def replace_crashed(program: str, header: str, url: str, status: int) -> bool:
    """Whether another ffmpeg is used for an input from now on, as one ended with a status.

    Raises
    ------
    MediaError
        Where there is no other, or it did not end of itself.
    """
    path, name = url.removeprefix("file:"), _name_of(status)
    if status < 0 and name not in CRASHES:
        raise MediaError(f"{path}: ffmpeg was ended by {name} while it worked on this file")
    why = f"{version_in(header)} ({program}) crashed on it ({name})"
    if _is_replaced(program, url, why):
        return True
    raise MediaError(f"{path}: {why}: set AVSYNC_FFMPEG to another, or install imageio-ffmpeg")


def version_in(header: str) -> str:
    """What an ffmpeg calls its version: `ffmpeg 5.1.9-0+deb12u1`."""
    found = re.match(r"ffmpeg version (\S+)", header)
    return f"ffmpeg {found[1]}" if found else UNKNOWN


def _is_replaced(program: str, url: str, why: str) -> bool:
    others = [path for path in _candidates() if path != program and not _failure(path, url)]
    if others:
        _failures[program, url] = why
    return bool(others)


def _failure(program: str, url: str) -> str | None:
    return _failures.get((program, "")) or _failures.get((program, url))


def _name_of(status: int) -> str:
    try:
        return signal.Signals(-status).name
    except ValueError:  # not of this system
        return hex(status)
