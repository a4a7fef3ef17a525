"""A report in JSON Lines that can be gone on with: what it answers is not measured again.

The file grows by one whole line an answer, so that whatever ends a run leaves all the answers but
at most one half-written line, which the next run takes off. An answer counts while the file has the
size and time it had, and weights and options are the same; what failed is tried again. A new answer
is appended, and the line that it replaces taken out when the run ends.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Protocol, Self

from avsync.batch.tasks import R
from avsync.clips import ClipsReport
from avsync.errors import OutputError
from avsync.findings import Segment, Source
from avsync.report import Status, SyncReport
from avsync.speakers import SpeakerReport
from avsync.system.atomic import drafted


class Written(Protocol):
    """What a line is made of."""

    @property
    def path(self) -> str: ...
    def to_json(self, *, curve: bool) -> str: ...


InShort = Callable[[Mapping[str, Any]], R]  # the fields of a line -> what little is kept of it


def sync_in_short(fields: Mapping[str, Any]) -> SyncReport:
    """Of an answer of `avsync detect`. Raises KeyError for another command's."""
    if "tracks" not in fields:
        raise KeyError("tracks")
    status: Status = "ok" if fields["status"] == "ok" else "undetermined"
    segments = tuple(Segment(**segment) for segment in fields.get("segments", ()))
    return SyncReport(fields["path"], status, fields.get("offset_ms"), segments=segments)


def speakers_in_short(fields: Mapping[str, Any]) -> SpeakerReport:
    """Of an answer of `avsync speakers`. Raises KeyError for another command's."""
    if "faces" not in fields:
        raise KeyError("faces")
    status: Status = "ok" if fields["status"] == "ok" else "undetermined"
    return SpeakerReport(fields["path"], status)


def clips_in_short(fields: Mapping[str, Any]) -> ClipsReport:
    """An answer of `avsync clips`, less its boxes. Raises KeyError for another command's."""
    bare = [{**clip, "boxes": ()} for clip in fields["clips"]]
    return ClipsReport.from_dict({**fields, "clips": bare})


class ReportFile(Generic[R]):
    """A report that is read, then written to."""

    def __init__(self, path: Path, in_short: InShort[R]) -> None:
        """Raises OutputError where the file cannot be written, or is no report."""
        self._path, self._in_short = path, in_short
        self._holds: dict[str, tuple[bytes, R | None]] = {}  # by path: key and answer, of its last
        self._is_stale = False  # it has lines that count no more
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise OutputError(f"{path}: {error.strerror}; name a file to write") from error
        try:
            self._only_one_writes()
            self._read()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        try:
            if self._is_stale:
                self._drop_stale()
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from error
        finally:
            os.close(self._descriptor)

    def answer(self, path: str, source: Source) -> R | None:
        """What the file says of a path, in short; None where that has to be measured."""
        key, known = self._holds.get(path, (b"", None))
        return known if key == _key(_facts(source)) else None

    def append(self, report: Written, curve: bool = True) -> None:
        """Add a line, in one write. Raises OutputError where the disk does not take it."""
        line = f"{report.to_json(curve=curve)}\n".encode()
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from error
        self._is_stale |= report.path in self._holds
        self._holds[report.path] = (b"", None)

    def _only_one_writes(self) -> None:
        try:
            import fcntl
        except ImportError:  # not a Unix
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(f"{self._path}: another run is writing it") from None
        except OSError:  # a file system without locks
            return

    def _read(self) -> None:
        end = 0  # of what is whole
        with self._path.open("rb") as file:
            for line in file:
                fields = _parsed(line)
                if fields is None and end == 0 and not line.startswith(b'{"path": '):
                    raise OutputError(
                        f"{self._path}: not a report of avsync in JSON Lines; name another"
                    )
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                if fields is None:
                    self._is_stale = True
                    continue
                self._is_stale |= fields["path"] in self._holds
                failed = fields["status"] == "error"
                known = self._brief(fields)
                self._holds[fields["path"]] = (b"", None) if failed else (_key(fields), known)
        os.ftruncate(self._descriptor, end)

    def _brief(self, fields: Mapping[str, Any]) -> R:
        try:
            return self._in_short(fields)
        except KeyError as error:
            raise OutputError(
                f"{self._path}: a report of another command (it has no {error}); name another"
            ) from error

    def _drop_stale(self) -> None:
        """Keep the last line of each path, in a new file that takes the place of this one."""
        last: dict[str, int] = {}  # where it is
        with self._path.open("rb") as file:
            for number, line in enumerate(file):
                if fields := _parsed(line):
                    last[fields["path"]] = number
            kept = set(last.values())
            file.seek(0)
            with drafted(self._path) as draft:
                with draft.path.open("wb") as new:
                    new.writelines(line for number, line in enumerate(file) if number in kept)
                draft.commit()


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The fields of a line of a report; None where it is something else, or half a line."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    is_report = isinstance(fields, dict) and {"path", "status"} <= fields.keys()
    return fields if is_report else None


def _facts(source: Source) -> dict[str, Any]:
    return {
        "size_bytes": source.size_bytes,
        "mtime_ns": source.mtime_ns,
        "weights_sha256": source.weights_sha256,
        "options": source.options,
    }


def _key(fields: dict[str, Any]) -> bytes:
    """What an answer holds for, in few bytes: there may be a hundred thousand."""
    names = ("size_bytes", "mtime_ns", "weights_sha256", "options")
    text = json.dumps([fields.get(name) for name in names], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
