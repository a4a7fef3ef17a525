"""Files of others: does avsync see them on their own timeline, and move their sound alone?

    python benchmarks/foreign_files.py FOLDER --page foreign-files.md

FOLDER holds media files, in any folders below it, as google/ExoPlayer's and Vanilagy/mediabunny's
repositories have them for their own tests. Every file goes through the real commands `detect` and
`fix --offset`; nothing may end in a traceback, and every error is one line. Of those with picture
and sound, what avsync decodes is compared with what the frames' own stamps say, and what `fix`
writes with what it was given. Ends with status 1 where anything is wrong. AVSYNC_FFMPEG says with
which ffmpeg; a page has a section for each.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pages import replace_section
from stamps import SIDE, Track, decode, lag_ms, moved_ms, packets, picture_lag_ms

from avsync.errors import AvsyncError
from avsync.media import ffmpeg
from avsync.media.decode import read_frames, read_samples
from avsync.media.probe import probe
from avsync.timebase import FRAME_MS, FRAMES_PER_SECOND, SAMPLE_RATE

MOVES_MS = (137.0, -137.0)
NEAR_MS = 1.0
ZERO_MS = FRAME_MS + 30.0  # that time zero may come before all packets: a frame, and priming
LOST_SECONDS = 0.2  # of picture or sound
BRIGHTNESS = np.array([0.098, 0.504, 0.257])  # of blue, green and red in a film
EXPECTED = re.compile(r"avsync: .+: .+")  # an error as people see it: one line, file and cause


@dataclass(slots=True)
class Fate:
    """What became of a file."""

    path: Path
    zero_ms: float | None = None  # how long before its first frame our time begins
    picture_ms: float | None = None  # how much later than its stamps we show it
    sound_ms: float | None = None
    moves: list[str] = field(default_factory=list)  # by how much `fix` moved the sound
    refusals: list[str] = field(default_factory=list)  # errors said in a line
    faults: list[str] = field(default_factory=list)


def main() -> None:
    """Look at all files, print what became of each."""
    parser = argparse.ArgumentParser(description="Foreign files: timeline, fix, errors.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--page", type=Path, help="Markdown file, whose section is replaced")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fates = look_at(chosen.folder, Path(folder))
    name, text = ffmpeg.version(), "\n".join(section(fates))
    print(text)
    if chosen.page:
        replace_section(chosen.page, "Foreign files", name, text)
    sys.exit(1 if any(fate.faults for fate in fates) else 0)


def look_at(source: Path, work: Path) -> list[Fate]:
    """Run all checks on the files of a folder, by names that no two have."""
    given = work / "given"
    given.mkdir()
    for path in sorted(path for path in source.rglob("*.*") if path.is_file()):
        if path.suffix != ".txt":
            name = f"{path.relative_to(source).parts[0]}-{path.name}"
            shutil.copyfile(path, given / name)
    fates = {path.name: Fate(path) for path in sorted(given.iterdir())}
    tell("detect", fates, run("detect", given, "--glob", "*", "--jsonl"))
    both = [fate for fate in fates.values() if compare_timeline(fate)]
    for move in MOVES_MS:
        target = work / f"moved{move:+.0f}"
        options = ("-o", target, "--offset", f"{move:.0f}", "--glob", "*", "--jsonl")
        answers = tell("fix", fates, run("fix", given, *options))
        for fate in both:
            fate.moves.append(compare_fix(fate, answers.get(fate.path.name, {}), move))
    return list(fates.values())


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The real command on many files."""
    argv = [sys.executable, "-m", "avsync", *map(str, arguments), "--quiet"]
    return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def tell(
    command: str, fates: dict[str, Fate], done: subprocess.CompletedProcess[str]
) -> dict[str, dict[str, Any]]:
    """The answers by file name; notes what is wrong with how they were given."""
    answers = {Path(a["path"]).name: a for a in map(json.loads, done.stdout.splitlines())}
    said = done.stderr.splitlines()
    strange = [line for line in said if not EXPECTED.fullmatch(line)]
    if strange or done.returncode not in (0, 1, 3) or answers.keys() != fates.keys():
        some = next(iter(fates.values()))
        some.faults.append(f"{command} ended with {done.returncode}: {strange[-3:]}")
    for name, answer in answers.items():
        if answer["status"] != "error":
            continue
        (why,) = answer["reasons"]
        kind = fates[name].faults if "unexpected" in why or "\n" in why else fates[name].refusals
        kind.append(f"{command}: {why.replace(answer['path'] + ': ', '')}")
    return answers


