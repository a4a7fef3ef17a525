"""Everything that can go wrong, as the user should read it: the file, the cause, the next step.

    AvsyncError                 base: one `except` suffices, one line is enough to print
    +-- MediaError              the file cannot be opened, decoded, or lacks picture or sound
    +-- ToolMissingError        ffmpeg is not there
    +-- WeightsError            a weights file is absent, damaged, or of another program
    +-- DownloadError           a file could not be fetched, or its checksum is wrong
    +-- FacesError              the face finder asked for cannot be used
    +-- OutputError             a file or report cannot be written, or may not be overwritten
    +-- DataError               training data, or a report, that cannot be used
    +-- WorkersError            processes or machines that measure files cannot be had
    +-- InterruptError          a signal, or the end of who reads the output, ended the run
    +-- UsageError              options that contradict each other (exit status 2)

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
    """A face finder cannot be used."""


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


class UsageError(AvsyncError):
    """Options that make no sense together."""
