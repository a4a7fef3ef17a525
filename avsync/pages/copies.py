"""A small copy of a video that every browser plays."""

from pathlib import Path

from avsync.media import ffmpeg
from avsync.media.probe import probe
from avsync.pipeline.options import DetectOptions
from avsync.system.atomic import drafted
from avsync.system.progress import Progress, silent

SIDE = 640  # pixels, at most
PICTURE = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "27", "-pix_fmt", "yuv420p")
SOUND = ("-c:a", "aac", "-b:a", "64k", "-ac", "1")


def write_small_copy(
    path: str, target: Path, options: DetectOptions, progress: Progress = silent
) -> None:
    """H.264 and AAC, sound and picture as far apart as they are.

    Raises MediaError where ffmpeg cannot, OSError where the target cannot be written.
    """
    info = probe(path, options.audio_track, options.video_track)
    video = info.require_video()
    sound = ("-map", f"0:{info.audio.index}") if info.audio and options.audio is None else ()
    smaller = f"scale=w='min({SIDE},iw)':h='min({SIDE},ih)':force_original_aspect_ratio=decrease"
    even = "scale=w='trunc(iw/2)*2':h='trunc(ih/2)*2',setsar=1"
    argv = ["-i", ffmpeg.input_url(path), "-map", f"0:{video.index}", *sound,
            "-vf", f"{smaller},{even}", *PICTURE, *SOUND, "-map_metadata", "-1",
            "-movflags", "+faststart"]  # fmt: skip

    def tell(seconds: float) -> None:
        progress("preview", seconds, info.duration_seconds)

    with drafted(target) as draft:
        ffmpeg.write_file([*argv, ffmpeg.input_url(draft.path)], path, tell)
        draft.commit()
