"""How ffmpeg is told to move the sound: argument lists, nothing is run here.

By copy: the file is given once for each shift, with `-itsoffset`, and its time stamps are kept as
they are. (Left to itself ffmpeg counts each input from the start of its streams in use, in MPEG.
And the bitstream filter `setts`, which rewrites stamps, is told a time base by ffmpeg 5 that is not
that of its packets.) What must not become negative is delayed as a whole on its way into the
container, whose ticks are often finer than those of the file.

To bring the sound forward, containers without edit lists have no way to say "before the start":
there everything else is delayed, chapters and subtitles along with the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.media.container import Inventory
from avsync.media.listing import BESIDE_SECONDS
from avsync.media.streams import Stream
from avsync.remux.containers import (
    EDIT_LISTS,
    MATROSKA,
    NO_START_TIMES,
    attached,
    container_options,
    described,
    is_made_anew,
)
from avsync.remux.encodings import Encoding, filtered
from avsync.remux.options import RemuxOptions

OUTPUT = "file:OUTPUT"  # stands for the file to write
# What ffmpeg counts from the first of the streams in use, where a shift is exactly minus its start.
COUNTED_ANEW = ("mpegts", "mpeg", "ogg", "hls")
SHOWN = ("-fflags", "+genpts")  # where only decoding has a stamp, as with B-frames in AVI
PRIMING_SECONDS = 0.1  # of sound that an encoder puts before 0, at most
INTERLEAVE_SECONDS = 10  # ffmpeg's own limit, on top of which comes the shift


@dataclass(frozen=True, slots=True)
class AudioCorrection:
    """What is done to the sound: first stretched, then delayed.

    Attributes
    ----------
    delay_ms : float
        Negative: brought forward.
    stretch : float
        How many times as long the sound becomes.
    """

    delay_ms: float
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What ffmpeg is asked to do.

    Attributes
    ----------
    arguments : tuple of str
        Without the program; ends with OUTPUT.
    is_copy : bool
        No sound is encoded again.
    notes : tuple of str
        What is to be said of it.
    streams : tuple of int
        That are written, in order, by their index.
    optional : tuple of int
        Of them, those that may be left out where the container refuses.
    covers : tuple of int
        Pictures to extract first, see `cover_arguments`.
    """

    arguments: tuple[str, ...]
    is_copy: bool
    notes: tuple[str, ...]
    streams: tuple[int, ...]
    optional: tuple[int, ...]
    covers: tuple[int, ...]


def must_reencode(suffix: str, cure: AudioCorrection, remux: RemuxOptions) -> str | None:
    """Why the sound cannot be copied; None where it can."""
    if cure.stretch != 1.0:
        return "sound resampled to follow the picture"
    if remux.reencode_audio:
        return "sound encoded again, as asked for"
    if suffix.lower() in NO_START_TIMES:
        name = suffix[1:].upper()
        return (
            f"{name} cannot carry a start time, so the sound was encoded again; "
            "name an output in .mkv or .mp4 to have it copied"
        )
    return None


def moved_streams(inventory: Inventory, remux: RemuxOptions) -> list[Stream]:
    """The sound tracks that move. Raises MediaError where there is none, or not that one."""
    tracks = inventory.of_kind("Audio")
    if not tracks:
        raise MediaError(f"{inventory.path}: no audio stream; there is nothing to move")
    if remux.audio_track is None:
        return tracks
    if not 1 <= remux.audio_track <= len(tracks):
        raise MediaError(
            f"{inventory.path}: no audio track {remux.audio_track}; it has {len(tracks)}"
        )
    return [tracks[remux.audio_track - 1]]


