"""Sound from a file of its own: which belongs to which picture."""

import os
import re
from functools import lru_cache
from pathlib import Path

from avsync.errors import MediaError
from avsync.media.search import MEDIA_NAME

SOUND_NAME = re.compile(
    r"\.(aac|ac3|aiff?|caf|dts|eac3|flac|m4a|mka|mp2|mp3|oga|ogg|opus|w64|wav|wma)$", re.IGNORECASE
)


def sound_for(path: str | os.PathLike[str], audio: str) -> str:
    """The file whose sound belongs to a picture.

    Parameters
    ----------
    path : path-like
        Of the picture.
    audio : str
        A file (or address), which is itself; or a folder, of which it is the one that has the
        picture's name, less suffix.

    Raises
    ------
    MediaError
        Where a folder has none of that name, or several.
    """
    if not os.path.isdir(audio):
        return audio
    name = Path(path).stem
    found = [
        sound for sound in _by_stem(audio, os.stat(audio).st_mtime_ns).get(name, ())
        if not _is_same(path, sound)
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    if not found:
        raise MediaError(
            f"{path}: no sound of its name in {audio}; name one {name}.wav or the like"
        )
    names = ", ".join(map(os.path.basename, found))
    raise MediaError(f"{path}: several sounds of its name in {audio} ({names}); keep one there")


@lru_cache(maxsize=8)
def _by_stem(folder: str, mtime_ns: int) -> dict[str, list[str]]:
    """Files that may have sound, by their names less suffix; read again when the folder changes."""
    found: dict[str, list[str]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                known = SOUND_NAME.search(entry.name) or MEDIA_NAME.search(entry.name)
                if known and entry.is_file():
                    found.setdefault(Path(entry.name).stem, []).append(entry.path)
    except OSError as error:
        raise MediaError(f"{folder}: {error.strerror}; name a folder that can be read") from error
    return found


def _is_same(path: str | os.PathLike[str], other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False
