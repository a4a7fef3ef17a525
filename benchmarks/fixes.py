"""Fixes measured on real clips: what was moved on purpose is put back, what is foreign is refused.

    python benchmarks/fixes.py CORPUS/manifest.tsv --speakers weights/dev-speakers.txt

Prints tables, then the same as JSON. Clips are chosen by rule: of each speaker of the list the
first of the sort `real` that is long enough, then as many as asked for at even distances. Their
decoded sound is delayed or cut by a known amount and encoded again, the picture is copied. What a
clip's own offset is nobody knows: `avsync detect` is asked for it, and the sound of what was
written is compared with the sound of the clip as it was.
"""

import argparse
import csv
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from hard_material import write_wave
from numpy.typing import NDArray

from avsync.errors import AvsyncError
from avsync.media import ffmpeg, packets
from avsync.media.decode import read_samples
from avsync.media.probe import probe
from avsync.pipeline.detect import detect
from avsync.pipeline.loading import Pipeline
from avsync.remux.fix import fix
from avsync.remux.options import FixOptions
from avsync.timebase import SAMPLE_RATE

MIN_SECONDS = 5.0
EARLY_MS = (240.0, -400.0, 120.0, -120.0, 600.0, -240.0, 400.0, -600.0)  # one after the other
SOUND = ("-c:a", "aac", "-b:a", "128k")
QUICK = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", *SOUND)
LOUDNESS_RMS = 1500.0  # of 32768, of each of several voices
EXACT_RATE = 192_000  # Hz: rates near it differ by 5 ppm


@dataclass(frozen=True, slots=True)
class Trial:
    """A clip whose sound was moved, and what `avsync fix` made of it; positive: sound is early."""

    clip: str
    own_ms: float | None  # what `detect` says of the clip as it is
    moved_ms: float  # by us
    found_ms: float | None  # what `detect` says of it moved
    confidence: float | None
    status: str
    residual_ms: float | None  # what `detect` says of the fixed file
    true_ms: float | None  # offset of the fixed file: own, moved, and what the fix did to the sound

    @property
    def is_worse(self) -> bool:
        """Whether the fixed file is farther out than the moved one."""
        if self.true_ms is None or self.own_ms is None:
            return False
        return abs(self.true_ms) > abs(self.own_ms + self.moved_ms)


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description="Measure fixes of real clips.")
    parser.add_argument("manifest", type=Path, help="TSV with file, speaker, kind and duration_s")
    parser.add_argument("--speakers", type=Path, required=True, help="whom the weights never saw")
    parser.add_argument("--below", default="wild/", help="only files whose name starts so")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--foreign", type=int, default=10, help="faces with somebody else's sound")
    chosen = parser.parse_args()
    every = clips_of(chosen.manifest, chosen.speakers, chosen.below)
    pipeline = Pipeline(FixOptions().detect)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        clips = spread(every, chosen.clips)
        trials = [try_fix(c, ms, place, pipeline) for c, ms in zip(clips, cycle(EARLY_MS))]
        _show(trials)
        faces = spread(every, chosen.foreign)
        fates = dict(foreign_fates(faces, place, pipeline))
    for name, said in fates.items():
        print(f"{name:<100} {said}")
    summary = {
        "clips": len(trials),
        "fixed": sum(trial.status == "fixed" for trial in trials),
        "worst residual": max(abs(t.residual_ms) for t in trials if t.residual_ms is not None),
        "made worse": [trial.clip for trial in trials if trial.is_worse],
        "foreign": len(fates),
        "foreign, fixed": [name for name, said in fates.items() if said.startswith("fixed")],
    }
    print(json.dumps({**summary, "trials": [asdict(trial) for trial in trials]}))


def clips_of(
    manifest: Path, speakers: Path, below: str = "wild/", most_seconds: float = math.inf
) -> list[Path]:
    """The first real clip of 5 s and more of each of the speakers, by file name."""
    wanted = set(speakers.read_text().split())
    with manifest.open(newline="") as file:
        rows = sorted(csv.DictReader(file, delimiter="\t"), key=lambda row: row["file"])
    first: dict[str, Path] = {}
    for row in rows:
        is_one = row["speaker"] in wanted and row["file"].startswith(below)
        is_fit = MIN_SECONDS <= float(row["duration_s"]) <= most_seconds
        if is_one and is_fit and row["kind"] == "real":
            first.setdefault(row["speaker"], manifest.parent / row["file"])
    return list(first.values())