def plan(
    inventory: Inventory,
    suffix: str,
    cure: AudioCorrection,
    remux: RemuxOptions,
    encodings: Mapping[int, Encoding],
    picture_start_seconds: float = 0.0,
    corrections: Mapping[int, float] | None = None,
    left_out: Sequence[int] = (),
    mended: bool = False,
) -> Plan:
    """Arguments that write the file with its sound cured.

    `suffix` is the output's; `encodings` say, by index, how the moved streams are encoded where
    `must_reencode`; the picture starts `picture_start_seconds` after the container; `corrections`
    are seconds by which a stream is delayed on top of its cure, by index; `mended`: stamps may
    change, so that they go on where they leap.
    """
    suffix, corrections = suffix.lower(), corrections or {}
    why = must_reencode(suffix, cure, remux)
    moved = moved_streams(inventory, remux)
    kept = [s for s in inventory.streams if s.index not in left_out and not is_made_anew(s, suffix)]
    optional = (s.index for s in kept if s.kind not in ("Video", "Audio") or s.is_cover)
    covers = [s for s in kept if s.is_cover and suffix in MATROSKA]
    kept = [s for s in kept if s not in covers]
    cured = {stream.index: cure.delay_ms / 1000 for stream in moved}
    delays = {s.index: cured.get(s.index, 0.0) + corrections.get(s.index, 0.0) for s in kept}
    sound: list[str] = []
    if mended:
        source = _opened(inventory.path, delays)
    elif why:
        how = cure.stretch, remux.keep_pitch, picture_start_seconds, suffix in NO_START_TIMES
        sound = filtered(kept, encodings, delays, *how)
        shifts = {index: 0.0 if index in encodings else delays[index] for index in delays}
        source = _opened(inventory.path, shifts)
    else:
        forward = 0.0 if suffix in EDIT_LISTS else max(0.0, -cure.delay_ms / 1000)
        source = _kept_stamps(inventory, delays, forward)
    arguments = [
        *("-y", *source, "-copy_unknown", "-c", "copy", "-map_metadata", "0"),
        *sound,
        *described(kept, suffix),
        *attached(covers, len(kept)),
        *container_options(inventory, suffix),
        "-max_interleave_delta",
        str(round(1e6 * INTERLEAVE_SECONDS + 1e3 * abs(cure.delay_ms))),
        OUTPUT,
    ]
    return Plan(
        tuple(arguments),
        not why,
        (why,) if why else (),
        tuple(stream.index for stream in kept),
        tuple(optional),
        tuple(cover.index for cover in covers),
    )


def cover_arguments(path: Path, index: int) -> list[str]:
    """Arguments that write a cover picture, as it is, to OUTPUT."""
    source = ["-y", "-i", ffmpeg.input_url(path), "-map", f"0:{index}"]
    return [*source, "-c", "copy", "-frames", "1", "-f", "image2pipe", OUTPUT]


def _kept_stamps(
    inventory: Inventory, delays: Mapping[int, float], forward_seconds: float
) -> list[str]:
    """Inputs and maps for a copy that keeps all stamps but for the delays in seconds.

    It starts with 0, or later by so much as the sound is brought forward. What an encoder put
    before 0 stays there, if the container knows of such.
    """
    start = inventory.start_seconds
    later = forward_seconds - (0.0 if -PRIMING_SECONDS < start < 0 else start)
    beside = BESIDE_SECONDS if inventory.form in COUNTED_ANEW else 0.0
    return [
        "-copyts",
        *_opened(inventory.path, delays, beside, later if inventory.has_chapters else None),
        *("-output_ts_offset", f"{later:.6f}"),
    ]


def _opened(
    path: Path,
    delays: Mapping[int, float],
    beside_seconds: float = 0.0,
    chapters_later: float | None = None,
) -> list[str]:
    """Inputs, one for each delay in seconds, and maps that take each stream from its own.

    Chapters go with the first input, or come from one of their own, some seconds later.
    """
    url, places, maps = ffmpeg.input_url(path), {0.0: 0}, []
    for index, seconds in delays.items():
        place = places.setdefault(round(seconds, 6), len(places))
        maps += ["-map", f"{place}:{index}"]
    shifts = [seconds + beside_seconds for seconds in places]
    chapters = 0
    if chapters_later is not None:
        chapters, shifts = len(shifts), [*shifts, chapters_later]
    inputs = (("-itsoffset", f"{seconds:.6f}", *SHOWN, "-i", url) for seconds in shifts)
    return [*chain.from_iterable(inputs), *maps, "-map_chapters", str(chapters)]
