"""Which files below a folder are media."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

MEDIA_NAME = re.compile(
    r"\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|mxf|ogv|ts|webm|wmv)$", re.IGNORECASE
)
DRAFT_PREFIX = ".avsync-"  # of folders in which files are being written: not there yet


def files_below(folder: str | os.PathLike[str], globs: Sequence[str] = ()) -> list[Path]:
    """Media files in a folder and the folders below it, by suffix or by `globs`, in order.

    A link to a folder is not followed, so that no loop of links is walked. Raises OSError for a
    folder that cannot be read.
    """

    def wanted(path: Path) -> bool:
        return any(map(path.match, globs)) if globs else bool(MEDIA_NAME.search(path.name))

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(DRAFT_PREFIX)]
        found += [path for name in names if wanted(path := Path(place, name))]
    return sorted(found)
