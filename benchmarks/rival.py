"""PyPI's `syncnet-python` (0.2.3) driven for a comparison of speed, and upstream's network alone.

    RIVAL/bin/python benchmarks/rival.py detect [VIDEO BOXES.json]... --ffmpeg FFMPEG
    RIVAL/bin/python benchmarks/rival.py streams CHECKPOINT.pth

Run by `speed.py`, in an environment where that package is installed (see benchmarks/README.md).
Its weights are filled with known values, since speed does not depend on them: every forward pass
runs. Only the boxes that its detector returns are replaced, by those in BOXES.json, so that it has
a face to track; and its detector is biased to see nothing, so that it is spared the sorting of
thousands of meaningless boxes. The last line of stdout is JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path += [str(Path(__file__).parents[1] / "tests")]
STREAM_WINDOWS = 480  # that the networks are timed on: batches enough for all cores, as in a file


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description="Drive syncnet-python.")
    parser.add_argument("job", choices=["load", "detect", "streams"])
    parser.add_argument("arguments", nargs="*")
    parser.add_argument("--ffmpeg", help="which ffmpeg it shall use")
    chosen = parser.parse_args()
    started = time.monotonic()
    if chosen.job == "streams":
        result = time_streams(Path(*chosen.arguments))
    else:
        pipeline = open_pipeline(chosen.ffmpeg)
        result = {"load_seconds": time.monotonic() - started}
        if chosen.job == "detect":
            result |= run_pipeline(pipeline, chosen.arguments[::2], chosen.arguments[1::2])
    print(json.dumps(result))


def open_pipeline(ffmpeg: str) -> Any:
    """The package's own pipeline on the CPU, with weights of the right shapes."""
    import syncnet_checkpoint
    import torch
    from syncnet_python import SyncNetPipeline
    from syncnet_python.detectors.s3fd.nets import S3FDNet

    with tempfile.TemporaryDirectory() as folder:
        faces, lips = Path(folder, "sfd_face.pth"), Path(folder, "syncnet_v2.model")
        torch.manual_seed(0)
        torch.save(_blind(S3FDNet(device="cpu")).state_dict(), faces)
        torch.save(syncnet_checkpoint.checkpoint(), lips)
        files = {"s3fd_weights": str(faces), "syncnet_weights": str(lips)}
        os.environ["PATH"] = f"{_called_ffmpeg(ffmpeg)}{os.pathsep}{os.environ['PATH']}"
        return SyncNetPipeline(files, device="cpu")


def run_pipeline(pipeline: Any, videos: Sequence[str], boxes: Sequence[str]) -> dict[str, Any]:
    """Its whole pipeline on videos; `boxes`: files with the corners of faces in each frame."""
    import torch

    given: Iterator[list[list[float]]] = iter(())
    detector = pipeline.s3fd
    seconds = {"faces": 0.0, "streams": 0.0}

    def detect_faces(*arguments: Any, **options: Any) -> Any:
        started = time.monotonic()
        type(detector).detect_faces(detector, *arguments, **options)  # all of its work
        seconds["faces"] += time.monotonic() - started
        return np.array([[*corners, 1.0] for corners in next(given, [])]).reshape(-1, 5)

    evaluate = pipeline.syncnet.evaluate

    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.monotonic()
        answer = evaluate(*arguments, **options)
        seconds["streams"] += time.monotonic() - started
        return answer

    detector.detect_faces = detect_faces
    pipeline.syncnet.evaluate = timed
    started = time.monotonic()
    tracks = []
    for video, faces in zip(videos, boxes, strict=True):
        given = iter(json.loads(Path(faces).read_text()))
        offsets, *_ = pipeline.inference(video_path=video)
        if not offsets:
            raise SystemExit(f"{video}: no track came to the networks: nothing was measured")
        tracks.append(len(offsets))
    whole = time.monotonic() - started
    stages = {f"{name}_seconds": value for name, value in seconds.items()}
    return {"tracks": tracks, "seconds": whole, "threads": torch.get_num_threads(), **stages}