def spread(clips: Sequence[Path], count: int) -> list[Path]:
    """So many of them, at even distances."""
    count = min(count, len(clips))
    return [clips[n * len(clips) // count] for n in range(count)]


def try_fix(clip: Path, early_ms: float, folder: Path, pipeline: Pipeline) -> Trial:
    """Move the sound of a clip and have it put right."""
    moved, out = folder / f"moved{clip.suffix}", folder / f"fixed{clip.suffix}"
    move_samples(clip, moved, early_ms)
    own = detect(clip, pipeline=pipeline)
    report = fix(moved, out, FixOptions(force=True), pipeline=pipeline)
    before, true_ms = report.before, None
    assert before
    if report.output and own.offset_ms is not None:
        true_ms = round(own.offset_ms + sound_early_ms(out, clip), 1)
    return Trial(
        clip.name, own.offset_ms, early_ms, before.offset_ms, before.confidence,
        report.status, report.residual_ms, true_ms,
    )  # fmt: skip


def move_samples(clip: Path, target: Path, early_ms: float, *options: str) -> None:
    """Write `clip` with its decoded sound brought forward, the picture copied (or as `options`)."""
    late = f"adelay={-early_ms:.0f}:all=1"
    early = f"atrim=start={early_ms / 1000:.6f},asetpts=PTS-{early_ms / 1000:.6f}/TB"
    arguments = ("-y", "-i", ffmpeg.input_url(clip), "-map", "0:v:0", "-map", "0:a:0")
    shifted = ("-af", early if early_ms > 0 else late)
    _write(target, *arguments, *shifted, "-c:v", "copy", *SOUND, *options)


def run_away(clip: Path, target: Path, stretch: float) -> float:
    """Write `clip` with its sound `stretch` times as long; returns by how much it really is."""
    rate = round(EXACT_RATE / stretch)
    slower = f"aresample={EXACT_RATE},asetrate={rate},aresample=48000"
    arguments = ("-y", "-i", ffmpeg.input_url(clip), "-map", "0:v:0", "-map", "0:a:0")
    _write(target, *arguments, "-af", slower, "-c:v", "copy", *SOUND)
    return EXACT_RATE / rate


def repeat(clip: Path, target: Path, times: int) -> None:
    """Write a clip several times over, encoded again."""
    again = ("-y", "-stream_loop", str(times - 1), "-i", ffmpeg.input_url(clip))
    _write(target, *again, "-map", "0:v:0", "-map", "0:a:0", *QUICK)


def cut(clip: Path, target: Path, start_seconds: float, seconds: float) -> None:
    """Write a piece of a clip, encoded again: a copy could begin at whole groups of frames only."""
    piece = ("-ss", f"{start_seconds:.3f}", "-t", f"{seconds:.3f}")
    _write(target, "-y", *piece, "-i", ffmpeg.input_url(clip), *QUICK)


def foreign_fates(
    faces: Sequence[Path], folder: Path, pipeline: Pipeline
) -> Iterator[tuple[str, str]]:
    """(what it is, what became of it) of faces with others' sound: one other's, and two at once."""
    for number, face in enumerate(faces):
        other, third = (faces[(number + k) % len(faces)] for k in (1, 2))
        for voices in ((other,), (other, third)):
            path, out = folder / "foreign.mp4", folder / "foreign.out.mp4"
            dub(path, face, *voices)
            report = fix(path, out, FixOptions(force=True), pipeline=pipeline)
            before = report.before
            said = f"{report.status} {before.offset_ms if before else ''} {report.reasons}"
            yield f"{face.stem} < {' + '.join(v.stem for v in voices)}", said


def dub(target: Path, face: Path, *voices: Path) -> None:
    """The picture of `face` with the voices at once, equally loud, in the place of its sound.

    By hand and not by ffmpeg, whose loudnorm and amix make other sound in every version.
    """
    heard = [np.concatenate([*read_samples(probe(voice))]).astype(np.float64) for voice in voices]
    count = min(map(len, heard))
    mixed = sum(LOUDNESS_RMS * one[:count] / np.sqrt(np.mean(one[:count] ** 2)) for one in heard)
    sound = write_wave(target.with_suffix(".wav"), np.asarray(mixed))
    maps = ("-map", "0:v:0", "-map", "1:a:0", "-c:v", "copy", "-ar", "48000", *SOUND, "-shortest")
    _write(target, "-y", "-i", ffmpeg.input_url(face), "-i", ffmpeg.input_url(sound), *maps)
    sound.unlink()


def sound_early_ms(
    path: Path, original: Path, start_seconds: float = 0.0, seconds: float | None = None
) -> float:
    """How much earlier, against the picture, a file has the sound that `original` has, too.

    In a stretch of both where one is given.
    """
    (here, start), (there, original_start) = _sound(path), _sound(original)
    first = round(start_seconds * SAMPLE_RATE)
    last = None if seconds is None else first + round(seconds * SAMPLE_RATE)
    here, there = here[first:last], there[first:last]
    size = 1 << (len(here) + len(there)).bit_length()
    spectrum = np.fft.rfft(there, size) * np.conj(np.fft.rfft(here, size))
    match = np.fft.irfft(spectrum / (np.abs(spectrum) + 1e-3 * np.abs(spectrum).max()), size)
    lag = int(np.argmax(match))
    lag -= size if lag > size // 2 else 0
    return 1000 * (lag / SAMPLE_RATE + start - original_start)


def _sound(path: Path) -> tuple[NDArray[np.float64], float]:
    """Samples on the file's timeline, and when the picture begins there."""
    info = probe(path)
    video, _ = info.require_both()
    first = packets.first_stamp_seconds(path, video.index) or 0.0
    samples = np.concatenate(list(read_samples(info))).astype(np.float64)
    return samples, first - info.start_seconds


def _write(target: Path, *arguments: str) -> None:
    try:
        ffmpeg.write_file([*arguments, ffmpeg.input_url(target)], target, lambda seconds: None)
    except AvsyncError as error:
        raise SystemExit(str(error)) from error


def _show(trials: Sequence[Trial]) -> None:
    print(f"{'clip':<52}  own  moved  found  sure  fate          residual  true")
    for t in trials:
        cells = [
            f"{t.clip[:52]:<52}", _ms(t.own_ms), _ms(t.moved_ms), _ms(t.found_ms),
            f"{t.confidence or 0:4.2f}", f"{t.status:<12}", _ms(t.residual_ms), _ms(t.true_ms),
        ]  # fmt: skip
        print(" ".join(cells) + (" WORSE" if t.is_worse else ""))


def _ms(value: float | None) -> str:
    return "     -" if value is None else f"{value:+6.0f}"


if __name__ == "__main__":
    main()
