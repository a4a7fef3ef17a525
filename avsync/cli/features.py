"""`avsync features`."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli import options as opt
from avsync.cli.progress import progress_bar
from avsync.pipeline.loading import take_over
from avsync.pipeline.options import DetectOptions


def features(
    video: Annotated[str, typer.Argument(help="A video.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write: .npz, .h5 or .parquet.")
    ],
    weights: opt.WeightsName = "default",
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    device: opt.Device = "auto",
    runtime: opt.Runtime = "auto",
    audio_track: opt.AudioTrack = None,
    video_track: opt.VideoTrack = None,
    force: opt.Force = False,
    quiet: opt.Quiet = False,
) -> None:
    """Write the embeddings of every face and of the sound, for use in other programs.

    avsync features talk.mp4 -o talk.npz
    """
    from avsync.pipeline.export import write_features

    options = DetectOptions(
        faces=faces,
        cropped=cropped,
        weights=weights,
        device=device,
        runtime=runtime,
        audio_track=audio_track,
        video_track=video_track,
    )
    take_over()
    with progress_bar(quiet) as progress:
        write_features(video, output, options, force, progress)
