"""Clicks and flashes in any container, and an independent look at when they happen.

Nothing of avsync measures here: ffmpeg decodes, its own filters say the time of each frame, and
the loudest sample of each click is put on that timeline. It is always the same ffmpeg, whichever
one is tested.
"""

import re
import subprocess
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.media.programs import bundled_ffmpeg, find_ffmpeg

REFERENCE = bundled_ffmpeg() or find_ffmpeg()
RATE = 48_000
SECONDS = 6
EVENTS = np.arange(1.2, 5.0, 0.8)  # flashes begin; each click comes 100 ms later
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "50")
# Containers, with codecs that are usual in them.
KINDS = {
    "mp4": (*H264, "-c:a", "aac"),
    "mov": (*H264, "-c:a", "pcm_s16le"),
    "mkv": (*H264, "-c:a", "aac"),
    "webm": ("-c:v", "libvpx", "-c:a", "libopus"),
    "avi": ("-c:v", "mpeg4", "-c:a", "libmp3lame"),
    "ts": (*H264, "-c:a", "aac"),
    "m2ts": ("-c:v", "mpeg2video", "-c:a", "ac3"),
    "flv": (*H264, "-c:a", "aac"),
    "mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "mxf": ("-c:v", "mpeg2video", "-c:a", "pcm_s16le"),
    "ogv": ("-c:v", "libtheora", "-c:a", "libvorbis"),
    "wmv": ("-c:v", "msmpeg4", "-c:a", "wmav2"),
}


def run(*arguments: str | Path, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg; it says only what is wrong."""
    argv = [REFERENCE, "-hide_banner", "-nostdin", "-y", *map(str, arguments)]
    stdin = {} if data is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(argv, check=True, capture_output=True, input=data, **stdin)  # type: ignore[call-overload,no-any-return]


def click_samples(seconds: float = SECONDS) -> NDArray[np.int16]:
    """Clicks 100 ms after each of `EVENTS`, mono, 48 kHz."""
    times = np.arange(round(seconds * RATE)) / RATE
    sound = 0.02 * np.sin(2 * np.pi * 200 * times)
    for at in EVENTS + 0.1:
        sound += np.exp(-(((times - at) / 0.0015) ** 2)) * np.cos(2 * np.pi * 1500 * (times - at))
    return np.asarray(25_000 * np.clip(sound, -1.2, 1.2), np.int16)


def make_clicks(path: Path, *options: str) -> Path:
    """A black picture of 160x120 that flashes at `EVENTS`, and clicks, 6 s at 25 fps."""
    sound = path.with_suffix(".wav")
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(click_samples().tobytes())
    since = (np.arange(25 * SECONDS) / 25)[:, None] - EVENTS
    lit = ((since > -0.001) & (since < 0.199)).any(axis=1)
    raw = b"".join(bytes([235 if on else 16]) * (160 * 120) for on in lit)
    picture = ("-f", "rawvideo", "-pix_fmt", "gray", "-video_size", "160x120", "-framerate", "25")
    run(*picture, "-i", "pipe:0", "-i", sound, *options, path, data=raw)
    sound.unlink()
    return path


def click_seconds(path: Path, track: int = 0) -> NDArray[np.float64]:
    """When the clicks of an audio track are, by the times of the decoded frames."""
    chain = f"aformat=sample_rates={RATE}:channel_layouts=mono:sample_fmts=flt,ashowinfo"
    source = ("-copyts", "-i", path, "-map", f"0:a:{track}", "-af", chain)
    done = run(*source, "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1")
    samples = np.abs(np.frombuffer(done.stdout, "<f4"))
    said = re.findall(rb"Parsed_ashowinfo.*?pts_time:(\S+) .*?nb_samples:(\d+)", done.stderr)
    times = np.concatenate([float(at) + np.arange(int(count)) / RATE for at, count in said])
    assert len(times) == len(samples)
    order = np.argsort(times, kind="stable")
    times, samples = times[order], samples[order]
    loud = np.flatnonzero(samples > 0.4 * samples.max())
    events = np.split(loud, np.flatnonzero(np.diff(times[loud]) > 0.2) + 1)
    return np.array([times[event[np.argmax(samples[event])]] for event in events])


def flash_seconds(path: Path) -> NDArray[np.float64]:
    """When the flashes begin, by the times of the decoded frames."""
    done = run("-copyts", "-i", path, "-map", "0:v:0", "-vf", "showinfo", "-f", "null", "-")
    said = re.findall(rb"Parsed_showinfo.*?pts_time:(\S+) .*?mean:\[(\d+)", done.stderr)
    times = np.array([float(at) for at, _ in said])
    lit = np.array([int(level) > 128 for _, level in said])
    return times[np.flatnonzero(np.diff(lit.astype(int)) == 1) + 1]


def lags_ms(path: Path, track: int = 0) -> NDArray[np.float64]:
    """How much later than its flash each click is."""
    clicks, flashes = click_seconds(path, track), flash_seconds(path)
    assert len(clicks) == len(flashes) == len(EVENTS), (path, clicks, flashes)
    return 1000 * (clicks - flashes)


def packet_sums(path: Path) -> list[str]:
    """Kind and checksum of the packets of each stream that has any, in order."""
    done = run("-i", path, "-map", "0", "-c", "copy", "-f", "streamhash", "-hash", "md5", "pipe:1")
    return [line.split(",", 1)[1] for line in done.stdout.decode().split()]


def description(path: Path, program: str = REFERENCE) -> list[str]:
    """What an ffmpeg says of streams, chapters and tags, without start, rate and its stamp."""
    argv = [program, "-hide_banner", "-nostdin", "-i", str(path)]
    text = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL).stderr.decode()
    lines = text.split("Input #0")[1].splitlines()[1:-1]
    kept = [
        re.sub(r", \d+ kb/s|, start [\d.]+|\[0x\w+\]", "", line)
        for line in lines
        if not re.search(r"Duration: |encoder|ENCODER|DURATION", line)
    ]
    return sorted(kept)
