"""What became of a file that was to be put right: text for people, JSON for programs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as fields_of
from typing import Any, Literal

from avsync.errors import DataError
from avsync.prose import confidence_in_words, guess
from avsync.report import SCHEMA_VERSION, SyncReport, check_version
from avsync.timebase import offset_in_words

Method = Literal["copy", "encode", "resample"]
FixStatus = Literal["fixed", "in_tolerance", "planned", "undetermined", "unverified", "error"]
MARGIN = " " * 4
MEASURED = ("before", "after")
COLUMNS = (
    *("path", "output", "status", "offset_ms", "confidence", "drift_ppm", "method"),
    *("residual_ms", "reasons", "notes"),
)


@dataclass(frozen=True, slots=True)
class FixReport:
    """What became of a file that was to be put right.

    Attributes
    ----------
    path : str
        As it was given.
    output : str or None
        None: nothing was written.
    status : str
        fixed: written, and measured again where faces allow. in_tolerance: left alone, or copied as
        it is. planned: a dry run. undetermined: cannot tell, nothing was written. unverified: what
        was written did not prove to be right, by its packets or by measure, and was removed.
        error: see `reasons`.
    offset_ms : float or None
        What the sound was delayed by; positive: it was early.
    drift_ppm : float
        Growth of the offset, in microseconds a second; positive: the sound gets earlier.
    method : str or None
        What was done to the sound: copy, encode or resample.
    residual_ms : float or None
        Offset of the output, measured.
    reasons : tuple of str
        Why nothing was written.
    notes : tuple of str
        What was noticed on the way.
    commands : tuple of str
        Of a dry run, for a shell.
    before, after : SyncReport or None
        What was measured.

    Examples
    --------
    >>> FixReport("talk.mp4", "talk.synced.mp4", "fixed", offset_ms=-120.0, method="copy").status
    'fixed'
    """

    path: str
    output: str | None
    status: FixStatus
    offset_ms: float | None = None
    drift_ppm: float = 0.0
    method: Method | None = None
    residual_ms: float | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    before: SyncReport | None = None
    after: SyncReport | None = None

    @property
    def confidence(self) -> float | None:
        """Of the offset that was found; None where it was given, or nothing was."""
        return self.before.confidence if self.before else None

    def to_dict(self, curve: bool = True) -> dict[str, Any]:
        """All fields; the reports of before and after as `detect` gives them."""
        fields = {field.name: getattr(self, field.name) for field in fields_of(self)}
        for name in MEASURED:
            fields[name] = fields[name] and fields[name].to_dict(curve)
        return {**fields, "schema_version": SCHEMA_VERSION}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "FixReport":
        """The report that `to_dict`, or a line of JSON, was made of.

        Raises DataError for what is no report, or one of a newer version.
        """
        check_version(fields)
        try:
            known = {f.name: fields[f.name] for f in fields_of(cls)}
            known |= {name: tuple(known[name]) for name in ("reasons", "notes", "commands")}
            for name in MEASURED:
                known[name] = known[name] and SyncReport.from_dict(known[name])
            return cls(**known)
        except (KeyError, TypeError) as error:
            raise DataError(f"not a report of avsync fix: {error!r}") from error

    def to_json(self, indent: int | None = None, curve: bool = True) -> str:
        """One JSON object; ASCII, so that any file name survives."""
        return json.dumps(self.to_dict(curve), indent=indent)

    def to_rows(self) -> list[tuple[Any, ...]]:
        """One, with the values of `COLUMNS`."""
        texts = {name: "; ".join(getattr(self, name)) for name in ("reasons", "notes")}
        return [tuple(texts.get(name, getattr(self, name)) for name in COLUMNS)]

    def to_text(self) -> str:
        """A few lines for people; a dry run is its commands alone, to be pasted or piped."""
        if self.status == "planned":
            return "\n".join(self.commands)
        lines = [f"{MARGIN}{line}" for line in (*self._found(), *self._done())]
        return "\n".join([self.path, *lines, *(f"{MARGIN}note: {note}" for note in self.notes)])

    def _found(self) -> list[str]:
        if self.offset_ms is None:
            return []
        words = offset_in_words(self.offset_ms)
        if self.drift_ppm:
            which = "early" if self.drift_ppm > 0 else "late"
            words = f"{words} at the start, then {abs(self.drift_ppm) / 1000:.2f} ms a second "
            words += f"more {which}"
        sure = self.confidence
        said = "before" if self.before else "given"
        return [f"{said}: {words}" + (f"   confidence {confidence_in_words(sure)}" if sure else "")]

    def _done(self) -> list[str]:
        why = "; ".join(self.reasons)
        if self.status == "undetermined":
            probably = guess(self.before) if self.before else None
            return [f"not touched, cannot tell: {why}", *([probably] if probably else [])]
        if self.status == "unverified":
            return [f"nothing written: {why}"]
        if self.status == "error":
            return [why]
        if self.status == "in_tolerance":
            copied = f"copied as it is to {self.output}" if self.output else "left alone"
            return [f"inside the tolerance: {copied}"]
        how = {"copy": "nothing encoded again", "encode": "sound encoded again"}
        lines = [f"written: {self.output} ({how.get(self.method or '', 'sound resampled')})"]
        if self.after and self.after.offset_ms is not None:
            sure = confidence_in_words(self.after.confidence or 0)
            lines.append(f"after:  {offset_in_words(self.after.offset_ms)}   confidence {sure}")
        return lines
