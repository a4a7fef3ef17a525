"""The files that a command was told of."""

from collections.abc import Iterator
from dataclasses import dataclass

from avsync.errors import UsageError
from avsync.media.files import passes_by
from avsync.media.search import LIST, find_media, read_names

STDIN = 0  # its descriptor


@dataclass(frozen=True, slots=True)
class Files:
    """Where files come from.

    Attributes
    ----------
    names : list of str
        As on the command line.
    globs : list of str
        Patterns of the files that are taken from folders.
    null : bool
        Names of a list end with a null byte.
    """

    names: list[str]
    globs: list[str]
    null: bool

    def paths(self) -> tuple[Iterator[str], int | None]:
        """The files, and how many they are where that is known. Raises UsageError for a pipe."""
        if passing := [name for name in self.names if passes_by(name)]:
            raise UsageError(f"{passing[0]}: is read alone, without --timeout, --resume, --engine")
        listed = read_names(STDIN, b"\0" if self.null else b"\n")
        paths = find_media(self.names, listed, self.globs, exact=self.null)
        if LIST in self.names:
            return paths, None
        found = list(paths)
        return iter(found), len(found)
