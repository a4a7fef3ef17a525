"""Stages 1 to 4 on a part of a recording: pictures and sound become embeddings."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.faces.crops import CropGeometry, box_of_cropped
from avsync.faces.detectors import FaceDetector
from avsync.faces.resolution import side_needed
from avsync.faces.tracking import cropped_faces, follow_faces
from avsync.faces.turning import all_turned, as_shown
from avsync.media.decode import MAX_SIDE, WHOLE, Span, fitted
from avsync.media.frames import Frame
from avsync.media.recording import Recording
from avsync.model.batches import Loading
from avsync.model.embed import embed_sound, embed_tracks
from avsync.pipeline.details import Collector
from avsync.pipeline.taps import LookTaps
from avsync.speech import is_audible, mfcc
from avsync.sync.blocks import BLOCK_FRAMES
from avsync.system.progress import Progress
from avsync.timebase import FRAMES_PER_SECOND
from avsync.tracks import EmbeddedClip, FaceTrack

KEPT_EVERY, MOST_KEPT = 8, 4  # frames


@dataclass(slots=True)
class VideoEmbedder:
    """Looks at a recording, once or several times; made by `VideoEmbedder.of`.

    Attributes
    ----------
    recording : Recording
        What is looked at.
    detector : FaceDetector or None
        None: the picture is a face crop already.
    geometry : CropGeometry
        How the network wants its crops.
    network : Loading
        Waits until it is loaded.
    threads : int
        That embed.
    progress : Progress
        Is told how far the film has run.
    total_seconds : float or None
        That will be looked at, as far as is known.
    side : int
        Pixels: how large pictures are decoded.
    turned_degrees : int
        Clockwise, before anything is looked for in a picture.
    frames : int
        Looked at so far.
    kept : list of Frame
        A few of them, as they were.
    warnings : list of str
        What was noticed.
    collector : Collector or None
        Keeps what somebody wants to see.
    """

    recording: Recording
    detector: FaceDetector | None
    geometry: CropGeometry
    network: Loading
    threads: int
    progress: Progress
    total_seconds: float | None
    side: int
    turned_degrees: int = 0
    frames: int = 0
    kept: list[Frame] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    collector: Collector | None = None
    _thinned: int = 0

    @classmethod
    def of(
        cls,
        recording: Recording,
        detector: FaceDetector | None,
        geometry: CropGeometry,
        network: Loading,
        threads: int,
        progress: Progress,
    ) -> "VideoEmbedder":
        """Takes a few stills to see how large pictures must be. Raises MediaError."""
        side = side_needed(recording, detector, geometry) if detector else MAX_SIDE
        total, notes = recording.duration_seconds, list(recording.notes)
        return cls(
            recording, detector, geometry, network, threads, progress, total, side, warnings=notes
        )

    def look(self, span: Span = WHOLE, reach_seconds: float = 0.0) -> EmbeddedClip:
        """Embed every face track in a span, and the sound up to `reach_seconds` around it.

        Raises MediaError where nothing can be decoded.
        """
        reach = BLOCK_FRAMES * math.ceil(reach_seconds * FRAMES_PER_SECOND / BLOCK_FRAMES)
        lead = min(reach, span.first_frame)  # frames of sound before the first picture
        heard = span
        if span.frame_count is not None:
            heard = Span(span.first_frame - lead, lead + span.frame_count + reach)
        before = self.frames
        words: list[str] = []
        taps = LookTaps(span.first_frame) if self.collector else None
        with ThreadPoolExecutor(1, "hear") as pool:  # while pictures are looked at
            hearing = pool.submit(self._hear, heard, words, taps)
            tracks = [self._track(track, lead) for track in self._tracks(span, taps)]
            audio, sounding = hearing.result()
        self._note(words)
        count = self.frames - before
        clip = EmbeddedClip(tracks, audio, sounding, count, span.first_frame - lead)
        if self.collector and taps:
            self.collector.looked(clip, taps)
        return clip

    def _hear(
        self, span: Span, words: list[str], taps: LookTaps | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Embedded sound, and whether something is heard."""
        samples = self.recording.samples(words, span)
        steps = mfcc(taps.hear(samples) if taps else samples)
        return embed_sound(steps, self.network()), is_audible(steps)

    def _tracks(self, span: Span, taps: LookTaps | None) -> list[FaceTrack]:
        words: list[str] = []
        colour = self.geometry.colour or self.turned_degrees != 0
        frames = self._counted(self.recording.frames(words, self.side, span, colour))
        if self.detector:
            faces = follow_faces(all_turned(frames, self.turned_degrees), self.detector)
        else:
            width, height = fitted(*self.recording.size, self.side)
            faces = cropped_faces(frames, box_of_cropped(height, width))
        faces = taps.see(faces) if taps else faces
        tracks = embed_tracks(faces, self.geometry, self.network, self.threads)
        self._note(words)
        return tracks

    def _track(self, track: FaceTrack, lead: int) -> FaceTrack:
        """With boxes in the source's pixels, and times since the sound began."""
        source_width, source_height = self.recording.size
        width, height = fitted(source_width, source_height, self.side)
        boxes = as_shown(track.boxes, self.turned_degrees, width, height)
        return FaceTrack(track.first_frame + lead, boxes * (source_width / width), track.video)

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
