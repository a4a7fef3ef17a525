"""The strip below a preview: sound and lips one above the other, moving past the present."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from avsync.pipeline.details import Details
from avsync.timebase import FRAMES_PER_SECOND, HOPS_PER_FRAME, HOPS_PER_SECOND

SECONDS = 4.0  # that are in view, half of them to come
INK, PAPER = (241, 235, 231), (27, 21, 17)  # BGR
WAVE, LIPS, NOW, GRID = (165, 149, 139), (255, 183, 134), (92, 157, 255), (74, 61, 52)
FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True, slots=True)
class Strip:
    """What is drawn of a film's sound and lips, by 10 ms from its beginning on."""

    sound: NDArray[np.float32]  # (S,) 0..1
    lips: NDArray[np.float32]  # (S,) 0..1, of who speaks, else of who is largest

    @classmethod
    def of(cls, details: Details) -> "Strip":
        """From what was kept of a file."""
        count = round(details.duration_seconds * HOPS_PER_SECOND) + 1
        sound, lips = np.zeros((2, count), np.float32)
        for heard in details.sounds:
            _place(sound, np.sqrt(heard.peaks.clip(0) / 32768), heard.start_seconds)
        for number in sorted(range(len(details.faces)), key=lambda n: _spoken(details, n)):
            face = details.faces[number]  # who speaks most comes last, and stays
            moves = np.repeat(face.lips, HOPS_PER_FRAME)
            _place(lips, moves, face.first_frame / FRAMES_PER_SECOND)
        return cls(_normal(sound), _normal(lips))

    def draw(self, width: int, height: int, heard_at: float, seen_at: float) -> NDArray[np.uint8]:
        """(height, width, 3) BGR: the sound that is heard now and the lips that are seen now.

        Both times are those of the film; where they differ, the picture was moved.
        """
        strip = np.full((height, width, 3), PAPER, np.uint8)
        middle = height // 2
        for second in np.arange(np.ceil(heard_at - SECONDS / 2), heard_at + SECONDS / 2):
            x = round(width * (0.5 + (float(second) - heard_at) / SECONDS))
            cv2.line(strip, (x, 0), (x, height), GRID, 1)
        _fill(strip, self._around(self.sound, heard_at, width), middle - 6, -1, middle - 12, WAVE)
        _fill(strip, self._around(self.lips, seen_at, width), middle + 6, 1, middle - 12, LIPS)
        cv2.line(strip, (width // 2, 0), (width // 2, height), NOW, 2)
        write(strip, "sound", (8, 16), 0.42)
        write(strip, "lips", (8, height - 8), 0.42)
        return strip

    def _around(self, values: NDArray[np.float32], at: float, width: int) -> NDArray[np.float32]:
        """(width,) values of the time in view."""
        times = at + SECONDS * (np.arange(width) / width - 0.5)
        places = np.rint(times * HOPS_PER_SECOND).astype(int)
        inside = (places >= 0) & (places < len(values))
        return np.where(inside, values[places.clip(0, len(values) - 1)], 0)


def write(
    picture: NDArray[np.uint8], words: str, at: tuple[int, int], size: float, *, bold: bool = False
) -> None:
    """Letters, light on dark."""
    cv2.putText(picture, words, at, FONT, size, INK, 2 if bold else 1, cv2.LINE_AA)


def _fill(
    strip: NDArray[np.uint8], values: NDArray[np.float32], base: int, way: int, most: int,
    colour: Sequence[int],
) -> None:  # fmt: skip
    """Fill between a line and values that rise (-1) or hang (1) from it."""
    x = np.arange(len(values))
    edge = np.stack([x, base + way * np.rint(most * values)], axis=1)
    corners = np.array([[len(values) - 1, base], [0, base]])
    cv2.fillPoly(strip, [np.concatenate([edge, corners]).astype(np.int32)], colour)


def _place(into: NDArray[np.float32], values: NDArray[np.floating], start: float) -> None:
    first = max(0, round(start * HOPS_PER_SECOND))
    part = values[: max(0, len(into) - first)]
    into[first : first + len(part)] = part


def _normal(values: NDArray[np.float32]) -> NDArray[np.float32]:
    loud = values[values > 0]
    top = float(np.quantile(loud, 0.98)) if len(loud) else 1.0
    return np.asarray((values / (top or 1.0)).clip(0, 1), np.float32)


def _spoken(details: Details, number: int) -> tuple[float, float]:
    face = details.faces[number]
    return sum(b - a for a, b in face.speaks), float(len(face.boxes))
