"""Who honours start times and edit lists: where the sound comes out in other programs.

    python benchmarks/start_times.py

Beeps and flashes are moved against each other by `avsync fix --offset`, each container in its own
way; the result is read by ffmpeg, encoded by mpv, VLC and GStreamer and remuxed by mkvmerge, those
that are here (VLC refuses to run as root), and beeps are compared with flashes again. Prints
Markdown: by how many ms the sound was moved, against what the same program makes of the source.
No two encodings of VLC's are alike: the median of nine counts.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from talking_face import click_and_flash

CONTAINERS = ("mp4", "mov", "mkv", "ts")
MOVED_MS = (200, -200)
RUNS = {"VLC": 9}
RATE = 48_000
GST_PICTURE = "! queue ! videoconvert ! jpegenc ! queue ! mux."
GST_SOUND = "! queue ! audioconvert ! audio/x-raw,format=S16LE ! queue ! matroskamux name=mux"
VLC_CODECS = "#transcode{vcodec=mp2v,vb=2000,acodec=mpga,ab=192,channels=1,samplerate=48000}"


def main() -> None:
    """Measure all pairs."""
    print(f"| file | {' | '.join(READERS)} |\n|---{'|---' * len(READERS)}|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.mp4"
        click_and_flash(source, seconds=6.0)
        before = {reader: _ms_by(reader, source, folder) for reader in READERS}
        for container in CONTAINERS:
            for ms in MOVED_MS:
                moved = folder / f"{ms}.{container}"
                _run(sys.executable, "-m", "avsync", "fix", source, "-o", moved, "--offset", ms)
                changes = [_ms_by(reader, moved, folder) - before[reader] for reader in READERS]
                cells = ["" if np.isnan(change) else f"{change:+.0f}" for change in changes]
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


def _ms_by(reader: str, path: Path, folder: Path) -> float:
    """Beeps after flashes in what a program makes of a file; NaN where it is not here."""
    argv, target = READERS[reader](path, folder / f"{reader}.mkv")
    found = []
    for _ in range(RUNS.get(reader, 1)):
        if argv:
            target.unlink(missing_ok=True)
        if argv and shutil.which(argv[0]):
            _run(*argv)
        found.append(beeps_after_flashes_ms(target) if target.exists() else float("nan"))
    return float(np.median(found))


Command = tuple[tuple[str, ...], Path]  # and what it writes


def _ffmpeg(path: Path, _: Path) -> Command:
    return (), path


def _mpv(path: Path, target: Path) -> Command:
    argv = ("mpv", "--no-config", "--ovc=libx264", "--oac=pcm_s16le", f"--o={target}", "--")
    return (*argv, str(path)), target


def _mkvmerge(path: Path, target: Path) -> Command:
    return ("mkvmerge", "-q", "-o", str(target), str(path)), target


def _vlc(path: Path, target: Path) -> Command:
    target = target.with_suffix(".ts")
    written = f"{VLC_CODECS}:std{{access=file,mux=ts,dst={target}}}"
    return ("cvlc", str(path), "--sout", written, "vlc://quit"), target


def _gstreamer(path: Path, target: Path) -> Command:
    read = ("gst-launch-1.0", "-q", "filesrc", f"location={path}", "!", "decodebin", "name=d")
    made = ("d.", *GST_PICTURE.split(), "d.", *GST_SOUND.split())
    return (*read, *made, "!", "filesink", f"location={target}"), target


READERS: dict[str, Callable[[Path, Path], Command]] = {
    "ffmpeg": _ffmpeg,
    "mpv": _mpv,
    "mkvmerge": _mkvmerge,
    "VLC": _vlc,
    "GStreamer": _gstreamer,
}


def _run(*argv: object) -> bytes:
    done = subprocess.run(list(map(str, argv)), capture_output=True, stdin=subprocess.DEVNULL)
    return done.stdout


if __name__ == "__main__":
    main()
