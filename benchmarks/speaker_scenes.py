"""Scenes in which it is known who speaks when, made of clips of people alone.

Two or three faces side by side take turns of 1 to 5 s. Who listens moves the lips mutely: other
clips of his are seen. Now and then an absent person is heard, or nobody. A clip's own offset is
measured and taken out first; clips whose offset is not sure are left out.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.media.decode import WHOLE
from avsync.media.frames import bgr_of
from avsync.pipeline.detect import verdict
from avsync.pipeline.loading import Pipeline, embedder_of
from avsync.pipeline.options import DetectOptions
from avsync.pipeline.sources import open_recording
from avsync.speech import is_audible, mfcc
from avsync.tracks import FaceTrack

SAMPLES_PER_FRAME = 640
PANEL = 288  # pixels: the square in which a face is seen
MOST_SIDE = 960  # of a clip that is decoded
FACE_HEIGHTS = 2.6  # in such a square
SPOKEN_RMS = 1500.0
SHORTEST_FRAMES = 60
PAUSE_FRAMES = 10  # a shorter pause is speech
ABSENT_SHARE, SILENT_SHARE = 0.12, 0.08  # of turns
TURN_SECONDS = (1.0, 5.0)


@dataclass(frozen=True)
class Clip:
    """A clip of one person: what is seen from the first frame of the face on, sound in step."""

    path: Path
    speaker: str
    track: FaceTrack
    samples: NDArray[np.int16]
    speaks: NDArray[np.bool_]  # by frame

    @property
    def frames(self) -> int:
        """That can be shown."""
        return len(self.speaks)


@dataclass(frozen=True)
class Turn:
    """What each panel shows, as (clip, first frame, frames), and who is heard."""

    shown: tuple[tuple[tuple[Clip, int, int], ...], ...]
    owner: int | None  # the panel that speaks
    samples: NDArray[np.int16]
    speaks: NDArray[np.bool_]  # the one who is heard

    @property
    def frames(self) -> int:
        """How long it is."""
        return len(self.speaks)


@dataclass(frozen=True)
class Scene:
    """Turns, one after the other."""

    panels: int
    turns: tuple[Turn, ...]

    @property
    def samples(self) -> NDArray[np.int16]:
        """All that is heard."""
        return np.concatenate([turn.samples for turn in self.turns])

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(panels, T): whether what is heard is said by that face."""
        parts = []
        for turn in self.turns:
            part = np.zeros((self.panels, turn.frames), bool)
            if turn.owner is not None:
                part[turn.owner] = turn.speaks
            parts.append(part)
        return np.concatenate(parts, axis=1)

    def pictures(self) -> Iterator[NDArray[np.uint8]]:
        """(PANEL, panels * PANEL, 3) BGR."""
        for turn in self.turns:
            columns = [
                [frame for clip, first, count in shown
                 for frame in pictures_of(clip)[first : first + count]]
                for shown in turn.shown
            ]  # fmt: skip
            for row in zip(*columns, strict=True):
                yield np.concatenate(row, axis=1)


def load_clips(
    manifest: Path, speakers: set[str], pipeline: Pipeline, *, held_out: bool, most_each: int = 3
) -> tuple[dict[str, list[Clip]], int]:
    """Clips by speaker, of those named or of all others; and how many were left out as unsure."""
    found: dict[str, list[Clip]] = {}
    unsure = 0
    tried: dict[str, int] = {}
    with manifest.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t")]
    for row in rows:
        who = row["speaker"]
        usable = row["kind"] == "real" and 3 <= float(row["duration_s"]) <= 20
        if not usable or not row["file"].startswith("wild/") or (who in speakers) != held_out:
            continue
        tried[who] = tried.get(who, 0) + 1
        if tried[who] > most_each:
            continue
        clip = load_clip(manifest.parent / row["file"], who, pipeline)
        unsure += clip is None
        if clip:
            found.setdefault(who, []).append(clip)
    return found, unsure


