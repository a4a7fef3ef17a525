"""What is written of an answer to look at, whatever it is; may be sent to a worker."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from avsync.errors import AvsyncError, OutputError, ToolMissingError, UsageError
from avsync.pages.rendering import INSTALL
from avsync.pipeline.options import DetectOptions
from avsync.report import SyncReport
from avsync.system.atomic import drafted

if TYPE_CHECKING:  # --help needs no OpenCV
    from avsync.pipeline.details import Details

PLOT_FORMATS = (".png", ".svg", ".pdf")


class Picture(Protocol):
    """Pages, a plot."""

    def write(self, report: SyncReport, details: "Details | None", options: DetectOptions) -> None:
        """Raises AvsyncError or OSError."""


Shown = Sequence[Picture]


def show(
    report: SyncReport, details: "Details | None", options: DetectOptions, shown: Shown
) -> SyncReport:
    """Write all that is wanted; what goes wrong with that is a warning in the report."""
    for picture in shown:
        name = type(picture).__name__.lower()
        try:
            picture.write(report, details, options)
            continue
        except OSError as error:
            why = error.strerror or str(error)
        except AvsyncError as error:
            why = str(error)
        except Exception as error:  # whatever a picture fails at must not cost the answer
            why = f"unexpected {type(error).__name__}: {error}; please report it with the file"
        report = replace(report, warnings=(*report.warnings, f"{name} not written: {why}"))
    return report


@dataclass(frozen=True, slots=True)
class Plot:
    """Curve and map in a file, for a paper or a ticket."""

    target: Path

    def prepare(self, *, force: bool) -> None:
        """Raises UsageError for an unknown format, OutputError where something is there already."""
        if self.target.suffix.lower() not in PLOT_FORMATS:
            formats = ", ".join(PLOT_FORMATS)
            raise UsageError(f"name a file that ends in {formats}", "plot", self.target)
        if self.target.exists() and not force:
            raise OutputError(f"{self.target}: exists already; give --force to replace it")
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ToolMissingError(f"plots need matplotlib: {INSTALL}") from error

    def write(self, report: SyncReport, details: "Details | None", options: DetectOptions) -> None:
        """Nothing is written of what was not measured. Raises OSError."""
        if report.curve is None:
            return
        with drafted(self.target) as draft:
            report.plot(details).savefig(draft.path, dpi=150)
            draft.commit()
