"""Flags -> one call -> output -> exit status. The answer goes to stdout, all else to stderr.

Exit status: 0 every file determined (and inside --tolerance) - 1 some file failed - 2 usage -
3 some file undetermined - 4 some file outside the tolerance. The worst applies: 1, 3, 4. A run
that a signal ended: 128 and its number, as from a shell; 141 where the reader of stdout has gone.
"""

import codecs
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from avsync import __version__
from avsync.cli import weights, words
from avsync.cli.clipping import clips
from avsync.cli.console import ExitStatus, one_line
from avsync.cli.detecting import detect
from avsync.cli.doctor import doctor
from avsync.cli.evaluation import evaluate
from avsync.cli.features import features
from avsync.cli.fixing import fix
from avsync.cli.options import flag_of
from avsync.cli.preview import preview
from avsync.cli.reporting import report
from avsync.cli.scoring import score
from avsync.cli.speaking import speakers
from avsync.cli.training import prepare, train
from avsync.errors import AvsyncError, InterruptError, UsageError

SPELLING = "avsync.spelling"  # how what an output's encoding lacks is written


class _Group(TyperGroup):
    """Turns expected errors into one line on stderr and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return self._invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Exit(128 + signal.SIGINT) from error
        except InterruptError as error:
            if str(error):
                print(f"avsync: {error}", file=sys.stderr)
            raise typer.Exit(128 + error.signal_number) from error
        except UsageError as error:
            print(f"avsync: {one_line(_in_flags(error))}", file=sys.stderr)
            raise typer.Exit(ExitStatus.USAGE) from error
        except AvsyncError as error:
            print(f"avsync: {one_line(str(error))}", file=sys.stderr)
            raise typer.Exit(ExitStatus.FAILED) from error

    def _invoke(self, ctx: Any) -> Any:
        """What cannot be imported is OpenCV, on slim machines: then that is what is said."""
        try:
            return super().invoke(ctx)
        except ImportError:
            from avsync.pipeline.loading import require_opencv

            require_opencv()
            raise


def _in_flags(error: UsageError) -> str:
    """What is wrong with a flag: the library's field, less its unit, is its name."""
    if error.field is None:
        return error.why
    value = f"{error.value:g}" if isinstance(error.value, float) else str(error.value)
    return f"{flag_of(error.field)} {value}".strip() + f": {error.why}"


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find by how many milliseconds the sound of a talking-face video is out of step.",
)
app.command()(detect)
app.command()(fix)
app.command()(report)
app.command()(preview)
app.command()(speakers)
app.command()(clips)
app.command()(score)
app.command()(prepare)
app.command()(train)
app.command()(evaluate)
app.command()(features)
app.add_typer(words.app, name="words")
app.add_typer(weights.app, name="weights")
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"avsync {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    codecs.register_error(SPELLING, _spelt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=SPELLING)


def _spelt(error: UnicodeError) -> tuple[str | bytes, int]:
    """Any file name can be printed: as the bytes that it has, else with its letters spelt out.

    UTF-8 spells all names but those that are not UTF-8 themselves; a code page few.
    """
    assert isinstance(error, UnicodeEncodeError)
    with suppress(UnicodeError):
        if error.encoding == "utf-8":
            return codecs.lookup_error("surrogateescape")(error)
    return codecs.backslashreplace_errors(error)
