"""Stage 1a: what is in a file, and how its time stamps become film time."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from avsync.errors import MediaError
from avsync.media import container, packets
from avsync.media.container import Inventory
from avsync.media.epochs import (
    LEAP_SECONDS,
    build,
    is_regular,
    on_frame_grid,
)
from avsync.media.files import readable
from avsync.media.streams import AudioStream, Stream, VideoStream
from avsync.media.timeline import (
    Epoch,
    Timeline,
)
from avsync.timebase import FRAMES_PER_SECOND

KEYS_SUFFICE_SECONDS = 180.0  # of film, from which on key frames alone tell whether stamps run on
KEYS_APART_SECONDS = 60.0  # without a key frame, and all packets are looked at


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What is in a file, as far as this program needs to know.

    Attributes
    ----------
    path : Path or str
        Text: an address.
    duration_seconds : float or None
        Of film; None where the container does not say.
    timeline : Timeline
        How its stamps become film time.
    video, audio : VideoStream or None
        What is looked at and listened to; None: there is none.
    has_cover_art : bool
        Whether it has a still picture that is no video.
    audio_tracks, video_tracks : int
        How many there are, without cover pictures.
    audio_track, video_track : int or None
        Which was chosen; tracks of a kind count from 1.
    lead_seconds : float
        By how much our time zero lies before the container's earliest stamp: less than a frame.
    """

    path: Path | str
    duration_seconds: float | None
    timeline: Timeline
    video: VideoStream | None
    audio: AudioStream | None
    has_cover_art: bool
    audio_tracks: int = 0
    video_tracks: int = 0
    audio_track: int | None = None
    video_track: int | None = None
    lead_seconds: float = 0.0

    @property
    def start_seconds(self) -> float:
        """Our time zero: the container's earliest stamp, or up to 40 ms before."""
        return self.timeline.start_seconds

    def require_both(self) -> tuple[VideoStream, AudioStream]:
        """The two streams.

        Raises
        ------
        MediaError
            Where one is missing.
        """
        return self.require_video(), self.require_audio()

    def require_video(self) -> VideoStream:
        """What is looked at. Raises MediaError where there is none."""
        if self.video is None:
            what = "only a cover picture, no video" if self.has_cover_art else "no video stream"
            raise MediaError(f"{self.path}: {what}; avsync needs a picture of the speaker")
        return self.video

    def require_audio(self) -> AudioStream:
        """What is listened to. Raises MediaError where there is none."""
        if self.audio is None:
            why = "there is no sound to compare with; that of another file can be given"
            raise MediaError(f"{self.path}: no audio stream; {why}")
        return self.audio


def probe(
    path: str | os.PathLike[str], audio_track: int | None = None, video_track: int | None = None
) -> MediaInfo:
    """Find the streams of a file. Works without ffprobe, which not every ffmpeg brings along.

    Parameters
    ----------
    path : path-like
        A file, or an address.
    audio_track, video_track : int, optional
        From 1; None: the one that the file flags as its default, else the first.

    Raises
    ------
    MediaError
        Where the file is missing, not a file, not media, or has no such track.
    """
    path = readable(path)
    is_small = isinstance(path, Path) and path.stat().st_size <= packets.LARGE_BYTES
    opening = packets.open_file(path, only_keys=not is_small)
    said = container.read(path, opening.banner)
    videos = [stream for stream in said.of_kind("Video") if not stream.is_cover]
    audios = said.of_kind("Audio")
    if not said.streams:
        why = container.cause(opening.banner, path)
        raise MediaError(f"{path}: not a media file that ffmpeg can read: {why}")
    video = _chosen(videos, video_track, f"{path}: no video track")
    audio = _chosen(audios, audio_track, f"{path}: no audio track")
    duration, timeline = _time(path, said, opening, video)
    return MediaInfo(
        path,
        duration,
        timeline,
        video.picture if video else None,
        AudioStream(audio.index, 1 if audio.is_mono else 2) if audio else None,
        len(videos) < len(said.of_kind("Video")),
        len(audios),
        len(videos),
        audios.index(audio) + 1 if audio else None,
        videos.index(video) + 1 if video else None,
        _lead_seconds(said.start_seconds - timeline.start_seconds),
    )


def _lead_seconds(seconds: float) -> float:
    """Where stamps do not run on evenly, the earliest of them may be anything."""
    return seconds if 0 <= seconds < 1 / FRAMES_PER_SECOND else 0.0


def _chosen(tracks: Sequence[Stream], number: int | None, why: str) -> Stream | None:
    """The track of that number, or the default one; None where there are none at all."""
    if number is None or not tracks:
        return next(
            (track for track in tracks if "default" in track.dispositions), next(iter(tracks), None)
        )
    if not 1 <= number <= len(tracks):
        raise MediaError(f"{why} {number}; it has {len(tracks)}")
    return tracks[number - 1]


def _time(
    path: Path | str, said: Inventory, opening: packets.Opening, video: Stream | None
) -> tuple[float | None, Timeline]:
    """Seconds of film, and how time stamps become film time."""
    duration = said.duration_seconds
    if opening.only_keys and (duration is None or duration <= KEYS_SUFFICE_SECONDS):
        opening = packets.open_file(path)
    index = video.index if video else None
    if not is_regular(opening.streams, KEYS_APART_SECONDS if opening.only_keys else LEAP_SECONDS):
        raw = packets.raw_stamps(path, opening.bases)
        if timeline := build(raw, index):
            return timeline.film_seconds, timeline
    first = next(
        (s.shown.min() for s in opening.streams if s.index == index and len(s.shown)), None
    )
    start = on_frame_grid(said.start_seconds, first)
    measured = [s.end_seconds - start for s in opening.streams if len(s.shown)]
    # Matroska says when a film ends, not how long it is; and others say what is not so.
    if measured and (
        not opening.only_keys or duration is None or max(measured) < duration - KEYS_APART_SECONDS
    ):
        duration = max(measured)
    return duration, Timeline((Epoch(-start),))
