"""How sure an answer is: logistic regression of "right within 40 ms" on its evidence.

Measured on clips that were not trained on.
Each clip is tried at several lengths and search ranges, amid other people's sound, its own moved by
a known amount or replaced by somebody else's, for which every answer is wrong.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from avsync.model import DefaultStreams
from avsync.offset import Calibration, Offset, compare, find_offset
from avsync.timebase import FRAME_MS, FRAMES_PER_SECOND, STEPS_PER_FRAME, STEPS_PER_SECOND
from avsync.training.clean import EmbeddedClip, embed_clip
from avsync.training.clips import Clip

LENGTHS = (25, 50, 100, 200, 400)  # windows
REACHES_SECONDS = (1, 1, 3, 10)  # searches of each clip at each length
REACH_FRAMES = 20  # sound is moved by up to so much
MISMATCHED_SHARE = 0.25
RIDGE = 1e-3
Embedded = NDArray[np.float32]
Example = tuple[tuple[float, ...], bool]  # evidence, right


def calibrate(
    streams: DefaultStreams, clips: Sequence[Clip], tolerance_ms: float, seed: int = 0
) -> dict[str, Any]:
    """Fit on held-out clips; returns what a weights file keeps.

    An answer is right within `tolerance_ms` of a clip's own offset: 40 ms where that is known,
    more where the clips of the wild are only taken to be in step.
    """
    embedded = [embed_clip(streams, clip) for clip in clips]
    truths = [clip.source.offset_ms for clip in clips]
    examples = list(_examples(embedded, truths, tolerance_ms, np.random.default_rng(seed)))
    features = np.array([evidence for evidence, _ in examples])
    right = np.array([is_right for _, is_right in examples])
    calibration = fit(features, right)
    confidence = np.array([calibration.confidence(tuple(row)) for row in features])
    return {
        "coefficients": list(calibration.coefficients),
        "intercept": calibration.intercept,
        "tolerance_ms": tolerance_ms,
        "examples": len(examples),
        "reliability": _reliability(confidence, right),
    }


def fit(features: NDArray[np.float64], right: NDArray[np.bool_]) -> Calibration:
    """Logistic regression by Newton's method, with a small ridge on standardised features."""
    mean, deviation = features.mean(0), features.std(0) + 1e-9
    design = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    theta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ theta, -30, 30)))
        gradient = design.T @ (p - right) + RIDGE * len(right) * theta
        hessian = (design.T * (p * (1 - p))) @ design + RIDGE * len(right) * np.eye(len(theta))
        theta -= np.linalg.solve(hessian, gradient)
    slopes = theta[:-1] / deviation
    return Calibration(tuple(map(float, slopes)), float(theta[-1] - slopes @ mean))


def _examples(
    clips: Sequence[EmbeddedClip], truths: Sequence[float], tolerance_ms: float, rng: Generator
) -> Iterator[Example]:
    for number, (clip, truth) in enumerate(zip(clips, truths, strict=True)):
        for length in LENGTHS:
            if length > 1.5 * len(clip.video) and length != LENGTHS[0]:
                break
            for reach_seconds in REACHES_SECONDS:
                stranger = rng.random() < MISMATCHED_SHARE
                sound = clips[_another(number, len(clips), rng)].audio if stranger else clip.audio
                sound, lead_frames = _amid_others(sound, clips, reach_seconds, rng)
                found = _try(clip, sound, lead_frames, length, reach_seconds, rng)
                if found is not None:
                    offset, moved_ms = found
                    near = abs(offset.offset_ms - moved_ms - truth) <= tolerance_ms
                    yield offset.evidence, near and not stranger


def _amid_others(
    sound: Embedded, clips: Sequence[EmbeddedClip], reach_seconds: int, rng: Generator
) -> tuple[Embedded, int]:
    """A sound between other people's, as long as the search reaches, and the frames before it.

    So it is in long videos; a clip on its own has nothing to be confused with beyond its ends. One
    in three with the shortest reach is left on its own.
    """
    if reach_seconds == REACHES_SECONDS[0] and rng.random() < 1 / 3:
        return sound, 0
    lead_frames = reach_seconds * FRAMES_PER_SECOND + REACH_FRAMES
    before, after = (_talk(clips, lead_frames * STEPS_PER_FRAME, rng) for _ in range(2))
    return np.concatenate([before, sound, after]), lead_frames


def _talk(clips: Sequence[EmbeddedClip], steps: int, rng: Generator) -> Embedded:
    """So many steps of anybody's sound."""
    parts = [clips[int(rng.integers(len(clips)))].audio for _ in range(3)]
    while sum(map(len, parts)) < steps:
        parts.append(clips[int(rng.integers(len(clips)))].audio)
    return np.concatenate(parts)[:steps]


def _try(
    clip: EmbeddedClip,
    sound: Embedded,
    lead_frames: int,
    length: int,
    reach_seconds: int,
    rng: Generator,
) -> tuple[Offset, float] | None:
    """What is found in part of a clip, and by how many ms its sound was moved (early: positive)."""
    length = min(length, len(clip.video))
    start = int(rng.integers(len(clip.video) - length + 1))
    moved = int(rng.integers(-REACH_FRAMES, REACH_FRAMES + 1))
    # Comparing with the sounds around a later frame is hearing the sound that much earlier.
    frame = lead_frames + clip.first_frame + start + moved
    pictures = clip.video[start : start + length]
    stretches = compare(pictures, sound, frame, reach_seconds * STEPS_PER_SECOND)
    offset = find_offset(stretches.sums, stretches.counts)
    return None if offset is None or offset.at_edge else (offset, moved * float(FRAME_MS))


def _another(number: int, count: int, rng: Generator) -> int:
    return (number + 1 + int(rng.integers(max(1, count - 1)))) % count


def _reliability(
    confidence: NDArray[np.float64], right: NDArray[np.bool_]
) -> list[dict[str, float]]:
    """Of answers with a confidence in each band: how many, how sure they were, how many right."""
    bands = []
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
        inside = (confidence >= low) & (confidence < high)
        if inside.any():
            bands.append(
                {
                    "answers": int(inside.sum()),
                    "confidence": round(float(confidence[inside].mean()), 3),
                    "right": round(float(right[inside].mean()), 3),
                }
            )
    return bands
