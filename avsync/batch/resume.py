"""A report in JSON Lines that can be gone on with: what it answers is not measured again.

The file grows by one whole line an answer, so that whatever ends a run leaves all the answers but
at most one half-written line, which the next run takes off. An answer counts while the file has the
size and time it had, and weights and options are the same; what failed is tried again. A new answer
is appended, and the line that it replaces taken out when the run ends.
"""

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from avsync.errors import OutputError
from avsync.findings import Segment, Source
from avsync.report import SyncReport
from avsync.system.atomic import drafted

_Held = tuple[bytes, str, float | None, tuple[Segment, ...]]  # key, status, offset, segments


class ReportFile:
    """A report that is read, then written to."""

    def __init__(self, path: Path) -> None:
        """Raises OutputError where the file cannot be written, or is no report."""
        self._path = path
        self._holds: dict[str, _Held] = {}  # by path: of its last line
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

    def answer(self, path: str, source: Source) -> SyncReport | None:
        """What the file says of a path, in short; None where that has to be measured."""
        held = self._holds.get(path)
        if held is None or held[0] != _key(_facts(source)):
            return None
        _, status, offset_ms, segments = held
        known = SyncReport(path, "ok" if status == "ok" else "undetermined", offset_ms)
        return replace(known, segments=segments)

    def append(self, report: SyncReport, curve: bool = True) -> None:
        """Add a line, in one write. Raises OutputError where the disk does not take it."""
        line = f"{report.to_json(curve=curve)}\n".encode()
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            raise OutputError(f"{self._path}: {error.strerror}") from error
        self._is_stale |= report.path in self._holds
        self._holds[report.path] = (b"", report.status, report.offset_ms, report.segments)

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
                key = b"" if fields["status"] == "error" else _key(fields)
                segments = tuple(Segment(**segment) for segment in fields.get("segments", ()))
                held = (key, fields["status"], fields.get("offset_ms"), segments)
                self._holds[fields["path"]] = held
        os.ftruncate(self._descriptor, end)

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
