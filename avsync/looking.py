"""Stages 1 to 4 on a part of a file: pictures and sound become embeddings."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync import media, weights
from avsync.detectors import FaceFinder
from avsync.downloads import Progress
from avsync.embeddings import Loading, TrackEmbeddings, embed_sound, embed_tracks
from avsync.errors import WeightsError
from avsync.faces import cropped_faces, follow_faces
from avsync.features import SYNCNET_GEOMETRY, CropGeometry, box_of_cropped, is_sounding, mfcc
from avsync.media import MediaInfo, Span
from avsync.pictures import Frame
from avsync.sizing import side_needed
from avsync.speakers import FaceTrack, Seen
from avsync.timebase import FRAMES_PER_SECOND
from avsync.turning import all_turned, as_shown

KEPT_EVERY, MOST_KEPT = 8, 4  # frames
GRID_FRAMES = 10  # looks begin at multiples of it, so that their stretches fit together


def geometry_of(path: Path) -> CropGeometry:
    """How the network of a weights file wants its crops, told without loading it.

    Raises WeightsError for a damaged file.
    """
    if not weights.is_own(path):
        return SYNCNET_GEOMETRY
    try:
        return CropGeometry(**weights.read_header(path)["config"]["geometry"])
    except (TypeError, KeyError) as error:
        raise WeightsError(f"{path}: a configuration this version does not know") from error


@dataclass(slots=True)
class Onlooker:
    """Looks at a file, once or several times; made by `Onlooker.of`."""

    info: MediaInfo
    finder: FaceFinder | None  # None: the picture is a face crop already
    geometry: CropGeometry
    network: Loading
    threads: int  # that embed
    progress: Progress
    total_seconds: float | None  # that will be looked at, as far as is known
    side: int  # pixels: how large pictures are decoded
    turned_degrees: int = 0  # clockwise, before anything is looked for in a picture
    frames: int = 0  # looked at so far
    kept: list[Frame] = field(default_factory=list)  # a few of them, as they were
    warnings: list[str] = field(default_factory=list)
    _thinned: int = 0

    @classmethod
    def of(
        cls,
        info: MediaInfo,
        finder: FaceFinder | None,
        geometry: CropGeometry,
        network: Loading,
        threads: int,
        progress: Progress,
    ) -> "Onlooker":
        """Takes a few stills to see how large pictures must be. Raises MediaError."""
        side = side_needed(info, finder, geometry) if finder else media.MAX_SIDE
        total = info.duration_seconds
        return cls(info, finder, geometry, network, threads, progress, total, side)

    def look(self, span: Span = media.WHOLE, reach_seconds: float = 0.0) -> Seen:
        """Embed every face track in a span, and the sound up to `reach_seconds` around it.

        Raises MediaError where nothing can be decoded.
        """
        reach = GRID_FRAMES * math.ceil(reach_seconds * FRAMES_PER_SECOND / GRID_FRAMES)
        lead = min(reach, span.first_frame)  # frames of sound before the first picture
        heard = span
        if span.frame_count is not None:
            heard = Span(span.first_frame - lead, lead + span.frame_count + reach)
        before = self.frames
        words: list[str] = []
        with ThreadPoolExecutor(1, "hear") as pool:  # while pictures are looked at
            hearing = pool.submit(self._hear, heard, words)
            tracks = [self._track(track, lead) for track in self._tracks(span)]
            audio, sounding = hearing.result()
        self._note(words)
        count = self.frames - before
        return Seen(tracks, audio, sounding, count, span.first_frame - lead)

    def _hear(self, span: Span, words: list[str]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Embedded sound, and whether something is heard."""
        steps = mfcc(media.read_samples(self.info, words, span))
        return embed_sound(steps, self.network()), is_sounding(steps)

    def _tracks(self, span: Span) -> list[TrackEmbeddings]:
        words: list[str] = []
        colour = self.geometry.colour or self.turned_degrees != 0
        frames = self._counted(media.read_frames(self.info, words, self.side, span, colour))
        if self.finder:
            faces = follow_faces(all_turned(frames, self.turned_degrees), self.finder)
        else:
            video, _ = self.info.require_both()
            width, height = media.decoded_size(video, self.side)
            faces = cropped_faces(frames, box_of_cropped(height, width))
        tracks = embed_tracks(faces, self.geometry, self.network, self.threads)
        self._note(words)
        return tracks

    def _track(self, track: TrackEmbeddings, lead: int) -> FaceTrack:
        """With boxes in the source's pixels, and times since the sound began."""
        video, _ = self.info.require_both()
        width, height = media.decoded_size(video, self.side)
        boxes = as_shown(track.boxes, self.turned_degrees, width, height)
        return FaceTrack(track.first_frame + lead, boxes * (video.width / width), track.video)

    def _counted(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Passes frames through, and tells how far the film has run."""
        for frame in frames:
            if self.frames % (KEPT_EVERY << self._thinned) == 0:
                self._keep(frame)
            self.frames += 1
            if self.frames % FRAMES_PER_SECOND == 0:
                self.progress("looking", self.frames / FRAMES_PER_SECOND, self.total_seconds)
            yield frame

    def _keep(self, frame: Frame) -> None:
        """Some that are spread over what was looked at, however long that gets."""
        self.kept.append(frame)
        if len(self.kept) > MOST_KEPT:
            del self.kept[1::2]
            self._thinned += 1

    def _note(self, words: list[str]) -> None:
        self.warnings += [word for word in words if word not in self.warnings]
