"""Samples put where the stamps of their blocks say: sound on the timeline of the film."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from avsync.media.decoder_stamps import DecoderStamps
from avsync.media.timeline import Placer
from avsync.timebase import SAMPLE_RATE

GAP_SAMPLES = SAMPLE_RATE // 50  # sound that is stamped 20 ms off is moved there at once,
SLIGHT_SAMPLES = SAMPLE_RATE // 250  # what is 4 ms off for long, too; less is rounding
ROUNDING_SAMPLES = SAMPLE_RATE // 1000
MOST_ALIKE = 0.75  # of the blocks after an odd one agree on where they lie
LONG_BLOCKS = 20  # half a second
CHUNK_SAMPLES = 10 * SAMPLE_RATE
RESAMPLER_SAMPLES = 32  # that a resampler may give more than its share
NOTED_SAMPLES = SAMPLE_RATE // 2  # of gaps and overlaps that are worth a word

Samples = NDArray[np.int16]  # (N, C)


def placed_samples(
    chunks: Iterable[Samples], stamps: DecoderStamps, placer: Placer, warnings: list[str]
) -> Iterator[Samples]:
    """Samples from film time 0 on, put where their stamps say.

    What starts late is preceded by silence, and gaps are filled; what is stamped earlier than the
    end of what came before is cut. A few milliseconds are the rounding of a container, unless they
    stay: then a clock runs away. Where sound begins, its first half second tells when: the first
    stamp alone is odd in what some phones record.

    Parameters
    ----------
    chunks : iterable of numpy.ndarray
        (N, C) as they were decoded.
    stamps : DecoderStamps
        Of the blocks in which they were decoded.
    placer : Placer
        Tells their film time.
    warnings : list of str
        Gets where there is no sound for long, or it comes twice.

    Yields
    ------
    numpy.ndarray
        (N, C).
    """
    source, steady = _Source(chunks), _Steadiness()
    places = _Places(source, stamps, placer)
    written = run = 0  # samples that are given; and that come next, as they are
    was_cut = False  # all of the block before
    while source.has_more_than(run) and (place := places.next()) is not None:
        begins = place.begins or not (written or run)
        late = (places.start_samples(run) if begins else place.film_samples) - written - run
        count = place.samples
        if late and (begins or steady.is_off(late)):
            yield source.take(run)
            written, run = written + run, 0
            if written and abs(late) >= NOTED_SAMPLES and not was_cut:
                warnings.append(_note(written, late))
            if late > 0:
                yield from _silence(late, source.channels)
                written += late
            else:
                count -= len(source.take(min(count, -late)))
        was_cut = not count
        run += count
        if run >= CHUNK_SAMPLES:
            yield source.take(run)
            written, run = written + run, 0
    yield source.take(run)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a block of sound lies."""

    decoded_samples: int  # from the first one that was decoded to its first one
    samples: int
    film_samples: int  # where its stamp puts it on the film
    begins: bool  # another epoch of the file


