"""Draw the figures of docs/how, from files that the tests make and from the weights' card.

    python tests/make_figures.py

Needs matplotlib. Whatever is shown was measured when this ran.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from talking_face import AAC, frames, mouth_shapes, speech, write_media

import avsync
from avsync.faces.crops import crop
from avsync.pipeline.details import Collector
from avsync.plots import ACCENT, FOUND, INK, SOFT, STYLE
from avsync.speech import mfcc
from avsync.timebase import SAMPLE_RATE, WINDOW_FRAMES, WINDOW_HOPS

REPOSITORY = Path(__file__).parent.parent
FIGURES = REPOSITORY / "docs" / "figures"
DEMO = REPOSITORY / "docs" / "talking.mp4"
CARD = REPOSITORY / "weights" / "README.md"
SIZE = (320, 180)
FILM_SECONDS = 40.0
JUMP_SECONDS, JUMP_MS = 20.0, 200


def main() -> None:
    """Write docs/figures/*.svg and *.png."""
    FIGURES.mkdir(exist_ok=True)
    _sign()
    _streams()
    _own_and_foreign()
    _confidence()
    said = np.resize(speech(), round(FILM_SECONDS * SAMPLE_RATE))
    _map("drift.png", said, _sped_up(said))
    _map("steps.png", said, _jumping(said))


@contextmanager
def _figure(name: str, height: float, columns: int = 1) -> Iterator[list[Axes]]:
    """Axes beside each other, written when they are drawn; the same bytes each time."""
    with rc_context({**STYLE, "svg.hashsalt": "avsync", "svg.fonttype": "path"}):
        made = Figure(figsize=(7.0, height), layout="constrained")
        yield list(made.subplots(1, columns, squeeze=False)[0])
        made.savefig(FIGURES / name, metadata={"Date": None})


def _sign() -> None:
    times = np.arange(0.6, 1.8, 0.01)
    opening, _ = mouth_shapes(speech(), times)
    with _figure("sign.svg", 2.4) as (axes,):
        axes.plot(times, opening, color=INK, label="lips, how far open")
        axes.plot(times - 0.12, opening, color=FOUND, label="sound 120 ms early: offset_ms = +120")
        axes.plot(times + 0.12, opening, color=ACCENT, label="sound 120 ms late: offset_ms = -120")
        axes.set(xlabel="time, s", yticks=[])
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, 1.3), ncols=3, frameon=False, fontsize=8
        )


def _streams() -> None:
    pipeline = avsync.Pipeline()
    seen = next(zip(*[_frames(DEMO)] * WINDOW_FRAMES, strict=False))
    box = pipeline.detector.find(seen[0])[0]
    crops = np.concatenate(
        [crop(frame, box, pipeline.geometry).squeeze() for frame in seen], axis=1
    )
    heard = mfcc([speech()])[60 : 60 + WINDOW_HOPS]
    with _figure("streams.svg", 2.2, 2) as (left, right):
        left.imshow(crops, cmap="gray", vmin=0, vmax=255)
        left.set(title=f"{WINDOW_FRAMES} frames, 0.2 s", xticks=[], yticks=[])
        right.imshow(heard[:, 1:].T, aspect="auto", origin="lower", cmap="Blues")
        right.set(title="0.2 s of MFCC", xlabel="10 ms steps", ylabel="coefficient")


def _own_and_foreign() -> None:
    """The curve of a clip's own sound, and of the same speech played backwards."""
    said = speech()
    with TemporaryDirectory() as folder, _figure("own-and-foreign.svg", 2.6) as (axes,):
        for label, heard, colour in (
            ("its own sound", said, ACCENT),
            ("that sound played backwards", said[::-1].copy(), SOFT),
        ):
            report = _measured(Path(folder), said, heard, 8.0)
            assert report.curve
            axes.plot(
                *(report.curve.offsets_ms, report.curve.distances),
                color=colour,
                label=f"{label}: {report.status}",
            )
        axes.set(xlabel="offset, ms (positive: sound early)", ylabel="mean distance")
        axes.legend(loc="lower left", frameon=False, fontsize=8)


def _confidence() -> None:
    """The table "mean confidence, right" of the weights' card."""
    table = CARD.read_text(encoding="utf-8").split("| answers | mean confidence | right |")[1]
    rows = re.findall(r"^\| (\d+) \| ([\d.]+) % \| ([\d.]+) % \|$", table.split("\n\n")[0], re.M)
    counts, told, right = np.array(rows, float).T
    with _figure("confidence.svg", 3.2) as (axes,):
        axes.plot([0, 100], [0, 100], ":", color=SOFT)
        axes.scatter(told, right, s=8 + counts / 6, color=ACCENT)
        for x, y, count in zip(told, right, counts, strict=True):
            axes.annotate(f"{count:.0f}", (x, y), (10, -9), textcoords="offset points", color=INK)
        axes.set(xlabel="mean confidence, %", ylabel="right, %", xlim=(-5, 112), ylim=(-8, 112))


def _sped_up(said: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sound of a film of 25 frames a second, as it was when the film had 24."""
    at = np.arange(len(said)) * (24 / 25)
    return np.interp(at, np.arange(len(said)), said).astype(np.int16)


def _jumping(said: NDArray[np.int16]) -> NDArray[np.int16]:
    cut, moved = round(JUMP_SECONDS * SAMPLE_RATE), JUMP_MS * SAMPLE_RATE // 1000
    return np.concatenate([said[:cut], np.zeros(moved, np.int16), said[cut:-moved]])


def _map(name: str, said: NDArray[np.int16], heard: NDArray[np.int16]) -> None:
    """The plot of `avsync detect --plot`."""
    with TemporaryDirectory() as folder:
        collector = Collector()
        report = _measured(Path(folder), said, heard, FILM_SECONDS, collector)
        report.plot(collector.details).savefig(FIGURES / name, dpi=110)


def _measured(
    folder: Path,
    said: NDArray[np.int16],
    heard: NDArray[np.int16],
    seconds: float,
    collector: Collector | None = None,
) -> avsync.SyncReport:
    path = folder / "made.mp4"
    write_media(path, frames(said, 25, seconds, SIZE), SIZE, 25, heard, AAC)
    report = avsync.detect(path, collector=collector)
    path.unlink()
    return report


def _frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield np.asarray(read[1], np.uint8)


if __name__ == "__main__":
    main()
