"""What the stamps of a file's frames and packets say, asked of ffmpeg without avsync.

Where one of picture and sound is decoded, the other is copied along: alone, some versions of ffmpeg
move a stream that starts late to 0.
"""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from avsync.media.ffmpeg import find_ffmpeg, input_url
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

MICRO = 1_000_000  # the time base, as stamps in seconds are printed with six digits only
SIDE = 24  # pixels of the small pictures that frames are known by
PICTURE = f"settb=AVTB,showinfo,scale={SIDE}:{SIDE}:flags=area,format=yuv420p"
SOUND = "asettb=AVTB,ashowinfo,aformat=sample_fmts=flt:channel_layouts=mono"
RAW = ("-fps_mode", "passthrough", "-c:v", "rawvideo", "-f", "rawvideo")
SAID_PICTURE = re.compile(rb"Parsed_showinfo.*? pts: *(\S+)")
SAID_SOUND = re.compile(rb"Parsed_ashowinfo.*? pts:(\S+) .*? rate:(\d+) nb_samples:(\d+)")
SEARCH_MS = np.arange(-400, 401, 10)
PACKET = re.compile(rb"^(\d+), *(\S+), *(\S+), *\d+, *(\d+), *(0x\w+)", re.MULTILINE)
TIME_BASE = re.compile(rb"^#tb (\d+): (\d+)/(\d+)", re.MULTILINE)
KIND = re.compile(rb"^#media_type (\d+): (\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Decoded:
    """Frames and samples of a file on its own timeline, in seconds."""

    frame_seconds: NDArray[np.float64]  # in order of showing
    frames: NDArray[np.float32]  # (frames, pixels)
    sound_seconds: NDArray[np.float64]  # of each sample
    sound: NDArray[np.float32]

    @property
    def has_both(self) -> bool:
        """Whether there are pictures and samples."""
        return bool(len(self.frame_seconds) and len(self.sound_seconds))

    @property
    def start_seconds(self) -> float:
        """Of what comes first."""
        return float(min(self.frame_seconds[0], self.sound_seconds.min()))

    def samples(self, start_seconds: float) -> NDArray[np.float32]:
        """Sound at the rate of the analysis from some time on; silence where there is none."""
        order = np.argsort(self.sound_seconds, kind="stable")
        seconds, sound = self.sound_seconds[order], self.sound[order]
        count = max(0, int((seconds[-1] - start_seconds) * SAMPLE_RATE))
        times = start_seconds + np.arange(count) / SAMPLE_RATE
        after = np.clip(np.searchsorted(seconds, times), 1, len(seconds) - 1)
        is_gap = (seconds[after] - seconds[after - 1] > 0.01) | (times < seconds[0])
        return np.where(is_gap, 0, np.interp(times, seconds, sound)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Track:
    """The packets of a stream, in order."""

    kind: str  # video, audio, subtitle, data
    seconds: tuple[float | None, ...]  # when they are shown
    sums: tuple[str, ...]


def decode(path: Path) -> Decoded:
    """The first film and the first sound track of a file; empty what cannot be decoded."""
    seen, frames = _decoded(path, "0:V:0", "0:a:0", "-vf", PICTURE, *RAW)
    said, raw = _decoded(path, "0:a:0", "0:V:0", "-af", SOUND, "-c:a", "pcm_f32le", "-f", "f32le")
    # Brightness alone, as it is in the file: of grey, versions have different ideas.
    frames = frames.reshape(-1, SIDE * SIDE * 3 // 2)[:, : SIDE * SIDE]
    sound: NDArray[np.float32] = raw.view("<f4")
    shown = np.array([int(at) / MICRO for at in SAID_PICTURE.findall(seen) if at != b"NOPTS"])
    heard = [
        int(at) / MICRO + np.arange(int(count)) / int(rate)
        for at, rate, count in SAID_SOUND.findall(said)
        if at != b"NOPTS"
    ]
    times = np.concatenate(heard) if heard else np.zeros(0)
    if len(shown) != len(frames) or len(times) != len(sound):
        raise ValueError(f"{path}: not as many stamps as frames and samples")
    order = np.argsort(shown, kind="stable")
    return Decoded(shown[order], frames[order].astype(np.float32), times, sound)


def packets(path: Path) -> list[Track]:
    """Stamps and checksums of all streams of a file, nothing decoded."""
    source = ("-copyts", "-i", input_url(path), "-map", "0", "-c", "copy", "-copy_unknown")
    options = ("-copyinkf", "-avoid_negative_ts", "disabled", "-f", "framecrc", "pipe:1")
    listed = _run(*source, *options).stdout
    bases = {place: int(a) / int(b) for place, a, b in TIME_BASE.findall(listed)}
    kinds = {place: kind.decode() for place, kind in KIND.findall(listed)}
    lines: dict[bytes, list[tuple[float | None, str]]] = {place: [] for place in kinds}
    for place, _, shown, size, crc in PACKET.findall(listed):
        seconds = int(shown) * bases[place] if shown.lstrip(b"-").isdigit() else None
        lines.setdefault(place, []).append((seconds, f"{size.decode()}:{crc.decode()}"))
    return [
        Track(kinds[place], tuple(s for s, _ in lines[place]), tuple(c for _, c in lines[place]))
        for place in sorted(lines, key=int)
        if place in kinds
    ]


def moved_ms(before: Track, after: Track) -> tuple[float, float] | None:
    """(least, most) that packets of a track were moved by; None where they are not the same ones.

    What an edit list skips at the beginning is missing. Packets are the same where their sums are,
    or where there are as many: some containers complete what encoders left out.
    """
    skipped = len(before.sums) - len(after.sums)
    if not after.sums or skipped < 0 or (skipped and before.sums[skipped:] != after.sums):
        return None
    pairs = zip(before.seconds[skipped:], after.seconds, strict=True)
    moves = [1000 * (b - a) for a, b in pairs if a is not None and b is not None]
    return (min(moves), max(moves)) if moves else None


def lag_ms(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """How much later the sound of the other is, at the rate of the analysis; None: silence."""
    size = 1 << (len(one) + len(other)).bit_length()
    spectrum = np.conj(np.fft.rfft(one, size)) * np.fft.rfft(other, size)
    if not np.abs(spectrum).max(initial=0) > 0:
        return None
    match = np.abs(np.fft.irfft(spectrum, size))  # turned upside down, it is the same sound
    near = np.flatnonzero(match > 0.999 * match.max())  # a steady tone fits in many places
    lags = np.where(near > size // 2, near - size, near)
    return 1000 * float(lags[np.argmin(np.abs(lags))]) / SAMPLE_RATE


def picture_lag_ms(shown: NDArray[np.float32], truth: Decoded, zero: float) -> float | None:
    """How much later than its stamps a picture is shown; None: a still, which tells nothing.

    For each lag the frames nearest in time are compared; the nearest lag that fits as well as any.
    """
    times = zero + np.arange(len(shown)) / FRAMES_PER_SECOND
    inside = (times >= truth.frame_seconds[0]) & (times <= truth.frame_seconds[-1])
    if not inside.any():
        return None
    errors = []
    for lag in SEARCH_MS:
        nearest = _nearest(truth.frame_seconds, times[inside] - lag / 1000)
        errors.append(np.abs(shown[inside] - truth.frames[nearest]).mean())
    fits = np.flatnonzero(np.array(errors) <= min(errors) * 1.05 + 0.02)
    if len(fits) == len(SEARCH_MS):
        return None
    return float(SEARCH_MS[fits[np.argmin(np.abs(SEARCH_MS[fits]))]])


def _nearest(sorted_seconds: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where in sorted times the nearest of each wanted one is."""
    after = np.clip(np.searchsorted(sorted_seconds, wanted), 1, max(1, len(sorted_seconds) - 1))
    after = np.minimum(after, len(sorted_seconds) - 1)
    before = np.maximum(after - 1, 0)
    is_before = wanted - sorted_seconds[before] <= sorted_seconds[after] - wanted
    return np.where(is_before, before, after)


def _decoded(path: Path, stream: str, other: str, *options: str) -> tuple[bytes, NDArray[np.uint8]]:
    """What ffmpeg says and gives of a stream; the other is used, too, but not decoded."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "out")
        said = _run(
            "-copyts", "-threads", "1", "-i", input_url(path), "-map", f"{stream}?", *options, out,
            "-map", f"{other}?", "-c", "copy", "-f", "null", "-",
        ).stderr  # fmt: skip
        return said, np.fromfile(out, np.uint8) if out.exists() else np.zeros(0, np.uint8)


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    argv = [find_ffmpeg(), "-hide_banner", "-nostdin", "-nostats", "-y", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL)
