"""Fetch a file once: with progress, a checksum, and nothing half-written left behind."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from avsync.errors import DownloadError, OutputError
from avsync.system.atomic import drafted
from avsync.system.progress import Progress, silent

TIMEOUT_SECONDS = 10
CHUNK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of the public web that avsync can use.

    Attributes
    ----------
    name : str
        File name in the cache.
    url : str
        Where it is fetched from.
    sha256 : str
        Hexadecimal; empty where the publisher states none and none could be verified.
    """

    name: str
    url: str
    sha256: str


def user_cache(program: str) -> Path:
    """Where a program keeps what it has fetched for this user."""
    import platformdirs

    try:
        return at_home(platformdirs.user_cache_dir(program))
    except RuntimeError:  # as newer versions say that there is no home
        return at_home(f"~/.cache/{program}")


def at_home(place: str) -> Path:
    """A place such as `~/.cache/torch`; for who has no home, in a folder of the user's own.

    A container's user may be in no list of users, and HOME unset. Among temporary files anybody can
    make a folder of any name: one that is another's is not used.

    Raises
    ------
    OutputError
        Where the folder of the user's own is another user's.
    """
    path = os.path.expanduser(place)
    if not path.startswith("~/"):
        return Path(path)
    owner = os.getuid() if hasattr(os, "getuid") else 0
    own = Path(os.environ.get("TMPDIR") or "/tmp") / f"avsync-{owner}"
    with suppress(OSError):  # who writes there will say so
        own.mkdir(mode=0o700, exist_ok=True)
        if own.lstat().st_uid != owner:
            raise OutputError(f"{own}: is another user's; set HOME to a folder of your own")
    return own / path.removeprefix("~/")


def shipped_folder() -> Path:
    """The folder of the networks that come with avsync: in the wheel, or in the repository."""
    package = Path(str(resources.files("avsync")))
    inside = package / "weights"
    return inside if inside.is_dir() else package.parent / "weights"


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_intact(path: Path, remote: RemoteFile) -> bool:
    """Whether a local copy exists and has the right checksum."""
    return os.path.isfile(path) and (not remote.sha256 or sha256_of(path) == remote.sha256)


def fetch(remote: RemoteFile, folder: Path, progress: Progress = silent) -> Path:
    """Bring a file into a folder, unless it is there and intact.

    Parameters
    ----------
    remote : RemoteFile
        Without a checksum, what is there is taken for intact.
    folder : Path
        Is made, and those above it.
    progress : callable, optional
        Is told bytes.

    Returns
    -------
    Path
        Where it lies.

    Raises
    ------
    DownloadError
        Where the network, the disk or the checksum does not allow it; says what to do by hand.
    """
    target = folder / remote.name
    if is_intact(target, remote):
        return target
    by_hand = f"download {remote.url} elsewhere and place it at {target}"
    try:
        with drafted(target) as draft:
            with draft.path.open("wb") as file:
                digest = _copy(remote, file.write, progress)
            if remote.sha256 and digest != remote.sha256:
                raise DownloadError(
                    f"{remote.url}: wrong checksum (expected {remote.sha256[:12]}..., "
                    f"got {digest[:12]}...); try again, or {by_hand}"
                )
            draft.commit()
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        cause = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        words = " ".join(str(cause).split())  # a server's own may have several lines
        raise DownloadError(f"{remote.name}: cannot fetch it: {words}; {by_hand}") from error
    return target


def _copy(remote: RemoteFile, write: Callable[[bytes], int], progress: Progress) -> str:
    digest, done = hashlib.sha256(), 0
    with urllib.request.urlopen(remote.url, timeout=TIMEOUT_SECONDS) as answer:
        total = int(answer.headers.get("Content-Length") or 0) or None
        while chunk := answer.read(CHUNK_BYTES):
            digest.update(chunk)
            write(chunk)
            done += len(chunk)
            progress(f"downloading {remote.name}", done, total)
    if total and done != total:  # http.client takes a lost connection for the end
        raise OSError(f"connection lost after {done} of {total} bytes")
    return digest.hexdigest()
