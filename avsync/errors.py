"""Everything that can go wrong, as the user should read it: the file, the cause, the next step.

    AvsyncError                 base: one `except` suffices, one line is enough to print
    +-- MediaError              the file cannot be opened, decoded, or lacks picture or sound
    +-- ToolMissingError        ffmpeg is not there
    +-- WeightsError            a weights file is absent, damaged, or of another program
    +-- DownloadError           a file could not be fetched, or its checksum is wrong
    +-- FaceDetectorError       the face detector asked for cannot be used
    +-- OutputError             a file or report cannot be written, or may not be overwritten
    +-- DataError               training data, or a report, that cannot be used
    +-- WorkersError            processes or machines that measure files cannot be had
    +-- InterruptError          a signal, or the end of who reads the output, ended the run
    +-- UsageError              options that make no sense, a ValueError (exit status 2)

A video that decodes but does not allow an answer is no error: it is a report with
`status="undetermined"` and its reasons.
"""


class AvsyncError(Exception):
    """Base of all errors that avsync raises on purpose; `str()` is one line for people."""


class MediaError(AvsyncError):
    """A media file cannot be used."""


class ToolMissingError(AvsyncError):
    """An external program is missing."""


class WeightsError(AvsyncError):
    """A weights file cannot be used."""


class DownloadError(AvsyncError):
    """A download failed or brought something else than was expected."""


class FaceDetectorError(AvsyncError):
    """A face detector cannot be used."""


class OutputError(AvsyncError):
    """A file or report cannot be written, or writing it would destroy another."""


class DataError(AvsyncError):
    """Training data, or a report, cannot be used."""


class WorkersError(AvsyncError):
    """Processes or machines that measure files cannot be had."""


class InterruptError(AvsyncError):
    """A run was ended from outside."""

    def __init__(self, signal_number: int, words: str = "") -> None:
        super().__init__(words)
        self.signal_number = signal_number  # that ended it


class UsageError(AvsyncError, ValueError):
    """An option that makes no sense, or several that contradict each other.

    Parameters
    ----------
    why : str
        What is wrong with it, and what would be right.
    field : str, optional
        Name of the option as libraries know it; the command line has a flag of that name.
    value : object, optional
        What it was.

    Examples
    --------
    >>> raise UsageError("between 0.1 and 3600 s", "max_offset_seconds", 0.0)
    Traceback (most recent call last):
        ...
    avsync.errors.UsageError: max_offset_seconds=0.0: between 0.1 and 3600 s
    """

    def __init__(self, why: str, field: str | None = None, value: object = None) -> None:
        super().__init__(why, field, value)
        self.why, self.field, self.value = why, field, value

    def __str__(self) -> str:
        return f"{self.field}={self.value}: {self.why}" if self.field else self.why
