"""How ffmpeg is told to move the sound: argument lists, nothing is run here.

By copy: the file is read once, and the time stamps of the sound are rewritten on their way to the
container by the bitstream filter `setts`. (The usual recipe, the file given twice with
`-itsoffset`, is wrong in MPEG streams: ffmpeg counts each input there from the first of the
streams used of it, so that the sound is off by how far its start was from the picture's.)

To bring the sound forward, containers without edit lists have no way to say "before the start":
there everything else is delayed, chapters and subtitles along with the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsync import ffmpeg
from avsync.banner import Stream
from avsync.containers import (
    EDIT_LISTS,
    MATROSKA,
    NO_START_TIMES,
    attached,
    container_options,
    described,
    is_made_anew,
)
from avsync.errors import MediaError
from avsync.inventory import Inventory
from avsync.resampling import sound_filter

OUTPUT = "file:OUTPUT"  # stands for the file to write
LOSSLESS = ("pcm_", "flac", "alac", "wavpack", "tta", "truehd", "mlp")
PREFERRED = {"mp3": "libmp3lame", "opus": "libopus", "vorbis": "libvorbis", "mp2": "mp2"}
# Samples that encoders put in front, which a container without start times cannot take back.
PRIMING_SAMPLES = {"libmp3lame": 1105, "aac": 1024, "mp2": 481, "ac3": 256, "eac3": 256}
INTERLEAVE_SECONDS = 10  # ffmpeg's own limit, on top of which comes the shift


@dataclass(frozen=True, slots=True)
class Cure:
    """What is done to the sound: first stretched, then delayed."""

    delay_ms: float  # negative: brought forward
    stretch: float = 1.0  # how many times as long the sound becomes


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a file is to be written."""

    audio_track: int | None = None  # 1-based; None: all
    reencode_audio: bool = False
    keep_pitch: bool = False


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a sound track is encoded again."""

    encoder: str
    bits_per_second: int | None  # None: lossless


@dataclass(frozen=True, slots=True)
class Plan:
    """What ffmpeg is asked to do."""

    arguments: tuple[str, ...]  # without the program; ends with OUTPUT
    is_copy: bool  # no sound is encoded again
    notes: tuple[str, ...]
    optional: tuple[int, ...]  # streams that may be left out where the container refuses them
    covers: tuple[int, ...]  # pictures to extract first, see `cover_arguments`


def must_reencode(suffix: str, cure: Cure, wishes: Wishes) -> str | None:
    """Why the sound cannot be copied; None where it can."""
    if cure.stretch != 1.0:
        return "sound resampled to follow the picture"
    if wishes.reencode_audio:
        return "sound encoded again, as asked for"
    if suffix.lower() in NO_START_TIMES:
        name = suffix[1:].upper()
        return (
            f"{name} cannot carry a start time, so the sound was encoded again; "
            "name an output in .mkv or .mp4 to have it copied"
        )
    return None


def moved_streams(inventory: Inventory, wishes: Wishes) -> list[Stream]:
    """The sound tracks that move. Raises MediaError where there is none, or not that one."""
    tracks = inventory.of_kind("Audio")
    if not tracks:
        raise MediaError(f"{inventory.path}: no audio stream; there is nothing to move")
    if wishes.audio_track is None:
        return tracks
    if not 1 <= wishes.audio_track <= len(tracks):
        raise MediaError(
            f"{inventory.path}: no audio track {wishes.audio_track}; it has {len(tracks)}"
        )
    return [tracks[wishes.audio_track - 1]]


def plan(
    inventory: Inventory,
    suffix: str,
    cure: Cure,
    wishes: Wishes,
    encodings: dict[int, Encoding],
    picture_start_seconds: float = 0.0,
    left_out: Sequence[int] = (),
) -> Plan:
    """Arguments that write the file with its sound cured.

    `suffix` is the output's; `encodings` say, by index, how the moved streams are encoded where
    `must_reencode`; the picture starts `picture_start_seconds` after the container.
    """
    suffix = suffix.lower()
    why = must_reencode(suffix, cure, wishes)
    moved = moved_streams(inventory, wishes)
    kept = [s for s in inventory.streams if s.index not in left_out and not is_made_anew(s, suffix)]
    optional = (s.index for s in kept if s.kind not in ("Video", "Audio") or s.is_cover)
    covers = [s for s in kept if s.is_cover and suffix in MATROSKA]
    kept = [s for s in kept if s not in covers]
    if why:
        before: list[str] = []
        primed = suffix in NO_START_TIMES
        sound = _encoded(kept, moved, cure, wishes, encodings, picture_start_seconds, primed)
    else:
        before, sound = _copied(kept, moved, cure, suffix)
    arguments = [
        *("-y", *before, "-i", ffmpeg.input_url(inventory.path), "-copy_unknown"),
        *(part for stream in kept for part in ("-map", f"0:{stream.index}")),
        *("-c", "copy", "-map_metadata", "0", "-map_chapters", "0"),
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
        tuple(optional),
        tuple(cover.index for cover in covers),
    )


def cover_arguments(path: Path, index: int) -> list[str]:
    """Arguments that write a cover picture, as it is, to OUTPUT."""
    source = ["-y", "-i", ffmpeg.input_url(path), "-map", f"0:{index}"]
    return [*source, "-c", "copy", "-frames", "1", "-f", "image2pipe", OUTPUT]


def encoder_for(stream: Stream, available: frozenset[str]) -> str:
    """An encoder that makes the codec of a stream. Raises MediaError where ffmpeg has none."""
    for name in (PREFERRED.get(stream.codec), stream.codec):
        if name and name in available:
            return name
    raise MediaError(
        f"ffmpeg has no encoder for the sound's codec, {stream.codec}: leave out --reencode-audio, "
        "or convert the sound first"
    )


def is_lossless(codec: str) -> bool:
    """Whether encoding again loses nothing, and a bit rate means nothing."""
    return codec.startswith(LOSSLESS)


def _copied(
    kept: list[Stream], moved: list[Stream], cure: Cure, suffix: str
) -> tuple[list[str], list[str]]:
    """Options before the input, and those that rewrite the time stamps of the moved streams."""
    seconds = cure.delay_ms / 1000
    forward = seconds < 0 and suffix not in EDIT_LISTS
    before = ["-itsoffset", f"{-seconds:.6f}"] if forward else []
    sound = [
        part
        for place, stream in enumerate(kept)
        if stream in moved
        for part in (f"-bsf:{place}", f"setts=ts=TS+({seconds:.6f})/TB")
    ]
    return before, sound


def _encoded(
    kept: list[Stream],
    moved: list[Stream],
    cure: Cure,
    wishes: Wishes,
    encodings: dict[int, Encoding],
    picture_start_seconds: float,
    primed: bool,
) -> list[str]:
    """Options that filter and encode the moved streams; `primed`: make up for the priming."""
    options: list[str] = []
    for place, stream in enumerate(kept):
        if stream not in moved:
            continue
        encoding, rate = encodings[stream.index], stream.sample_rate or 48_000
        priming = PRIMING_SAMPLES.get(encoding.encoder, 0) / rate if primed else 0.0
        start = picture_start_seconds + priming
        chain = sound_filter(cure.delay_ms, cure.stretch, rate, start, wishes.keep_pitch)
        options += [f"-filter:{place}", chain, f"-c:{place}", encoding.encoder]
        if encoding.bits_per_second:
            options += [f"-b:{place}", str(encoding.bits_per_second)]
    return options
