"""Files of hard cases: clips degraded, put side by side, given other sound, joined and moved.

Pictures are encoded anew with little loss unless loss is the point; sound is kept as samples, so
that it moves by exactly what is asked for.
"""

import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.media.decode import read_samples
from avsync.media.ffmpeg import find_ffmpeg
from avsync.media.probe import probe
from avsync.timebase import SAMPLE_RATE
from avsync.training.noises import mix_at_snr
from avsync.training.noises import music as made_music

GOOD = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p")
PLAIN = ("-c:a", "pcm_s16le")
KEPT = "aresample=async=1:first_pts=0"
SECONDS = 10.0  # of a clip that are used where more would only take longer
SIDE = 320  # pixels of one person's half of a scene


@dataclass(frozen=True, slots=True)
class Clip:
    """A real clip, and what is known of it."""

    path: Path
    speaker: str
    language: str
    seconds: float
    offset_ms: float = 0.0  # its own
    face: tuple[float, float, float, float] = (0, 0, 0, 0)  # left, top, width, height; pixels


@dataclass(frozen=True, slots=True)
class Degradation:
    """How a file is made bad."""

    video: str = "null"  # ffmpeg's filters; {x} {y} {w} {h}: the face
    audio: str = "anull"
    encoding: Sequence[str] = GOOD
    sound: Sequence[str] = PLAIN
    music: bool = False


# ffmpeg's fps shows at a time the last frame stamped before half a step later: 20 ms ahead of a
# camera of 12 frames a second, on the average. Moving the stamps by that makes it the nearest one.
NEAREST = "setpts=PTS+(1/24-1/50)/TB"
LOST = "select='gt(random(1)\\,0.25)'"
LOWER = "drawbox=x={x}:y={y}+{h}*0.5:w={w}:h={h}*0.62"
DEGRADATIONS = {
    "as it is": Degradation(),
    "12 frames a second": Degradation(f"{NEAREST},fps=12"),
    "a quarter of the frames lost": Degradation(LOST),
    "a quarter of the frames repeats": Degradation(f"{LOST},fps=25"),
    "interlaced": Degradation("framerate=fps=50,tinterlace=interleave_top"),
    "head tilted by 20 degrees": Degradation("rotate=20*PI/180:fillcolor=gray"),
    "turned away (squeezed to 60 %)": Degradation("scale=iw*0.6:ih,setsar=1"),
    "black and white": Degradation("format=gray"),
    "dark and noisy": Degradation("eq=brightness=-0.25:contrast=0.6,noise=alls=18:allf=t"),
    "120 lines": Degradation("scale=-2:120"),
    "compressed hard": Degradation(
        "scale=iw/2:-2",
        encoding=("-c:v", "libx264", "-crf", "40"),
        sound=("-c:a", "aac", "-b:a", "24k"),
    ),
    "telephone, 8 kHz": Degradation(
        audio="highpass=f=300,lowpass=f=3400",
        sound=("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"),
    ),
    "music as loud as speech": Degradation(music=True),
    "glasses": Degradation("drawbox=x={x}:y={y}+{h}*0.25:w={w}:h={h}*0.16:color=black:t=fill"),
    "beard": Degradation("drawbox=x={x}:y={y}+{h}*0.88:w={w}:h={h}*0.3:color=0x302010:t=fill"),
    "subtitles over the chin": Degradation(
        "drawbox=x=0:y={y}+{h}*0.92:w=iw:h={h}*0.14:color=white@0.9:t=fill"
    ),
    "hand before the mouth, half the time": Degradation(
        f"{LOWER}:color=0xc09070:t=fill:enable='lt(mod(t,2),1)'"
    ),
    "mask": Degradation(f"{LOWER}:color=0xa0c8e0:t=fill"),
}


def degrade(clip: Clip, kind: str, moved_ms: int, rng: np.random.Generator, output: Path) -> Path:
    """A bad copy, its sound delayed by `moved_ms`."""
    how = DEGRADATIONS[kind]
    x, y, w, h = clip.face
    video = how.video.format(x=x, y=y, w=w, h=h)
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
    inputs = ["-i", str(clip.path)]
    sound = f"[0:a:0]{KEPT},{how.audio},{delayed(moved_ms)}"
    if how.music:
        speech = moved(heard(clip, output), moved_ms)
        tune = made_music(len(speech), rng)
        inputs += [
            "-i",
            str(write_wave(output.with_suffix(".wav"), mix_at_snr(speech, tune, 0.0) / 2)),
        ]
        sound = "[1:a]anull"
    run(
        *inputs, "-filter_complex", f"[0:v:0]{video},{even}[v];{sound}[a]",
        "-map", "[v]", "-map", "[a]",
        "-t", SECONDS, "-fps_mode", "passthrough", *how.encoding, *how.sound, output,
    )  # fmt: skip
    return output


