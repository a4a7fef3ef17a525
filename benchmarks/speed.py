"""How fast avsync is, measured beside PyPI's `syncnet-python` in one run.

    python benchmarks/speed.py [VIDEO] [--rival RIVAL/bin/python] [--score CLIPS] [--json FILE]

VIDEO is a talking head; without one, 30 s of 1280x720 are made. All sides run here and now, one
after the other, each as a process of its own: from its start to its answer. See README.md beside
this file for the environment of the rival; without one, avsync is measured alone. `--score`: the
video is cut into so many clips, which both score in one process, with networks of SyncNet's shape.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avsync.media import ffmpeg
from avsync.media.probe import probe
from avsync.system.resources import cores

HERE = Path(__file__).parent
AVSYNC = [sys.executable, "-m", "avsync", "detect", "--jsonl"]
SHORT_SECONDS = 3  # of the clip on which start-up is measured
NO_VIDEO = ("import torch", "syncnet-python, start-up")  # sides that look at none
REPEATS = 3  # of what takes seconds; the best counts


@dataclass(frozen=True, slots=True)
class Run:
    """One process, from its start to its end."""

    seconds: float
    cpu_seconds: float  # of it and the processes it has waited for
    peak_mb: float  # resident, of the largest of them
    last_line: dict[str, Any]  # of what it wrote, where that is JSON


def main() -> None:
    """Measure, and print tables and JSON."""
    parser = argparse.ArgumentParser(description="Measure avsync's speed.")
    parser.add_argument("video", nargs="?", type=Path, help="a talking head (default: make one)")
    parser.add_argument("--rival", type=Path, help="python that has syncnet-python")
    parser.add_argument("--json", type=Path, help="also write the results here")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--faces", default="auto")
    parser.add_argument("--score", type=int, default=0, metavar="CLIPS")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = chosen.video or _made_video(folder)
        faces = ["--faces", chosen.faces]
        results: dict[str, Any] = {"machine": machine(), "video": _described(video)}
        results |= _avsync(video, folder, faces, chosen.repeats)
        if chosen.rival:
            sides, rest = _rival(chosen.rival, video, folder)
            results["sides"] |= sides
            results |= rest
            results["ratios"] = ratios(results)
        if chosen.score:
            results["score"] = score(video, chosen.score, chosen.rival, folder)
    _print_tables(results)
    text = json.dumps(results, indent=1)
    print(text)
    if chosen.json:
        chosen.json.write_text(text)


def machine() -> dict[str, Any]:
    """What all figures depend on."""
    import cv2
    import torch

    names = [line for line in _text("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    capable: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "cores": cores(),
        "bf16": bool(capable.get("avx512_bf16")),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "ffmpeg": ffmpeg.version(),
        "load": round(os.getloadavg()[0], 1),  # of other work: figures of a busy machine are worse
    }


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """What may be quoted: how many times as fast, in this run."""
    sides = results["sides"]
    windows = results["streams"]["windows_per_second"]
    whole = sides["syncnet-python"]["seconds"]

    def pair(side: str) -> float:
        return sum(1 / float(windows[f"{side}, {name}"]) for name in ("pictures", "sounds"))

    return {
        "avsync / syncnet-python": whole / sides["avsync"]["seconds"],
        "avsync with perfect-match / syncnet-python": whole / sides["perfect-match"]["seconds"],
        "avsync / real time": results["video"]["seconds"] / sides["avsync"]["seconds"],
        "perfect-match pictures / upstream": (
            windows["avsync, pictures"] / windows["upstream, pictures"]
        ),
        "perfect-match sounds / upstream": windows["avsync, sounds"] / windows["upstream, sounds"],
        "perfect-match, a picture and a sound / upstream": pair("upstream") / pair("avsync"),
        "syncnet-python's memory / avsync's": (
            sides["syncnet-python"]["peak_mb"] / sides["avsync"]["peak_mb"]
        ),
    }


def run(argv: Sequence[str | Path], **environment: str) -> Run:
    """Run a process to its end; raises where it fails."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            list(map(str, argv)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL if "rival.py" in str(argv[1]) else None,  # talks much
            env={**os.environ, "PYTHONPATH": str(HERE.parent), **environment},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().decode().splitlines()
    if process.returncode not in (0, 3):  # 3: undetermined, which takes as long
        raise SystemExit(f"{argv} ended with status {process.returncode}")
    last = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, last)


def _avsync(video: Path, folder: Path, faces: list[str], repeats: int) -> dict[str, Any]:
    checkpoint, short = _made_checkpoint(folder), folder / "short.mp4"
    cut = [ffmpeg.find_ffmpeg(), "-v", "error", "-y", "-t", str(SHORT_SECONDS), "-i", str(video)]
    subprocess.run([*cut, "-c", "copy", short], check=True, stdin=subprocess.DEVNULL)
    perfect = ["--weights", str(checkpoint)]
    stages = run([sys.executable, HERE / "stages.py", video, *faces, "--boxes", folder / "boxes"])
    sides = {
        "avsync": _best([*AVSYNC, *faces, video], repeats),
        "perfect-match": _best([*AVSYNC, *faces, *perfect, video], 1),
        f"avsync, {SHORT_SECONDS} s": _best([*AVSYNC, *faces, short], repeats),
        "import torch": _best([sys.executable, "-c", "import torch"], repeats),
    }
    return {
        "sides": {name: _without_output(side) for name, side in sides.items()},
        "stages": stages.last_line,
        "answer": {key: sides["avsync"].last_line[key] for key in ("status", "offset_ms")},
    }