def time_streams(checkpoint: Path) -> dict[str, Any]:
    """Windows a second of upstream's network, run as upstream runs it, and of avsync's."""
    import torch
    from syncnet_python import SyncNetModel

    from avsync.model import weights
    from avsync.model.batches import EmbeddingModel
    from avsync.model.embed import embed_crops, embed_sound
    from avsync.model.optimize import for_inference
    from avsync.model.runtimes import TorchRuntime

    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(
        256, (STREAM_WINDOWS + 4, 224, 224, 3), dtype=torch.uint8, generator=generator
    )
    mfcc = 5 * torch.randn(4 * STREAM_WINDOWS + 16, 13, generator=generator)
    upstream = SyncNetModel()
    upstream.load_state_dict(torch.load(checkpoint))
    upstream.eval()
    ours = EmbeddingModel(TorchRuntime(for_inference(weights.load(str(checkpoint)).streams)))
    pictures, crops = _upstream_pictures(frames), list(frames.numpy())
    sounds = mfcc.T[None, None]
    sides: dict[str, Callable[[], Any]] = {
        "upstream, pictures": lambda: _in_batches(upstream.forward_lip, pictures, 2, 1, 5),
        "avsync, pictures": lambda: embed_crops(crops, ours),
        "upstream, sounds": lambda: _in_batches(upstream.forward_aud, sounds, 3, 4, 20),
        "avsync, sounds": lambda: embed_sound(mfcc.numpy(), ours),
    }
    answers, seconds = {}, {}
    for name, embed in sides.items():
        with torch.inference_mode():
            seconds[name], answers[name] = _best_of(embed)
    per_second = {name: STREAM_WINDOWS / value for name, value in seconds.items()}
    per_second["avsync, sounds"] *= 4  # it embeds one every 10 ms, upstream one every 40
    return {
        "windows_per_second": per_second,
        "relative_error": {
            "pictures": _error(answers["avsync, pictures"], answers["upstream, pictures"]),
            "sounds": _error(answers["avsync, sounds"][::4], answers["upstream, sounds"]),
        },
    }


def _blind(net: Any) -> Any:
    """S3FD with scores as of a picture without faces."""
    for layer in net.conf:
        layer.bias.data[:-1], layer.bias.data[-1] = 20.0, -20.0
    return net


def _called_ffmpeg(path: str) -> str:
    """A folder in which that program is called `ffmpeg`."""
    folder = Path(tempfile.mkdtemp())
    (folder / "ffmpeg").symlink_to(path)
    return str(folder)


def _upstream_pictures(frames: Any) -> Any:
    """(T, H, W, 3) uint8 -> (1, 3, T, H, W) floats, as `SyncNetInstance.evaluate` makes them."""
    import torch

    stacked = np.transpose(np.stack(list(frames.numpy()), axis=3)[None], (0, 3, 4, 1, 2))
    return torch.from_numpy(stacked.astype(float)).float()


def _in_batches(embed: Callable[[Any], Any], whole: Any, axis: int, step: int, width: int) -> Any:
    """Windows in batches of 20, cut as `SyncNetInstance.evaluate` cuts them."""
    import torch

    done = []
    for first in range(0, STREAM_WINDOWS, 20):
        windows = [whole.narrow(axis, k * step, width) for k in range(first, first + 20)]
        done.append(embed(torch.cat(windows, 0)))
    return torch.cat(done).numpy()


def _best_of(embed: Callable[[], Any], times: int = 2) -> tuple[float, Any]:
    best, answer = np.inf, None
    for _ in range(times):
        started = time.monotonic()
        answer = embed()
        best = min(best, time.monotonic() - started)
    return best, answer


def _error(ours: Any, theirs: Any) -> float:
    """Largest distance between embeddings, by their length."""
    away = np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)
    return float(away.max())


if __name__ == "__main__":
    main()
