"""A part of a file, read after a seek, is exactly that part of the whole file."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from talking_face import H264, write_media

from avsync.media import ffmpeg
from avsync.media.decode import Span, read_frames, read_samples
from avsync.media.probe import probe
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

SECONDS = 40
SIZE = (96, 64)  # width, height
BITS = 11
MOST_LAG_SAMPLES = 17  # 1 ms
SPANS = [Span(0, 50), Span(10, 60), Span(250, 40), Span(403, 60), Span(820, 30), Span(940, None)]
LONG_GOP = ("-g", "100000", "-keyint_min", "100000", "-sc_threshold", "0")
SHORT_GOP = ("-g", "30", "-bf", "3")

Maker = Callable[..., Path]


def numbered(rate: float) -> list[NDArray[np.uint8]]:
    """Pictures that show their number in black and white bars, on grey noise."""
    rng = np.random.default_rng(0)
    noise = rng.integers(90, 166, (SIZE[1], SIZE[0], 3), np.uint8)
    pictures = []
    for number in range(round(SECONDS * rate)):
        picture = np.roll(noise, number, axis=1)
        for bit in range(BITS):
            picture[8:56, 8 * bit : 8 * bit + 8] = 235 if number >> bit & 1 else 16
        pictures.append(picture)
    return pictures


def number_in(picture: NDArray[np.uint8]) -> int:
    bars = [picture[16:48, 8 * bit + 2 : 8 * bit + 6].mean() > 126 for bit in range(BITS)]
    return sum(1 << bit for bit in range(BITS) if bars[bit])


def noise() -> NDArray[np.int16]:
    """Sound of which every moment is different, below 2 kHz."""
    rng = np.random.default_rng(1)
    rough = rng.standard_normal(SECONDS * SAMPLE_RATE)
    return (
        (8000 * np.convolve(rough, np.hanning(9) / 2, "same")).clip(-32767, 32767).astype(np.int16)
    )


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Writes a film of numbers and noise."""

    def written(name: str, *options: str, rate: float = 25) -> Path:
        path = tmp_path_factory.mktemp("spans") / name
        write_media(path, numbered(rate), SIZE, rate, noise(), options)
        return path

    return written


def remuxed(path: Path, name: str, *options: str) -> Path:
    target = path.with_name(name)
    argv = [ffmpeg.find_ffmpeg(), "-v", "error", "-y", "-i", str(path), "-c", "copy", *options]
    subprocess.run([*argv, str(target)], check=True, stdin=subprocess.DEVNULL)
    return target


def assert_spans_are_parts(path: Path) -> None:
    info = probe(path)
    frames = list(read_frames(info))
    samples = np.concatenate(list(read_samples(info)))
    assert len(frames) == pytest.approx(SECONDS * FRAMES_PER_SECOND, abs=2)
    for span in SPANS:
        assert_same_pictures(list(read_frames(info, span=span)), frames, span)
        assert_same_sound(np.concatenate(list(read_samples(info, span=span))), samples, span)


def assert_same_pictures(
    part: list[NDArray[np.uint8]], whole: list[NDArray[np.uint8]], span: Span
) -> None:
    end = None if span.frame_count is None else span.first_frame + span.frame_count
    expected = whole[span.first_frame : end]
    assert len(part) == len(expected), span
    assert [number_in(p) for p in part] == [number_in(p) for p in expected], span


def assert_same_sound(part: NDArray[np.int16], whole: NDArray[np.int16], span: Span) -> None:
    first = span.first_frame * SAMPLE_RATE // FRAMES_PER_SECOND
    expected = whole[first:]
    if span.frame_count is not None:
        expected = expected[: span.frame_count * SAMPLE_RATE // FRAMES_PER_SECOND]
    assert len(part) == pytest.approx(len(expected), abs=MOST_LAG_SAMPLES), span
    count = min(len(part), len(expected))
    a, b = part[:count].astype(float), expected[:count].astype(float)
    spectrum = np.fft.rfft(a) * np.conj(np.fft.rfft(b))
    lag = int(np.argmax(np.fft.irfft(spectrum, count)))
    # Containers that stamp in milliseconds say no better when a packet in their middle begins.
    assert min(lag, count - lag) <= MOST_LAG_SAMPLES, span
    assert np.corrcoef(a, np.roll(b, lag))[0, 1] > 0.95, span


@pytest.mark.parametrize("gop", [SHORT_GOP, LONG_GOP], ids=["short", "long"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mpg"])
def test_pictures_and_sound_after_a_seek(make: Maker, suffix: str, gop: tuple[str, ...]) -> None:
    codecs = {"mpg": ("-c:v", "mpeg2video", "-q:v", "2", "-c:a", "mp2", "-ar", "48000")}
    options = codecs.get(suffix, ("-c:a", "aac", "-ar", "48000"))
    if suffix == "mpg" and gop == LONG_GOP:
        gop = ("-g", "300")  # what that codec allows
    assert_spans_are_parts(make(f"film.{suffix}", *options, *gop))


@pytest.mark.parametrize("rate", [24000 / 1001, 29.97, 50])
def test_other_rates(make: Maker, rate: float) -> None:
    assert_spans_are_parts(make("rate.mp4", "-c:a", "aac", *SHORT_GOP, rate=rate))


@pytest.mark.parametrize("codec", ["libmp3lame", "libopus", "flac"])
def test_other_sounds(make: Maker, codec: str) -> None:
    assert_spans_are_parts(make("sound.mkv", "-c:a", codec, "-ar", "48000", *SHORT_GOP))


def test_a_rate_that_varies(make: Maker) -> None:
    select = "select='not(mod(n,7)*mod(n,3))+gt(mod(n,100),50)'"
    options = ("-vf", select, "-fps_mode", "vfr", "-c:a", "aac", *SHORT_GOP)
    assert_spans_are_parts(make("vfr.mp4", *options))


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_time_stamps_that_begin_late(make: Maker, suffix: str) -> None:
    path = make("early.mp4", "-c:a", "aac", *SHORT_GOP)
    assert_spans_are_parts(remuxed(path, f"late.{suffix}", "-output_ts_offset", "25.68"))


def test_a_recording_without_an_index(make: Maker) -> None:
    path = make("plain.mkv", "-c:a", "aac", *SHORT_GOP)
    argv = [ffmpeg.find_ffmpeg(), "-v", "error", "-i", str(path), "-c", "copy", "-f", "matroska"]
    done = subprocess.run([*argv, "pipe:"], check=True, capture_output=True)
    live = path.with_name("live.mkv")
    live.write_bytes(done.stdout)  # never closed: no index, no duration
    assert_spans_are_parts(live)


def test_what_lies_after_the_end_is_nothing(make: Maker) -> None:
    info = probe(make("short.mp4", "-c:a", "aac", *H264))
    beyond = Span(25 * (SECONDS + 20), 50)
    assert len(list(read_frames(info, span=beyond))) <= 1
