"""Media made from nothing: a portrait whose lips follow recorded speech, and flashes with beeps.

The portrait is a crop of NASA's public-domain picture of Eileen Collins (as in scikit-image); the
speech is by espeak-ng. In all that is made here `sound_early_ms` is positive where the sound leads
the picture, and is made by shifting samples, so that no container has a say in it.
"""

import subprocess
import wave
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.media.ffmpeg import find_ffmpeg, input_url
from avsync.timebase import SAMPLE_RATE

DATA = Path(__file__).parent / "data"
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
AAC = ("-c:a", "aac", "-ar", "48000")  # as cameras do: another rate than that of the analysis

# Where things are in the portrait, in its pixels; the mouth's edges are arches.
MOUTH_X, MOUTH_Y = 192.5, 138.4  # middle of the line between the corners
MOUTH_HALF_WIDTH = 20.5
MOUTH_SLOPE = 0.03  # of that line
UPPER_EDGE, LOWER_EDGE = 2.6, 10.0  # lip edges below that line, where they are farthest apart
CHIN_Y = 176.0
LIPS_MEET = 0.45  # of the way from the upper edge to the lower
UNSMILE = 3.0  # the corners of the smile come down by so much
WIDEST_GAP = 8.5  # between the lips
ZOOM = 1.05  # the portrait overlaps the picture, as the head sways

MOUTH_DARK = (26.0, 20.0, 48.0)  # BGR
VOWEL_BAND = (350, 1500)  # Hz: the louder, the wider a mouth is open
COLOUR_BAND = (350, 3500)  # Hz: its centroid is low where lips are rounded, high where spread
FFT_SAMPLES, FFT_HOP = 400, 80  # 25 ms, 5 ms
SMOOTHING_STEPS = 11  # 55 ms of them: lips are no faster
MOUTH_LEADS_SECONDS = 0.035  # as real lips do: they are on their way before they are heard
OPENING_RANGE_DB = 18.0  # below the loudest vowel, at which the mouth is shut

FLASH_SECONDS = 0.2  # of each flash and each beep
FLASH_PERIOD_SECONDS = 0.517  # at odds with every usual frame rate, so that all phases occur


