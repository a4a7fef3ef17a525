"""Picture from one file and sound from another become one file, copied: it is then put right.

The earliest moments of both are taken for the same, as where the two are only measured.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.media.container import Inventory, take_inventory
from avsync.media.listing import BESIDE_SECONDS
from avsync.media.streams import Stream
from avsync.remux.containers import (
    MATROSKA,
    NO_START_TIMES,
    attached,
    container_options,
    described,
    is_made_anew,
)
from avsync.remux.plan import OUTPUT, SHOWN, Plan
from avsync.remux.proof import Original, compare
from avsync.remux.run import write
from avsync.system.atomic import safe_output
from avsync.system.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Pair:
    """What is to be made one file.

    Attributes
    ----------
    picture, sound : Inventory
        What is in the files.
    track : Stream
        The sound that is taken.
    keeps_own : bool
        Whether the picture's own sound is kept, too; all else of its file is.
    """

    picture: Inventory
    sound: Inventory
    track: Stream
    keeps_own: bool = False

    @classmethod
    def of(
        cls, picture: Path, sound: Path, audio_track: int | None = None, keeps_own: bool = False
    ) -> "Pair":
        """Look at both files. Raises MediaError where there is no such sound."""
        of_sound = take_inventory(sound)
        tracks = of_sound.of_kind("Audio")
        if not tracks:
            raise MediaError(f"{sound}: no audio stream; there is no sound to take")
        if not 1 <= (audio_track or 1) <= len(tracks):
            raise MediaError(f"{sound}: no audio track {audio_track}; it has {len(tracks)}")
        return cls(take_inventory(picture), of_sound, tracks[(audio_track or 1) - 1], keeps_own)

    @property
    def index(self) -> int:
        """Of the sound, behind the indices of the picture's file."""
        return 1 + max(stream.index for stream in self.picture.streams)

    @property
    def own(self) -> list[Stream]:
        """The picture's own sounds that are kept; none of them is played unless asked for."""
        tracks = self.picture.of_kind("Audio") if self.keeps_own else []
        return [replace(track, words=track.words.replace("(default)", "")) for track in tracks]

    @property
    def inventory(self) -> Inventory:
        """What will be in the one file, the sound last."""
        track = replace(self.track, index=self.index)
        others = (stream for stream in self.picture.streams if stream.kind != "Audio")
        return replace(self.picture, streams=(*others, *self.own, track))

    @property
    def original(self) -> Original:
        """The stamps of both, the sound's as late as its file begins after the picture's."""
        film, alone = self.inventory, replace(self.sound, streams=(self.track,))
        stamps = Original.of(replace(film, streams=film.streams[:-1])).stamps
        heard = Original.of(alone).stamps[self.track.index]
        return Original(film, {**stamps, self.index: heard}, was_mended=False)

    @property
    def delay_seconds(self) -> float:
        """Of the sound's stamps, for the earliest moments of both to be the same."""
        return self.picture.start_seconds - self.sound.start_seconds

    def plan(self, suffix: str, left_out: tuple[int, ...] = ()) -> Plan:
        """What ffmpeg has to do; optional streams may be left out."""
        streams = [s for s in self.inventory.streams if s.index not in left_out]
        kept = [s for s in streams if not is_made_anew(s, suffix)]
        covers = [s for s in kept if s.is_cover and suffix in MATROSKA]
        kept = [s for s in kept if s not in covers]
        optional = (s.index for s in kept if s.kind not in ("Video", "Audio") or s.is_cover)
        inputs = [*_opened(self.picture), *_opened(self.sound)]
        maps = [part for s in kept for part in ("-map", self._place(s))]
        arguments = [
            *("-y", "-copyts", *inputs, *maps, "-map_chapters", "0", "-map_metadata", "0"),
            *("-output_ts_offset", f"{-BESIDE_SECONDS:.6f}", "-copy_unknown", "-c", "copy"),
            *(*described(kept, suffix), f"-disposition:{len(kept) - 1}", "default"),
            *attached(covers, len(kept)),
            *container_options(self.picture, suffix),
            OUTPUT,
        ]
        written = tuple(s.index for s in kept)
        return Plan(
            tuple(arguments), True, (), written, tuple(optional), tuple(c.index for c in covers)
        )

    def command(self, output: Path) -> str:
        """The same for a shell."""
        plan = self.plan(output.suffix.lower())
        real = [ffmpeg.input_url(output) if part == OUTPUT else part for part in plan.arguments]
        return shlex.join([ffmpeg.find_ffmpeg(), "-nostdin", *real])

    def _place(self, stream: Stream) -> str:
        return f"1:{self.track.index}" if stream.index == self.index else f"0:{stream.index}"


@contextmanager
def joined(
    pair: Pair, target: Path, force: bool, progress: Progress = silent
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """One file of two, beside where the target will be, and notes; it goes when the block ends.

    Raises AvsyncError where it cannot be written, or is not what it was to be.
    """
    suffix, film = between(target), pair.inventory
    size = pair.picture.path.stat().st_size + pair.sound.path.stat().st_size
    with safe_output(pair.picture.path, target, force, size) as whole:
        draft = whole.path.with_suffix(suffix)
        planned, notes = write(lambda out: pair.plan(suffix, out), film, draft, target, progress)
        delays = {pair.index: pair.delay_seconds}
        if doubts := compare(pair.original, draft, planned.streams, delays).reasons:
            raise MediaError(f"{target}: {'; '.join(doubts)}; encode its sound anew first")
        yield draft, notes


def between(target: Path) -> str:
    """The suffix of the one file: the target's, unless sound could not begin anywhere there."""
    suffix = target.suffix.lower()
    return ".mkv" if suffix in NO_START_TIMES else suffix


def _opened(inventory: Inventory) -> list[str]:
    """An input whose earliest stamp becomes a little more than 0: less is counted anew."""
    shift = f"{BESIDE_SECONDS - inventory.start_seconds:.6f}"
    return ["-itsoffset", shift, *SHOWN, "-i", ffmpeg.input_url(inventory.path)]