class _Places:
    """The blocks of a track one after the other, with a look at those that follow."""

    def __init__(self, source: "_Source", stamps: DecoderStamps, placer: Placer) -> None:
        self._source, self._stamps, self._placer = source, stamps, placer
        self._decoded = 0.0  # seconds, of all blocks so far
        self._ahead: deque[_Place] = deque()
        self._here: _Place | None = None

    def next(self) -> _Place | None:
        """The next block; None where none comes."""
        self._here = self._ahead.popleft() if self._ahead else self._read()
        return self._here

    def start_samples(self, before: int) -> int:
        """Where this block lies: by its own stamp, unless those of the next half second agree.

        They do where a phone stamps the first block oddly; not where ffmpeg guesses the stamps
        between those that MPEG has.

        Parameters
        ----------
        before : int
            Samples that are still to be taken before those of this block.
        """
        here = self._here
        assert here is not None
        while len(self._ahead) < LONG_BLOCKS and self._has_come(before, here):
            place = self._read()
            if place is None:
                break
            self._ahead.append(place)
        near = [here]
        for place in self._ahead:
            if place.begins or len(near) > LONG_BLOCKS:
                break
            near.append(place)
        shifts = [place.film_samples - place.decoded_samples for place in near]
        usual = round(median(shifts))
        alike = sum(abs(shift - usual) <= ROUNDING_SAMPLES for shift in shifts)
        is_odd = abs(shifts[0] - usual) >= SLIGHT_SAMPLES and alike >= MOST_ALIKE * len(shifts[1:])
        return (usual if is_odd else shifts[0]) + here.decoded_samples

    def _has_come(self, before: int, here: _Place) -> bool:
        """Whether there is sound of another block, whose stamp is told then."""
        decoded = round(self._decoded * SAMPLE_RATE) - here.decoded_samples
        return self._source.has_more_than(before + decoded)

    def _read(self) -> _Place | None:
        block = self._stamps.next()
        if block is None:
            return None
        start, self._decoded = round(self._decoded * SAMPLE_RATE), self._decoded + block.seconds
        epoch = self._placer.epoch
        film = self._placer.place(block.stamp_seconds, block.seconds)
        return _Place(
            start,
            round(self._decoded * SAMPLE_RATE) - start,
            round(film * SAMPLE_RATE),
            self._placer.epoch != epoch,
        )


class _Steadiness:
    """Tells rounding of stamps from sound that is off them for good."""

    def __init__(self) -> None:
        self._blocks = 0  # one after the other that are off, to the same side
        self._side = 0

    def is_off(self, late_samples: int) -> bool:
        """Whether to move sound that comes so late."""
        side = (late_samples >= SLIGHT_SAMPLES) - (late_samples <= -SLIGHT_SAMPLES)
        self._blocks = self._blocks + 1 if side and side == self._side else abs(side)
        self._side = side
        if abs(late_samples) < GAP_SAMPLES and self._blocks < LONG_BLOCKS:
            return False
        self._blocks = 0
        return True


def cut(
    pieces: Iterable[NDArray[np.int16]], skipped: int, count: int | None
) -> Iterator[NDArray[np.int16]]:
    """Leave out the first samples, and end after so many more.

    Parameters
    ----------
    pieces : iterable of numpy.ndarray
        (N,) each.
    skipped : int
        Samples.
    count : int or None
        Samples; None: all.
    """
    for piece in pieces:
        kept = piece[skipped : None if count is None else skipped + count]
        skipped = max(0, skipped - len(piece))
        if len(kept):
            yield kept
        if count is not None and not (count := count - len(kept)):
            return


class _Source:
    """Samples that come in pieces, to be taken in others."""

    def __init__(self, chunks: Iterable[Samples]) -> None:
        self._chunks = iter(chunks)
        self._held: list[Samples] = []
        self._count = 0
        self.channels = 1
        self._is_over = False

    def has_more_than(self, count: int) -> bool:
        """Whether so many samples are there, and more than a resampler gives at its end."""
        self._read(count + RESAMPLER_SAMPLES)
        return self._count > count

    def take(self, count: int) -> Samples:
        """The next samples; fewer where there are no more."""
        self._read(count)
        whole = np.concatenate(self._held) if self._held else np.zeros((0, self.channels), np.int16)
        self._held, self._count = [whole[count:]], max(0, self._count - count)
        return whole[:count]

    def _read(self, count: int) -> None:
        while self._count < count and not self._is_over:
            chunk = next(self._chunks, None)
            self._is_over = chunk is None
            if chunk is not None:
                self.channels = chunk.shape[1]
                self._held.append(chunk)
                self._count += len(chunk)


def _silence(count: int, channels: int) -> Iterator[Samples]:
    for start in range(0, count, CHUNK_SAMPLES):
        yield np.zeros((min(CHUNK_SAMPLES, count - start), channels), np.int16)


def _note(written: int, late: int) -> str:
    at, seconds = written / SAMPLE_RATE, abs(late) / SAMPLE_RATE
    if late > 0:
        return f"no sound from {at:.1f} s on, for {seconds:.1f} s"
    return f"sound comes twice from {at - seconds:.1f} s on: {seconds:.1f} s of it were left out"
