"""The time stamps of what a decoder gives, as ffmpeg tells them beside it."""

import re
from collections import deque
from dataclasses import dataclass
from threading import Condition

MICROSECONDS = "1/1000000"  # time base of the stamps that are listened to
WAIT_SECONDS = 60.0  # for the stamp of what has come already

_FRAME = re.compile(r"showinfo.* n: *\d+ pts: *(-?\d+|NOPTS)")
_BLOCK = re.compile(r"ashowinfo.* n:\d+ pts:(-?\d+|NOPTS) .*rate:(\d+) nb_samples:(\d+)")


@dataclass(frozen=True, slots=True)
class Block:
    """Sound that was decoded at once.

    Attributes
    ----------
    stamp_seconds : float or None
        When it begins; None where nobody says.
    seconds : float
        How long it is.
    """

    stamp_seconds: float | None
    seconds: float


class DecoderStamps:
    """The stamps that ffmpeg tells on its stderr, for whoever reads its stdout.

    ffmpeg tells them before what they belong to, but in another pipe, which may be read later.
    """

    def __init__(self) -> None:
        self._stamps: deque[Block] = deque()
        self._told = self._again = 0  # stamps that were told; that are still to be told again
        self._is_over = False  # ffmpeg has said all that it will
        self._more = Condition()

    def begin(self) -> None:
        """ffmpeg begins, or another one in its place, which will tell the same stamps."""
        self._again, self._is_over = self._told, False

    def end(self) -> None:
        """ffmpeg has ended: who waits for a stamp need not."""
        with self._more:
            self._is_over = True
            self._more.notify()

    def hear(self, line: str) -> None:
        """Take a line of ffmpeg's; called in the thread that reads them."""
        if found := _BLOCK.search(line):
            self._add(Block(_seconds(found[1]), int(found[3]) / int(found[2])))
        elif found := _FRAME.search(line):
            self._add(Block(_seconds(found[1]), 0.0))

    def next(self, wait_seconds: float = WAIT_SECONDS) -> Block | None:
        """The next stamp; None where none comes."""
        with self._more:
            self._more.wait_for(lambda: self._stamps or self._is_over, wait_seconds)
            return self._stamps.popleft() if self._stamps else None

    def _add(self, block: Block) -> None:
        if self._again:
            self._again -= 1
            return
        self._told += 1
        with self._more:
            self._stamps.append(block)
            self._more.notify()


def _seconds(told: str) -> float | None:
    return None if told == "NOPTS" else int(told) / 1e6
