"""What became of a file that was to be put right: text for people, JSON for programs."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from avsync.report import SyncReport, confidence_in_words
from avsync.timebase import offset_in_words

FixStatus = Literal["fixed", "in_tolerance", "planned", "undetermined", "unverified", "error"]
MARGIN = " " * 4
COLUMNS = (
    *("path", "output", "status", "offset_ms", "confidence", "drift_ppm", "method"),
    *("residual_ms", "reasons", "notes"),
)


@dataclass(frozen=True, slots=True)
class FixReport:
    """One file's fate. `offset_ms` is what the sound was delayed by, positive: it was early.

    fixed: written, and measured again where faces allow - in_tolerance: left alone, or copied as it
    is - planned: dry run - undetermined: cannot tell, nothing was written - unverified: what was
    written did not prove to be right, by its packets or by measure, and was removed - error: see
    `reasons`.
    """

    path: str
    output: str | None  # None: nothing was written
    status: FixStatus
    offset_ms: float | None = None
    drift_ppm: float = 0.0  # growth of the offset: microseconds a second; positive: gets earlier
    method: Literal["copy", "encode", "resample"] | None = None  # what was done to the sound
    residual_ms: float | None = None  # offset of the output, measured
    reasons: tuple[str, ...] = ()  # why nothing was written
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()  # of a dry run, for a shell
    before: SyncReport | None = None
    after: SyncReport | None = None

    @property
    def confidence(self) -> float | None:
        """Of the offset that was found; None where it was given, or nothing was."""
        return self.before.confidence if self.before else None

    def to_dict(self) -> dict[str, Any]:
        """All fields; the reports of before and after as `detect` gives them."""
        fields = asdict(self)
        fields["before"] = self.before.to_dict() if self.before else None
        fields["after"] = self.after.to_dict() if self.after else None
        return fields

    def to_json(self, indent: int | None = None) -> str:
        """One JSON object; ASCII, so that any file name survives."""
        return json.dumps(self.to_dict(), indent=indent)

    def to_row(self) -> tuple[Any, ...]:
        """Values of `COLUMNS`."""
        texts = {name: "; ".join(getattr(self, name)) for name in ("reasons", "notes")}
        return tuple(texts.get(name, getattr(self, name)) for name in COLUMNS)

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
            return [f"not touched, cannot tell: {why}"]
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