def compare_timeline(fate: Fate) -> bool:
    """Compare what avsync decodes with the frames' own stamps; false: it has not both streams."""
    truth = decode(fate.path)
    if not truth.has_both:
        return False
    try:
        info = probe(fate.path)
        shown = np.array([small(frame) for frame in read_frames(info, colour=False)])
        heard = np.concatenate(list(read_samples(info))).astype(np.float32)
    except AvsyncError as error:
        fate.faults.append(f"ffmpeg decodes it, avsync does not: {error}")
        return True
    zero = info.start_seconds
    fate.zero_ms = 1000 * (truth.start_seconds - zero)
    stamps = [at for track in packets(fate.path) for at in track.seconds if at is not None]
    if fate.zero_ms < -NEAR_MS:
        fate.faults.append(f"time zero is {-fate.zero_ms:.0f} ms after the first frame")
    if stamps and 1000 * (min(stamps) - zero) > ZERO_MS:
        fate.faults.append(f"time zero is {min(stamps) - zero:.3f} s before the first packet")
    fate.picture_ms = picture_lag_ms(shown, truth, zero)
    fate.sound_ms = lag_ms(truth.samples(zero), heard)
    for what, lag in (("picture", fate.picture_ms), ("sound", fate.sound_ms)):
        if lag is not None and abs(lag) > NEAR_MS:
            fate.faults.append(f"{what} is {lag:+.1f} ms off its stamps")
    ends = (truth.frame_seconds[-1] + 1 / FRAMES_PER_SECOND, truth.sound_seconds.max())
    for what, length, end in zip(
        ("picture", "sound"),
        (len(shown) / FRAMES_PER_SECOND, len(heard) / SAMPLE_RATE),
        ends,
        strict=True,
    ):
        if abs(length - (end - zero)) > LOST_SECONDS:
            fate.faults.append(f"{what} lasts {length:.2f} s, by its stamps {end - zero:.2f} s")
    return True


def small(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The brightness of a frame, as the independent look has it."""
    if frame.ndim == 2:  # planes, brightness first
        light = frame[: len(frame) * 2 // 3]
    else:
        light = (16 + frame @ BRIGHTNESS).astype(np.uint8)
    return cv2.resize(light, (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel().astype(np.float32)


def compare_fix(fate: Fate, answer: dict[str, Any], move: float) -> str:
    """By how much the sound was moved against the picture; notes what is wrong."""
    if answer.get("status") != "fixed":
        return "refused"
    out = Path(answer["output"])
    before, after = packets(fate.path), packets(out)
    if answer["method"] == "copy":
        moves = relative_moves_ms(before, after)
    else:
        moves = decoded_move_ms(fate.path, out)
    if not moves:
        fate.faults.append(f"fix {move:+.0f}: packets of picture or sound are not the same")
        return "not the same"
    furthest = max(moves, key=lambda ms: abs(ms - move))
    if abs(furthest - move) > NEAR_MS:
        fate.faults.append(f"fix {move:+.0f}: moved by {min(moves):+.1f} to {max(moves):+.1f} ms")
    is_said = "left out" in " ".join(answer["notes"])
    if not is_said and others(before) != others(after) and not looks_alike(fate.path, out):
        fate.faults.append(f"fix {move:+.0f}: other streams are not what they were")
    return f"{furthest:+.1f}"


def relative_moves_ms(before: Sequence[Track], after: Sequence[Track]) -> list[float]:
    """How far each sound track was moved, least and most, against the first picture."""
    films, sounds = (pairs(before, after, kind) for kind in ("video", "audio"))
    picture = moved_ms(*films[0]) if films else None
    moves = [moved_ms(one, other) for one, other in sounds]
    if not picture or not moves or None in moves:
        return []
    still = sum(picture) / 2
    return [ms - still for move in moves if move for ms in move]


def pairs(before: Iterable[Track], after: Iterable[Track], kind: str) -> list[tuple[Track, Track]]:
    """Tracks of a kind that have packets, in order."""
    one, other = ([t for t in tracks if t.kind == kind and t.sums] for tracks in (before, after))
    return list(zip(one, other, strict=False))


def others(tracks: Iterable[Track]) -> list[tuple[str, ...]]:
    """The packets of all but the sound, and of what containers make themselves."""
    return sorted(t.sums for t in tracks if t.kind in ("video", "subtitle"))


def looks_alike(source: Path, out: Path) -> bool:
    """Whether the same frames are shown: some containers complete what encoders left out."""
    one, other = decode(source).frames, decode(out).frames
    return len(one) == len(other) and bool((one == other).all())


def decoded_move_ms(source: Path, out: Path) -> list[float]:
    """How far sound that was encoded again was moved, by the samples."""
    before, after = decode(source), decode(out)
    one, other = (d.samples(float(d.frame_seconds[0]) - 1.0) for d in (before, after))
    lag = lag_ms(one, other)
    return [] if lag is None else [lag]


def section(fates: Sequence[Fate]) -> Iterator[str]:
    """A summary, a table and what else was said, in Markdown."""
    both = [fate for fate in fates if fate.zero_ms is not None or fate.moves]
    bad, refused = ([f for f in fates if getattr(f, kind)] for kind in ("faults", "refusals"))
    yield f"Of {len(fates)} files {len(both)} have picture and sound. {len(bad)} show faults. To"
    yield f"{len(refused)}, most without the one or the other, a command said no, in one line."
    yield ""
    moves = " | ".join(f"`--offset {move:+.0f}`" for move in MOVES_MS)
    yield f"| file | time zero | picture | sound | {moves} | faults |"
    yield "|---|---|---|---|---|---|---|"
    for fate in both:
        cells = [ms(fate.zero_ms), ms(fate.picture_ms), ms(fate.sound_ms), *fate.moves]
        yield f"| {fate.path.name} | {' | '.join(cells)} | {'; '.join(fate.faults)} |"
    yield ""
    for fate in fates:
        alone = [] if fate in both else [f"FAULT {fault}" for fault in fate.faults]
        for line in dict.fromkeys(re.sub(r"/\S*/", "", said) for said in (*alone, *fate.refusals)):
            yield f"* {fate.path.name}: {line}"


def ms(value: float | None) -> str:
    """A time for the table."""
    return "-" if value is None else f"{value:+.1f}"


if __name__ == "__main__":
    main()
