"""Moves the sound of a file: plan -> write -> prove -> where ffmpeg was inexact, once more.

What is not proved is not to be published. By copy, all packets are looked at; sound that was
encoded again is listened to.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from avsync.media import packets
from avsync.media.container import Inventory, take_inventory
from avsync.media.probe import probe
from avsync.remux.encodings import Encoding, encodings_for
from avsync.remux.hearing import Sound, seconds_late
from avsync.remux.options import RemuxOptions
from avsync.remux.plan import AudioCorrection, Plan, moved_streams, must_reencode, plan
from avsync.remux.proof import Difference, Original, compare
from avsync.remux.run import Planner, write
from avsync.system.progress import Progress, silent

COARSE_SECONDS = 0.002  # longer ticks do not take a shift as it is: compressed sound in AVI
LISTENED_SECONDS = 0.002  # that encoded sound may be off
TRIES = 3  # after the first it is known by how much ffmpeg is off
EVEN = "even"  # in the name of a copy whose stamps can be moved


@dataclass(frozen=True, slots=True)
class Move:
    """What is to be done to a file.

    Attributes
    ----------
    inventory : Inventory
        What is in the file.
    target : Path
        Where it will be.
    cure : AudioCorrection
        How the sound moves.
    remux : RemuxOptions
        How the output is written.
    mended : bool
        Let ffmpeg close the places where stamps leap.
    """

    inventory: Inventory
    target: Path
    cure: AudioCorrection
    remux: RemuxOptions
    mended: bool = False

    @property
    def is_copy(self) -> bool:
        """Whether no sound is encoded again."""
        return must_reencode(self.target.suffix, self.cure, self.remux) is None

    @property
    def delays(self) -> dict[int, float]:
        """Seconds by which streams are delayed, by their index."""
        moved = moved_streams(self.inventory, self.remux)
        return {stream.index: self.cure.delay_ms / 1000 for stream in moved}

    def planner(self, corrections: Mapping[int, float] | None = None) -> Planner:
        """What ffmpeg has to do, with the encoders it has; seconds to delay streams by, beside."""
        encodings: dict[int, Encoding] = {}
        start = 0.0
        if not self.is_copy:
            encodings = encodings_for(self.inventory, moved_streams(self.inventory, self.remux))
            start = _picture_start_seconds(self.inventory)
        return lambda left_out: plan(
            self.inventory,
            self.target.suffix,
            self.cure,
            self.remux,
            encodings,
            start,
            corrections,
            left_out,
            self.mended,
        )

    def evened(self) -> "Move":
        """A copy before that, with nothing moved, all stamps fine and without leaps."""
        return replace(self, cure=AudioCorrection(0.0), remux=RemuxOptions(), mended=True)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a draft.

    Attributes
    ----------
    notes : tuple of str
        What was noticed.
    doubts : tuple of str
        Why it is not what it should be; empty: proved.
    """

    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def write_proved(move: Move, draft: Path, progress: Progress = silent) -> Written:
    """Write `draft`, which stands for the target, and prove it.

    Raises MediaError where it cannot be written.
    """
    original = _original(move)
    if original.is_broken:
        return Written(doubts=("its time stamps go back: encode it anew first",))
    if not must_be_evened(move, original):
        return _write(move, original, draft, progress)
    even = draft.with_name(f".{EVEN}{draft.suffix}")  # short: the draft's name may be of any length
    try:
        planned, notes = write(move.evened().planner(), move.inventory, even, move.target, progress)
        if doubts := compare(original, even, planned.streams, {}).reasons:
            return Written(notes, doubts)
        again = replace(move, inventory=take_inventory(even))
        written = _write(again, Original.of(again.inventory), draft, progress)
    finally:
        even.unlink(missing_ok=True)
    return replace(written, notes=(*notes, *written.notes))


def steps(move: Move) -> list[tuple[Plan, Path, Path]]:
    """What is planned, from where and to where: in one step or, by a copy that is made even, two.

    The second is planned before the first is done, and may differ in what a container makes anew.
    """
    path, target = move.inventory.path, move.target
    if not must_be_evened(move, _original(move)):
        return [(move.planner()(()), path, target)]
    first, even = move.evened().planner()(()), target.with_name(f"{EVEN}-{target.name}")
    streams = {stream.index: stream for stream in move.inventory.streams}
    written = tuple(replace(streams[old], index=new) for new, old in enumerate(first.streams))
    inventory = replace(move.inventory, path=even, form="", start_seconds=0.0, streams=written)
    return [
        (first, path, even),
        (replace(move, inventory=inventory).planner()(()), even, target),
    ]


def _original(move: Move) -> Original:
    original = Original.of(move.inventory)
    return Original.of(move.inventory, mended=True) if original.leaps else original


def must_be_evened(move: Move, original: Original) -> bool:
    """Whether a plain copy comes first, as the stamps of the file cannot be moved as they are."""
    moved = (original.stamps[index] for index in move.delays if index in original.stamps)
    coarse = (stamps.tick_seconds > COARSE_SECONDS for stamps in moved)
    return move.is_copy and (original.was_mended or any(coarse))


def _write(move: Move, original: Original, draft: Path, progress: Progress) -> Written:
    corrections: dict[int, float] = {}
    for _ in range(TRIES):
        planned, notes = write(
            move.planner(corrections), move.inventory, draft, move.target, progress
        )
        found = _compared(move, original, draft, planned)
        if found.doubts or not found.seconds_off:
            break
        for index, seconds in found.seconds_off.items():
            corrections[index] = corrections.get(index, 0.0) - seconds
    return Written(notes, found.reasons)


def _compared(move: Move, original: Original, draft: Path, planned: Plan) -> Difference:
    """What is wrong with a draft: its packets, and sound that was encoded again."""
    if move.is_copy:
        return compare(original, draft, planned.streams, move.delays)
    found = compare(original, draft, planned.streams, {}, encoded=move.delays)
    if move.cure.stretch != 1.0 or original.was_mended or not original.pictures:
        return found
    off, doubts = dict(found.seconds_off), list(found.doubts)
    zero = original.inventory.start_seconds
    for index, delay in move.delays.items():
        if index not in found.indices:
            continue
        before = Sound(move.inventory.path, index, zero)
        after = Sound(draft, found.indices[index], zero + found.whole_seconds)
        late = seconds_late(before, after, delay)
        if late is not None and math.isinf(late):
            doubts.append(f"its sound (stream {index}) is not heard where it belongs")
        elif late is not None and abs(late) > LISTENED_SECONDS:
            off[index] = late
    return replace(found, doubts=tuple(doubts), seconds_off=off)


def _picture_start_seconds(inventory: Inventory) -> float:
    """How long after the file its picture starts."""
    video = probe(inventory.path).video
    first = packets.first_stamp_seconds(inventory.path, video.index) if video else None
    return 0.0 if first is None else max(0.0, first - inventory.start_seconds)