def _rival(
    python: Path, video: Path, folder: Path
) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Its sides, and its stages and the networks by themselves."""
    script, tool = HERE / "rival.py", ["--ffmpeg", ffmpeg.find_ffmpeg()]
    loaded = run([python, script, "load", *tool])
    whole = run([python, script, "detect", video, folder / "boxes", *tool])
    streams = run([python, script, "streams", _made_checkpoint(folder)])
    sides = {
        "syncnet-python": _without_output(whole),
        "syncnet-python, start-up": _without_output(loaded),
    }
    return sides, {"rival": whole.last_line, "streams": streams.last_line}


def score(video: Path, count: int, rival: Path | None, folder: Path) -> dict[str, Any]:
    """Clips of a video scored by `avsync score`, with one job and two, and by the rival."""
    clips = [folder / "score" / f"{number:03}.mp4" for number in range(count)]
    clips[0].parent.mkdir()
    seconds = (probe(video).duration_seconds or 0.0) / count
    for number, clip in enumerate(clips):
        part = ["-ss", f"{number * seconds:.3f}", "-t", f"{seconds:.3f}", "-i", str(video)]
        coded = ["-c:v", "libx264", "-crf", "17", str(clip)]
        argv = [ffmpeg.find_ffmpeg(), "-v", "error", *part, *coded]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    checkpoint = ["--weights", str(_made_checkpoint(folder))]
    ours = [sys.executable, "-m", "avsync", "score", *map(str, clips), *checkpoint, "--json"]
    sides = {f"avsync score --jobs {jobs}": run([*ours, "--jobs", str(jobs)]) for jobs in (1, 2)}
    if rival:
        given: list[Path] = []
        for clip in clips:
            boxes = clip.with_suffix(".json")
            run([sys.executable, HERE / "stages.py", clip, "--boxes", boxes])
            given += (clip, boxes)
        tool = ["--ffmpeg", ffmpeg.find_ffmpeg()]
        sides["syncnet-python"] = run([rival, HERE / "rival.py", "detect", *given, *tool])
    return {
        "clips": count,
        "seconds_each": seconds,
        **{name: _without_output(side) for name, side in sides.items()},
    }


def _best(argv: Sequence[str | Path], repeats: int) -> Run:
    return min((run(argv) for _ in range(repeats)), key=lambda side: side.seconds)


def _without_output(side: Run) -> dict[str, float]:
    return {key: value for key, value in asdict(side).items() if key != "last_line"}


def _made_checkpoint(folder: Path) -> Path:
    """A file with the tensors of SyncNet's."""
    import torch

    sys.path.append(str(HERE.parent / "tests"))
    import syncnet_checkpoint

    path = folder / "checkpoint.pth"
    if not path.exists():
        torch.save(syncnet_checkpoint.checkpoint(), path)
    return path


def _made_video(folder: Path) -> Path:
    sys.path.append(str(HERE.parent / "tests"))
    from talking_face import write_talking_face

    path = folder / "made.mp4"
    write_talking_face(path, seconds=30, sound_early_ms=-120, size=(1280, 720))
    return path


def _described(video: Path) -> dict[str, Any]:
    info = probe(video)
    stream, _ = info.require_both()
    size = f"{stream.width}x{stream.height}"
    return {"name": video.name, "size": size, "seconds": info.duration_seconds}


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _print_tables(results: dict[str, Any]) -> None:
    length = results["video"]["seconds"]
    print(f"\n{'side':<24}{'seconds':>9}{'video s/s':>11}{'CPU s':>8}{'peak MB':>9}")
    for name, side in results["sides"].items():
        shown = SHORT_SECONDS if name.endswith(" s") else length
        rate = "" if name in NO_VIDEO else f"{shown / side['seconds']:.2f}"
        print(
            f"{name:<24}{side['seconds']:>9.2f}{rate:>11}{side['cpu_seconds']:>8.1f}"
            f"{side['peak_mb']:>9.0f}"
        )
    for name, side in results.get("score", {}).items():
        if isinstance(side, dict):
            print(f"{name:<24}{side['seconds']:>9.2f}{length / side['seconds']:>11.2f}"
                  f"{side['cpu_seconds']:>8.1f}{side['peak_mb']:>9.0f}")  # fmt: skip
    for title in ("stages", "ratios"):
        if title in results:
            print(f"\n{title}")
            for name, value in results[title].items():
                print(f"  {name:<46}{value:>8.2f}")


if __name__ == "__main__":
    main()
