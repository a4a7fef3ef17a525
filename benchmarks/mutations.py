"""Small talking faces in every container that avsync writes, and how they are damaged.

All damage follows from a seed and the file's name, so that any file can be made again alone.
"""

import subprocess
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from avsync.media.ffmpeg import find_ffmpeg, input_url

TALKING = Path(__file__).parent.parent / "docs" / "talking.mp4"
SECONDS = 5
LARGEST_BYTES = 20_000_000  # wild stamps make some containers fill gaps
MAKING_SECONDS = 60
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "25")
MPEG = ("-c:v", "mpeg2video", "-q:v", "4")
KINDS: dict[str, tuple[str, ...]] = {
    "mp4": (*H264, "-c:a", "aac"),
    "mov": (*H264, "-c:a", "pcm_s16le"),
    "mkv": (*H264, "-c:a", "aac"),
    "webm": ("-c:v", "libvpx", "-b:v", "400k", "-deadline", "realtime", "-c:a", "libopus"),
    "ts": (*H264, "-c:a", "aac"),
    "m2ts": (*MPEG, "-c:a", "ac3"),
    "flv": (*H264, "-c:a", "aac"),
    "mpg": (*MPEG, "-c:a", "mp2"),
    "avi": ("-c:v", "mpeg4", "-q:v", "4", "-c:a", "libmp3lame"),
    "wmv": ("-c:v", "wmv2", "-q:v", "4", "-c:a", "wmav2"),
}
DAMAGES = ("flipped", "wiped", "cut", "doubled", "spliced", "stamped")
STAMPED = DAMAGES[-1]  # its stamps were changed on purpose


def make_seeds(folder: Path) -> dict[str, Path]:
    """The same seconds of a talking face in each container."""
    seeds = {kind: folder / f"seed.{kind}" for kind in KINDS}
    for kind, codecs in KINDS.items():
        small = ("-t", str(SECONDS), "-i", input_url(TALKING), "-vf", "scale=320:180")
        sound = ("-ar", "48000", "-b:a", "64k")
        _ffmpeg(*small, *codecs, *sound, input_url(seeds[kind])).check_returncode()
    return seeds


def names(each: int) -> Iterator[str]:
    """File names, `each` of every damage to every seed, so mixed that the first few differ."""
    kinds = list(KINDS)
    for number in range(each):
        for turn in range(len(DAMAGES)):
            for place, kind in enumerate(kinds):
                yield f"{DAMAGES[(place + turn) % len(DAMAGES)]}-{number:03d}.{kind}"


def make(name: str, seeds: dict[str, Path], seed: int, folder: Path) -> Path | None:
    """Make the file of that name; None where ffmpeg would not write such stamps."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    damage, kind = name.split("-")[0], name.rsplit(".")[-1]
    path = folder / name
    if damage == STAMPED:
        _ffmpeg(
            *("-i", input_url(seeds[kind]), "-map", "0", "-c", "copy", *_wild_stamps(rng)),
            *("-fs", str(LARGEST_BYTES), input_url(path)),
        )
        return path if path.exists() and path.stat().st_size else None
    other = seeds[str(rng.choice(list(seeds)))].read_bytes()
    data = np.frombuffer(seeds[kind].read_bytes(), np.uint8)
    path.write_bytes(_damaged(damage, data, np.frombuffer(other, np.uint8), rng).tobytes())
    return path


def _damaged(
    damage: str, data: np.ndarray, other: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    size = len(data)
    length = int(size ** rng.uniform(0.2, 0.95))  # as often a few bytes as most of the file
    start = _place(rng, size - length)
    if damage == "flipped":
        flipped = data.copy()
        for place in {_place(rng, size) for _ in range(4 ** int(rng.integers(0, 6)))}:
            flipped[place] ^= 1 << int(rng.integers(8))
        return flipped
    if damage == "wiped":
        wiped = data.copy()
        noise = rng.integers(0, 256, length, np.uint8)
        wiped[start : start + length] = (0, 255, noise)[int(rng.integers(3))]
        return wiped
    if damage == "cut":
        pieces = (data[:length], data[length:], np.r_[data[:start], data[start + length :]])
        return np.asarray(pieces[int(rng.integers(3))])
    if damage == "doubled":
        return np.asarray(np.r_[data[: start + length], data[start:]])
    place = _place(rng, size)
    moved = np.r_[data[:start], data[start + length :]]
    spliced = (  # into one of another kind, its own beginning again, or a piece elsewhere
        np.r_[data[:place], other[_place(rng, len(other)) :]],
        np.r_[data[:place], data],
        np.r_[moved[:place], data[start : start + length], moved[place:]],
    )
    return np.asarray(spliced[int(rng.integers(3))])


def _place(rng: np.random.Generator, size: int) -> int:
    """Anywhere in a file, and as often near its beginning or end, where its index is."""
    near = min(size, 4096)
    anywhere, beginning = int(rng.integers(max(1, size))), int(rng.integers(max(1, near)))
    return (anywhere, anywhere, beginning, max(0, size - 1 - beginning))[int(rng.integers(4))]


def _wild_stamps(rng: np.random.Generator) -> Sequence[str]:
    """ffmpeg's options for stamps as no camera writes them."""
    seconds = float(rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 6))
    packet = int(rng.integers(5, 100))
    stamps = (
        f"TS+({seconds:.3f})/TB",  # one stream elsewhere
        f"TS+gt(N,{packet})*({seconds:.3f})/TB",  # a leap, ahead or back
        f"TS+eq(N,{packet})*({seconds:.3f})/TB",  # a single wild packet
        f"TS+between(N,{packet},{packet + 9})*({seconds:.3f})/TB",
        f"TS+random(0)*{min(abs(seconds), 2):.3f}/TB",
        f"TS*{10 ** rng.uniform(-2, 2):.4f}",
        f"TS-mod(N,{packet})/TB/25",
        f"if(gt(N,{packet}),{packet}/TB/25,TS)",  # time stands still
    )
    stream = str(rng.choice(["v", "a"]))
    if rng.random() < 0.2:  # all of it elsewhere, also where 33 bits of 90 kHz wrap
        start = float(rng.choice([seconds, 95_443.717 - SECONDS / 2, -SECONDS / 2]))
        return ("-output_ts_offset", f"{start:.3f}", "-muxdelay", "0", "-muxpreload", "0")
    chosen = str(rng.choice(stamps)).replace(",", r"\,")  # which would end the filter
    return (f"-bsf:{stream}", f"setts=ts={chosen}", "-avoid_negative_ts", "disabled")


def _ffmpeg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments]
    return subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=MAKING_SECONDS
    )
