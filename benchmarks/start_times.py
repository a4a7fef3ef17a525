"""Who honours start times and edit lists: where the sound comes out in other programs.

    python benchmarks/start_times.py

Beeps and flashes are moved against each other by `avsync fix --offset`, each container in its own
way; the result is read by ffmpeg, encoded by mpv and remuxed by mkvmerge, those that are here, and
beeps are compared with flashes again. Prints Markdown: by how many ms the sound was moved.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from talking_face import click_and_flash

CONTAINERS = ("mp4", "mov", "mkv", "ts")
MOVED_MS = (200, -200)
RATE = 48_000
MPV = ("mpv", "--no-config", "--ovc=libx264", "--oac=pcm_s16le")


def main() -> None:
    """Measure all pairs."""
    print("| file | ffmpeg | mpv | mkvmerge |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.mp4"
        click_and_flash(source, seconds=6.0)
        before = beeps_after_flashes_ms(source)
        for container in CONTAINERS:
            for ms in MOVED_MS:
                moved = folder / f"{ms}.{container}"
                _run(sys.executable, "-m", "avsync", "fix", source, "-o", moved, "--offset", ms)
                found = [moved, _by_mpv(moved, folder), _by_mkvmerge(moved, folder)]
                cells = [f"{beeps_after_flashes_ms(p) - before:+.0f}" if p else "" for p in found]
                print(f"| {container}, {ms:+d} ms | {' | '.join(cells)} |", flush=True)


def beeps_after_flashes_ms(path: Path) -> float:
    """By ffmpeg's decoder, on the container's time stamps."""
    argv = ("ffmpeg", "-v", "error", "-copyts", "-i", path)
    sound = ("-af", f"aresample={RATE}:async=1:first_pts=0", "-ac", "1", "-f", "s16le", "-")
    samples = np.frombuffer(_run(*argv, "-map", "0:a:0", *sound), "<i2").astype(float)
    beeps = _onsets(np.flatnonzero(np.abs(samples) > 3000) / RATE)
    seen = "scale=8:8,format=gray,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-"
    told = _run(*argv, "-map", "0:v:0", "-vf", seen, "-f", "null", "-").decode().splitlines()
    times = np.array([float(line.split("pts_time:")[1]) for line in told if "pts_time" in line])
    bright = np.array([float(line.split("=")[1]) for line in told if "YAVG" in line])
    flashes = _onsets(times[bright > 120])
    nearest = beeps[np.abs(flashes[:, None] - beeps).argmin(axis=1)]
    return float(1000 * np.median(nearest - flashes))


def _onsets(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first of each run of moments."""
    return times[np.diff(times, prepend=-1.0) > 0.15]


def _by_mpv(path: Path, folder: Path) -> Path | None:
    if shutil.which("mpv") is None:
        return None
    target = folder / "mpv.mkv"
    _run(*MPV, f"--o={target}", "--", path)
    return target


def _by_mkvmerge(path: Path, folder: Path) -> Path | None:
    if shutil.which("mkvmerge") is None:
        return None
    target = folder / "mkvmerge.mkv"
    _run("mkvmerge", "-q", "-o", target, path)
    return target


def _run(*argv: object) -> bytes:
    done = subprocess.run(list(map(str, argv)), capture_output=True, stdin=subprocess.DEVNULL)
    return done.stdout


if __name__ == "__main__":
    main()
