"""`avsync preview`."""

from pathlib import Path
from typing import Annotated

import typer

from avsync.cli import options as opt
from avsync.cli.console import ExitStatus
from avsync.cli.progress import progress_bar
from avsync.pipeline.loading import Pipeline, take_over
from avsync.pipeline.options import DetectOptions


def preview(
    video: Annotated[str, typer.Argument(help="A video.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Video to write, such as .mp4.")],
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Left as it is, right put right.")
    ] = False,
    put_right: Annotated[
        bool, typer.Option("--put-right", help="Show it put right, not as it is.")
    ] = False,
    start: Annotated[float, typer.Option(help="Begin so many seconds into the film.")] = 0.0,
    seconds: Annotated[
        float | None, typer.Option(help="So long.", show_default="to the end")
    ] = None,
    max_offset: opt.MaxOffset = 1.0,
    faces: opt.Faces = "auto",
    cropped: opt.Cropped = False,
    weights: opt.WeightsName = "default",
    device: opt.Device = "auto",
    runtime: opt.Runtime = "auto",
    audio_track: opt.AudioTrack = None,
    video_track: opt.VideoTrack = None,
    force: opt.Force = False,
    quiet: opt.Quiet = False,
) -> None:
    """Make a video that shows the answer: faces, lips against sound, the offset in words.

    avsync preview talk.mp4 -o shown.mp4 --side-by-side
    """
    from avsync.pages.preview import PreviewOptions, write_preview

    options = DetectOptions(
        max_offset, faces, cropped, weights, device=device, runtime=runtime,
        audio_track=audio_track, video_track=video_track, thorough=True,
    )  # fmt: skip
    shown = PreviewOptions(side_by_side, put_right, start, seconds, force)
    take_over()
    with progress_bar(quiet) as progress:
        pipeline = Pipeline(options, progress=progress)
        report = write_preview(video, output, pipeline, shown, progress)
    if report.offset_ms is None:
        raise typer.Exit(ExitStatus.UNDETERMINED)