def heard(clip: Clip, output: Path) -> NDArray[np.float64]:
    """Sound as in the copies, from where the picture begins; passes through a file beside one."""
    path = output.with_suffix(".heard.wav")
    run(
        "-i", clip.path, "-map", "0:a:0", "-af", f"{KEPT},aresample={SAMPLE_RATE}", "-ac", "1", path
    )
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return samples.astype(np.float64)


def moved(samples: NDArray[np.float64], moved_ms: int) -> NDArray[np.float64]:
    """Delayed by so much, or cut where that is negative.

    By hand and not by ffmpeg, whose loudnorm and amix put sound out by up to 100 ms.
    """
    count = moved_ms * SAMPLE_RATE // 1000
    return np.pad(samples, (count, 0)) if count >= 0 else samples[-count:]


def delayed(moved_ms: int) -> str:
    """A filter that moves sound."""
    if moved_ms >= 0:
        return f"adelay={moved_ms}:all=1"
    return f"atrim=start={-moved_ms / 1000},asetpts=PTS-STARTPTS"


def mix_scene(
    clip: Clip,
    other: Clip,
    kind: str,
    moves_ms: tuple[int, int],
    rng: np.random.Generator,
    output: Path,
) -> Path:
    """Two people side by side; who is heard is on the left."""
    seconds = min(clip.seconds, other.seconds, SECONDS)
    half = f"fps=25,scale={SIDE}:{SIDE}:force_original_aspect_ratio=decrease,"
    half += f"pad={SIDE}:{SIDE}:(ow-iw)/2:(oh-ih)/2,setsar=1"
    still = ",loop=loop=-1:size=1:start=0" if kind == "beside a picture" else ""
    graph = f"[0:v:0]{half}[l];[1:v:0]{half}{still}[r];[l][r]hstack=shortest=1[v]"
    left, right = (
        moved(heard(one, output), ms) for one, ms in zip((clip, other), moves_ms, strict=True)
    )
    both = left
    if kind == "two talk at once":
        count = min(len(left), len(right))
        both = mix_at_snr(left[:count], right[:count], 0.0) / 2
    run(
        "-i", clip.path, "-i", other.path, "-i", write_wave(output.with_suffix(".wav"), both),
        "-filter_complex", graph, "-map", "[v]", "-map", "2:a",
        "-t", seconds, *GOOD, *PLAIN, output,
    )  # fmt: skip
    return output


def swap_sound(clip: Clip, other: Clip, output: Path) -> Path:
    """The picture of one clip, the sound of another."""
    run(
        "-i", clip.path, "-i", other.path, "-map", "0:v:0", "-map", "1:a:0",
        "-c:v", "copy", "-af", KEPT, *PLAIN, "-shortest", output,
    )  # fmt: skip
    return output


def join(clip: Clip, seconds: float, output: Path) -> Path:
    """A clip over and over, until it is so long."""
    once = output.with_suffix(".once.mkv")
    whole = int(clip.seconds * 25 - 2) / 25  # whole frames, so that nothing creeps
    graph = f"[0:v:0]fps=25,pad=ceil(iw/2)*2:ceil(ih/2)*2,trim=end={whole}[v];"
    graph += f"[0:a:0]{KEPT},aresample=16000,apad,atrim=end={whole}[a]"
    run(
        "-i", clip.path, "-filter_complex", graph, "-map", "[v]", "-map", "[a]", *GOOD, *PLAIN, once
    )
    run("-stream_loop", "-1", "-i", once, "-t", seconds, "-c", "copy", output)
    return output


def add_sound(picture: Path, samples: NDArray[np.float64], output: Path) -> Path:
    """A picture with other sound."""
    sound = write_wave(output.with_suffix(".wav"), samples)
    run("-i", picture, "-i", sound, "-map", "0:v:0", "-map", "1:a:0", "-c", "copy", output)
    return output


def move_pieces(
    base: Path, moves: Sequence[tuple[float, int]], stretch: float, output: Path
) -> Path:
    """From each time on, the sound is delayed by so many ms; then all of it is stretched."""
    samples = np.concatenate([*read_samples(probe(base))])
    source = np.arange(round(len(samples) * stretch)) / stretch
    for (start, moved_ms), end in zip(moves, [*(m[0] for m in moves[1:]), np.inf], strict=True):
        inside = slice(round(start * SAMPLE_RATE), int(min(end * SAMPLE_RATE, len(source))))
        source[inside] -= moved_ms * SAMPLE_RATE / 1000
    shifted = np.interp(source, np.arange(len(samples)), samples, left=0, right=0)
    return add_sound(base, shifted, output)


def write_wave(path: Path, samples: NDArray[np.float64]) -> Path:
    """Mono sound at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.clip(samples, -32768, 32767).astype(np.int16).tobytes())
    return path


def run(*arguments: object) -> None:
    """ffmpeg, silent, replacing its output."""
    argv = [find_ffmpeg(), "-nostdin", "-y", "-loglevel", "error", *map(str, arguments)]
    subprocess.run(argv, stdin=subprocess.DEVNULL, check=True)