def load_clip(path: Path, speaker: str, pipeline: Pipeline) -> Clip | None:
    """None where its offset is not sure."""
    with open_recording(path, pipeline.options) as recording:
        seen = embedder_of(recording, pipeline, lambda *_: None).look()
        samples = np.concatenate([np.zeros(0, np.int16), *recording.samples([], WHOLE)])
    report = verdict(str(path), [seen], pipeline.options, pipeline)
    if report.offset_ms is None or not seen.tracks:
        return None
    track = max(seen.tracks, key=lambda one: len(one.video))
    if len(track.video) < SHORTEST_FRAMES:
        return None
    early = round(report.offset_ms * SAMPLES_PER_FRAME / 40)
    moved = np.pad(samples.astype(np.float32), (max(0, early), 0))[max(0, -early) :]
    count = len(track.boxes) * SAMPLES_PER_FRAME
    own = moved[track.first_frame * SAMPLES_PER_FRAME :][:count]
    own = np.pad(own, (0, count - len(own)))
    loud = own[np.abs(own) > 50]
    own *= SPOKEN_RMS / max(1.0, float(np.sqrt(np.mean(loud**2))) if len(loud) else 1.0)
    said = np.clip(own, -32_000, 32_000).astype(np.int16)
    heard = is_audible(mfcc([said]))
    heard = np.pad(heard, (0, 4 * len(track.boxes) - len(heard))).reshape(-1, 4).mean(axis=1)
    return Clip(path, speaker, track, said, heard >= 0.5)


def make_scene(
    clips: dict[str, list[Clip]], rng: np.random.Generator, panels: int, seconds: float
) -> Scene:
    """People who take turns."""
    names = sorted(clips)
    *present, absent = (names[n] for n in rng.permutation(len(names))[: panels + 1])
    turns: list[Turn] = []
    while sum(turn.frames for turn in turns) < 25 * seconds:
        turns.append(_turn(clips, rng, present, absent))
    return Scene(panels, tuple(turns))


def _turn(
    clips: dict[str, list[Clip]], rng: np.random.Generator, present: Sequence[str], absent: str
) -> Turn:
    frames = round(25 * rng.uniform(*TURN_SECONDS))
    chance = rng.random()
    owner = int(rng.integers(len(present)))
    if chance < SILENT_SHARE:
        samples = rng.normal(0, 3, frames * SAMPLES_PER_FRAME).astype(np.int16)
        return Turn(
            tuple(_mute(clips[who], rng, frames) for who in present), None, samples,
            np.zeros(frames, bool),
        )  # fmt: skip
    is_absent = chance < SILENT_SHARE + ABSENT_SHARE
    clip = _one_of(clips[absent if is_absent else present[owner]], rng)
    frames = min(frames, clip.frames)
    first = int(rng.integers(clip.frames - frames + 1))
    samples = clip.samples[first * SAMPLES_PER_FRAME : (first + frames) * SAMPLES_PER_FRAME]
    shown = tuple(
        ((clip, first, frames),) if n == owner and not is_absent else _mute(clips[who], rng, frames)
        for n, who in enumerate(present)
    )
    speaks = _without_pauses(clip.speaks[first : first + frames])
    return Turn(shown, None if is_absent else owner, samples, speaks)


def _mute(
    clips: Sequence[Clip], rng: np.random.Generator, frames: int
) -> tuple[tuple[Clip, int, int], ...]:
    parts: list[tuple[Clip, int, int]] = []
    left = frames
    while left:
        clip = _one_of(clips, rng)
        count = min(left, clip.frames)
        parts.append((clip, int(rng.integers(clip.frames - count + 1)), count))
        left -= count
    return tuple(parts)


def _one_of(clips: Sequence[Clip], rng: np.random.Generator) -> Clip:
    return clips[int(rng.integers(len(clips)))]


def _without_pauses(speaks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    filled = speaks.copy()
    at = np.flatnonzero(speaks)
    for a, b in pairwise(at):
        if b - a <= PAUSE_FRAMES:
            filled[a:b] = True
    return filled


def pictures_of(clip: Clip) -> list[NDArray[np.uint8]]:
    """Squares around the face, from its first frame on."""
    x, y, _, tall = (float(v) for v in np.median(clip.track.boxes, axis=0))
    first = clip.track.first_frame
    shown = _squares(clip.path, x, y, FACE_HEIGHTS * tall)[first : first + clip.frames]
    return shown + shown[-1:] * (clip.frames - len(shown))


@lru_cache(maxsize=16)
def _squares(path: Path, x: float, y: float, side: float) -> list[NDArray[np.uint8]]:
    """Of each frame; `x`, `y` and `side` are in pixels of the file."""
    half = side / 2
    squares = []
    with open_recording(path, DetectOptions()) as recording:
        for frame in recording.frames([], MOST_SIDE):
            picture = bgr_of(frame)
            scale = picture.shape[1] / recording.size[0]
            corners = [[x - half, y - half], [x + half, y - half], [x - half, y + half]]
            to = np.array([[0, 0], [PANEL, 0], [0, PANEL]], np.float32)
            move = cv2.getAffineTransform(np.array(corners, np.float32) * np.float32(scale), to)
            square = cv2.warpAffine(picture, move, (PANEL, PANEL), borderMode=cv2.BORDER_REPLICATE)
            squares.append(np.asarray(square, np.uint8))
    return squares
