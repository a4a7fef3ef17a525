"""Time to the right: of long files, only what was looked at, piece beside piece."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from avsync.pages.charts import Tick, clock, percent, time_ticks

GAP_PERCENT = 1.0  # between pieces
WHOLE_SHARE = 0.99  # of a film; who has looked at so much has looked at all of it
LEAST_PERCENT = 0.05  # that is still seen


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the film, and where it is drawn, in percent."""

    start_seconds: float
    end_seconds: float
    left: float
    width: float

    def x(self, seconds: float) -> float:
        """Where a moment lies; beyond an end: at it."""
        share = percent(seconds, self.start_seconds, self.end_seconds) / 100
        return round(self.left + self.width * min(1.0, max(0.0, share)), 3)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """How moments of a film lie beside each other."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, duration: float, looks: Sequence[tuple[float, float]]) -> "TimeAxis":
        """All of a film, or the parts that were looked at where they are but a small share."""
        seen = sum(end - start for start, end in looks)
        if not looks or seen >= WHOLE_SHARE * duration:
            return cls((Piece(0.0, duration, 0.0, 100.0),))
        room = (100 - GAP_PERCENT * (len(looks) - 1)) / seen
        pieces, left = [], 0.0
        for start, end in looks:
            width = room * (end - start)
            pieces.append(Piece(start, end, left, width))
            left += width + GAP_PERCENT
        return cls(tuple(pieces))

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return len(self.pieces) == 1

    def spans(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """(left, width) in percent of what is drawn of a stretch of time."""
        for piece in self.pieces:
            if end > piece.start_seconds and start < piece.end_seconds:
                left = piece.x(start)
                yield left, max(LEAST_PERCENT, round(piece.x(end) - left, 3))

    def ticks(self, most: int = 7) -> list[Tick]:
        """Moments along a whole film; of pieces, when each of them begins."""
        if self.is_whole:
            return time_ticks(self.pieces[0].end_seconds, most)
        every = -(-len(self.pieces) // most)
        return [Tick(piece.left, clock(piece.start_seconds)) for piece in self.pieces[::every]]