@cache
def speech() -> NDArray[np.int16]:
    """Some 9 s of English sentences with pauses between them, mono, 16 kHz."""
    with wave.open(str(DATA / "speech.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


@cache
def portrait() -> NDArray[np.uint8]:
    """Head and shoulders, (216, 384, 3) BGR."""
    return np.asarray(cv2.imread(str(DATA / "portrait.png")), np.uint8)


def frames(
    samples: NDArray[np.int16],
    frames_per_second: Fraction | float,
    seconds: float,
    size: tuple[int, int] = (640, 360),
) -> Iterator[NDArray[np.uint8]]:
    """The portrait speaking 16 kHz mono `samples`, (height, width, 3) BGR; `size`: width, height.

    Each frame shows the mouth as it is in the middle of the time for which the frame is shown.
    """
    rate = float(frames_per_second)
    times = (np.arange(round(seconds * rate)) + 0.5) / rate
    base_x, base_y = _portrait_pixels(size)
    for time, opening, spread in zip(times, *mouth_shapes(samples, times), strict=True):
        x = base_x + np.float32(1.6 * np.sin(1.4 * time) + 0.8 * np.sin(3.7 * time))
        y = base_y + np.float32(0.9 * np.sin(1.9 * time) + 0.5 * np.sin(4.3 * time))
        yield _speaking_portrait(x, y, opening, spread)


def mouth_shapes(
    samples: NDArray[np.int16], times: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How open (0..1) and how spread (-1 rounded, 1 spread) a mouth is at `times` in seconds."""
    padded = np.pad(samples.astype(np.float32), FFT_SAMPLES // 2)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, FFT_SAMPLES)[::FFT_HOP]
    power = np.abs(np.fft.rfft(pieces * np.hanning(FFT_SAMPLES))) ** 2
    hertz = np.fft.rfftfreq(FFT_SAMPLES, 1 / SAMPLE_RATE)
    coloured = power * ((hertz >= COLOUR_BAND[0]) & (hertz <= COLOUR_BAND[1]))
    vowels = power[:, (hertz >= VOWEL_BAND[0]) & (hertz <= VOWEL_BAND[1])].sum(axis=1)
    loudness, total, moment = (_smooth(x) for x in (vowels, coloured.sum(axis=1), coloured @ hertz))
    loudest = float(np.max(loudness, initial=1.0))
    decibels = 10 * np.log10(np.maximum(loudness / loudest, 1e-6))
    opening = _smooth(np.clip(1 + decibels / OPENING_RANGE_DB, 0, 1))
    spread = np.clip((moment / np.maximum(total, 1.0) - 900) / 500, -1, 1) * np.sqrt(opening)
    step_times = np.arange(len(pieces)) * FFT_HOP / SAMPLE_RATE - MOUTH_LEADS_SECONDS
    return (
        np.interp(times, step_times, opening, right=0),
        np.interp(times, step_times, spread, right=0),
    )


def write_talking_face(
    path: Path,
    *,
    seconds: float = 8.0,
    sound_early_ms: float = 0.0,
    frames_per_second: Fraction | float = 25,
    size: tuple[int, int] = (640, 360),
    options: Sequence[str] = AAC,
) -> None:
    """Write a talking face whose sound leads by `sound_early_ms`; `options` are ffmpeg's."""
    count = round(seconds * SAMPLE_RATE)
    shift = round(sound_early_ms * SAMPLE_RATE / 1000)
    said = np.resize(speech(), count + max(0, shift))
    heard = said[shift:] if shift >= 0 else np.pad(said, (-shift, 0))[:count]
    pictures = frames(said, frames_per_second, seconds, size)
    write_media(path, pictures, size, frames_per_second, heard, options)


def flash_times(seconds: float) -> NDArray[np.float64]:
    """When flashes and beeps begin, in seconds."""
    return np.arange(0.31, seconds - 2 * FLASH_SECONDS, FLASH_PERIOD_SECONDS)


def click_and_flash(
    path: Path,
    *,
    seconds: float = 4.0,
    frames_per_second: Fraction | float = 25,
    size: tuple[int, int] = (160, 120),
    options: Sequence[str] = AAC,
) -> None:
    """Write a black picture that flashes and beeps at `flash_times`, for 0.2 s each."""
    pictures = _flashes(seconds, float(frames_per_second), size)
    write_media(path, pictures, size, frames_per_second, beeps(seconds), options)


def beeps(seconds: float) -> NDArray[np.int16]:
    """1 kHz for 0.2 s at each of `flash_times`, mono, 16 kHz."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tone = 16_000 * np.sin(2 * np.pi * 1000 * times)
    return (tone * _is_lit(times, seconds)).astype(np.int16)


def write_media(
    path: Path,
    pictures: Iterable[NDArray[np.uint8]],
    size: tuple[int, int],
    frames_per_second: Fraction | float,
    samples: NDArray[np.int16],
    options: Sequence[str] = (),
) -> None:
    """Encode (height, width, 3) BGR pictures as H.264, and 16 kHz mono samples, with ffmpeg."""
    with TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.wav"
        with wave.open(str(sound), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
        raw = ("-f", "rawvideo", "-pix_fmt", "bgr24", "-video_size", f"{size[0]}x{size[1]}")
        rate = ("-framerate", str(Fraction(frames_per_second).limit_denominator(100_000)))
        argv = [find_ffmpeg(), "-hide_banner", "-loglevel", "error", "-y", *raw, *rate]
        argv += ["-i", "pipe:0", "-i", input_url(sound), *H264, *options, input_url(path)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
            assert process.stdin
            for picture in pictures:
                process.stdin.write(picture.tobytes())
        if process.returncode:
            raise RuntimeError(f"ffmpeg could not write {path}")


def _flashes(seconds: float, rate: float, size: tuple[int, int]) -> Iterator[NDArray[np.uint8]]:
    for lit in _is_lit(np.arange(round(seconds * rate)) / rate, seconds):
        yield np.full((size[1], size[0], 3), 235 if lit else 16, np.uint8)


def _is_lit(times: NDArray[np.float64], seconds: float) -> NDArray[np.bool_]:
    since = times[:, None] - flash_times(seconds)
    return np.asarray(((since >= 0) & (since < FLASH_SECONDS)).any(axis=1))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    kernel = np.hanning(SMOOTHING_STEPS + 2)
    return np.convolve(values, kernel / kernel.sum(), "same")


def _portrait_pixels(size: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The x and y in the portrait that each pixel of the picture shows: the face is central."""
    height, width = portrait().shape[:2]
    scale = ZOOM * max(size[0] / width, size[1] / height)
    x = (np.arange(size[0]) + 0.5 - size[0] / 2) / scale + (width - 1) / 2
    y = (np.arange(size[1]) + 0.5 - size[1] / 2) / scale + (height - 1) / 2
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    return grid_x, grid_y


def _speaking_portrait(
    x: NDArray[np.float32], y: NDArray[np.float32], opening: float, spread: float
) -> NDArray[np.uint8]:
    """The portrait seen at (x, y), each (height, width), with the mouth in the given shape."""
    source_x, source_y, dark = x.copy(), y.copy(), np.zeros_like(x)
    rows = np.flatnonzero(np.abs(y[:, 0] - MOUTH_Y - 30) < 60)
    columns = np.flatnonzero(np.abs(x[0] - MOUTH_X) < 60)
    near = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    source_x[near], source_y[near], dark[near] = _mouth(x[near], y[near], opening, spread)
    seen = cv2.remap(
        portrait(), source_x, source_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    seen[near] = seen[near] + dark[near][..., None] * (np.array(MOUTH_DARK) - seen[near])
    return np.asarray(seen, np.uint8)


def _mouth(
    x: NDArray[np.float32], y: NDArray[np.float32], opening: float, spread: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Where the portrait shows what is to be seen at (x, y), and how dark (0..1) it is there."""
    dx = x - MOUTH_X
    nearness = _ease(1 - np.abs(dx) / 45) * _ease(1 - np.abs(y - MOUTH_Y - 5) / 35)
    narrowing = (0.06 if spread > 0 else 0.22) * -spread - 0.03
    source_x = x + dx * narrowing * nearness
    y = y - UNSMILE * nearness * np.clip((dx / MOUTH_HALF_WIDTH) ** 2, 0, 1)
    arch = np.clip(1 - ((source_x - MOUTH_X) / MOUTH_HALF_WIDTH) ** 2, 0, 1) ** 0.7
    corner = MOUTH_Y + MOUTH_SLOPE * dx
    gap = opening * WIDEST_GAP
    # In units of `arch`: how far the lips move from where they are in the portrait.
    lift = LIPS_MEET * (LOWER_EDGE - UPPER_EDGE) - 0.2 * gap
    drop = UPPER_EDGE + lift + gap - LOWER_EDGE
    upper = corner + (UPPER_EDGE + lift) * arch
    lower = upper + gap * arch
    above = y - lift * arch * _ease(1 - (upper - y) / 12)
    jaw = _ease((y - lower) / 24)
    jaw_drop = 0.8 * drop * _ease(1.2 - np.abs(dx) / 50) * _ease(1 - (y - CHIN_Y) / 35)
    below = y - (1 - jaw) * drop * arch - jaw * jaw_drop
    teeth = np.minimum(0.5 * gap, 4.0) * arch  # that show below the upper lip
    between = y - upper + corner + LOWER_EDGE * arch - 1.0 - teeth
    source_y = np.where(y < upper, above, np.where(y < lower, between, below))
    inside = np.clip(y - upper + 0.5, 0, 1) * np.clip(lower - y + 0.5, 0, 1) * np.sqrt(arch)
    dark = inside * np.clip(0.25 + (y - upper - teeth + 0.5), 0.25, 0.95)
    return source_x, source_y.astype(np.float32), dark.astype(np.float32)


def _ease(x: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """0 below 0, 1 above 1, smooth between."""
    t = np.clip(x, 0, 1)
    return np.asarray(t * t * (3 - 2 * t))
