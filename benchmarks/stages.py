"""Where avsync's time goes: each stage alone, one after the other, on all cores.

    python benchmarks/stages.py VIDEO [--boxes FILE] [--limits]

The last line of stdout is JSON: seconds by stage. In `avsync detect` stages overlap, so that the
whole is less than their sum. `--boxes` writes the faces of each frame, for `rival.py`. `--limits`
adds what each stage cannot do without: ffmpeg's decoding, and the multiply-adds of the networks at
the rate at which this processor multiplies large matrices.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avsync.faces.boxes import Box
from avsync.faces.crops import crop
from avsync.faces.resolution import side_needed
from avsync.faces.tracking import FacesInFrame, follow_faces
from avsync.media.decode import read_frames, read_samples
from avsync.media.probe import probe
from avsync.media.programs import find_ffmpeg
from avsync.media.recording import FileRecording
from avsync.model.batches import Crop
from avsync.model.embed import embed_crops, embed_sound
from avsync.pipeline.detect import verdict
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions
from avsync.speech import is_audible, mfcc
from avsync.timebase import FRAMES_PER_SECOND, WINDOW_FRAMES
from avsync.tracks import EmbeddedClip, FaceTrack


class Clock:
    """Adds up seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def main() -> None:
    """Time a file."""
    parser = argparse.ArgumentParser(description="Time the stages of avsync.")
    parser.add_argument("video")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--faces", default="auto")
    parser.add_argument("--boxes", type=Path, help="write the corners of faces, frame by frame")
    parser.add_argument("--limits", action="store_true", help="also what cannot be gone below")
    chosen = parser.parse_args()
    clock = Clock()
    with clock.stage("open tools"):
        take_over()
        pipeline = Pipeline(DetectOptions(weights=chosen.weights, faces=chosen.faces))
    boxes = time_stages(chosen.video, pipeline, clock)
    if chosen.boxes:
        chosen.boxes.write_text(json.dumps(boxes))
    limits = {"limits": limits_of(chosen.video, pipeline)} if chosen.limits else {}
    print(json.dumps(clock.seconds | limits))


def limits_of(video: str, pipeline: Pipeline) -> dict[str, float]:
    """Seconds that decoding and the networks' arithmetic take on all cores, and their sizes."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from avsync.model import weights

    started = time.perf_counter()
    argv = [find_ffmpeg(), "-v", "error", "-i", video, "-map", "0:V:0", "-f", "null", "-"]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    decoding = time.perf_counter() - started
    info = probe(video)
    assert info.duration_seconds
    frames = round(info.duration_seconds * FRAMES_PER_SECOND)
    streams = weights.load(pipeline.options.weights).streams
    pixels = pipeline.geometry.pixels
    with torch.no_grad(), FlopCounterMode(display=False) as of_picture:
        streams.embed_video(torch.zeros(WINDOW_FRAMES, pixels, pixels, dtype=torch.uint8))
    with torch.no_grad(), FlopCounterMode(display=False) as of_sound:
        streams.embed_audio(torch.zeros(119, 13))
    peak = _multiply_adds_per_second()
    picture, sound = of_picture.get_total_flops() / 2, of_sound.get_total_flops() / 2 / 100
    return {
        "peak, 1e9 multiply-adds a second": peak / 1e9,
        "decode": decoding,
        "video embeddings": frames * picture / peak,
        "audio embeddings": 4 * frames * sound / peak,
        "million multiply-adds of a picture": picture / 1e6,
        "million multiply-adds of 10 ms of sound": sound / 1e6,
    }


def _multiply_adds_per_second(size: int = 3072) -> float:
    """Of large matrices in single precision, on all cores; the best of a few."""
    import torch

    one, other = torch.rand(size, size), torch.rand(size, size)
    best = float("inf")
    for _ in range(6):
        started = time.perf_counter()
        torch.mm(one, other)
        best = min(best, time.perf_counter() - started)
    return float(size**3 / best)


def time_stages(video: str, pipeline: Pipeline, clock: Clock) -> list[list[list[float]]]:
    """Run each stage by itself; the corners of the faces in each frame, in the source's pixels."""
    network, detector = pipeline.loaded.network, pipeline.detector
    assert detector
    with clock.stage("probe"):
        info = probe(video)
        stream, _ = info.require_both()
        side = side_needed(FileRecording(info), detector, pipeline.geometry)
    colour = pipeline.geometry.colour
    with clock.stage("decode"):
        for _ in read_frames(info, max_side=side, colour=colour):
            pass  # keeping them would cost more than decoding
    frames = list(read_frames(info, max_side=side, colour=colour))
    with clock.stage("faces"):
        seen = list(follow_faces(frames, detector))
    with clock.stage("crops"):
        crops = {number: _crops(seen, number, pipeline) for number in _numbers(seen)}
    with clock.stage("video embeddings"):
        embedded = {number: embed_crops(cut, network) for number, cut in crops.items()}
    with clock.stage("sound and MFCC"):
        steps = mfcc(read_samples(info))
    with clock.stage("audio embeddings"):
        audio = embed_sound(steps, network)
    scale = stream.width / frames[0].shape[1]
    tracks = [FaceTrack(*_track(seen, number, scale), embedded[number]) for number in embedded]
    with clock.stage("distances and judging"):
        looked = EmbeddedClip(tracks, audio, is_audible(steps), len(frames))
        verdict(video, [looked], DetectOptions(), pipeline)
    return [[_corners(box.scaled(scale)) for box in faces.boxes.values()] for faces in seen]


def _numbers(seen: list[FacesInFrame]) -> list[int]:
    return sorted({number for faces in seen for number in faces.boxes})


def _crops(seen: list[FacesInFrame], number: int, pipeline: Pipeline) -> list[Crop]:
    geometry = pipeline.geometry
    found = [faces for faces in seen if number in faces.boxes]
    return [crop(faces.frame, faces.boxes[number], geometry) for faces in found]


def _track(seen: list[FacesInFrame], number: int, scale: float) -> tuple[int, NDArray[np.float32]]:

    found = [faces for faces in seen if number in faces.boxes]
    boxes = [faces.boxes[number].scaled(scale) for faces in found]
    sides = np.array([(b.x, b.y, b.width, b.height) for b in boxes], np.float32)
    return found[0].index, sides


def _corners(box: Box) -> list[float]:
    x, y = box.width / 2, box.height / 2
    return [box.x - x, box.y - y, box.x + x, box.y + y]


if __name__ == "__main__":
    main()
