"""Clips of the wild are not always in step: measure each one's own offset, correct it, or drop it.

Only weights that have not trained on a clip can do so: a network learns the errors of its own
training clips by heart and then finds none.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from avsync.downloads import Progress, silent
from avsync.errors import WeightsError
from avsync.features import mfcc
from avsync.model import DefaultStreams
from avsync.offset import Calibration, Offset, Stretches, compare, find_offset
from avsync.timebase import STEPS_PER_SECOND
from avsync.training.augment import plain_frames
from avsync.training.clips import Clip
from avsync.weights import Weights

SURE = 0.7  # confidence from which a measured offset is believed
NEAR_MS = 100.0  # an unsure clip that may well be in step is taken as it is


@dataclass(frozen=True, slots=True)
class EmbeddedClip:
    """Both streams' answers for a whole clip."""

    video: NDArray[np.float32]  # (T - 4, D)
    audio: NDArray[np.float32]  # (S - 19, D), every 10 ms of the whole video
    first_frame: int

    def compare(self, max_shift: int = STEPS_PER_SECOND) -> Stretches:
        """Distances to the sounds around each picture."""
        return compare(self.video, self.audio, self.first_frame, max_shift)


def embed_clip(streams: DefaultStreams, clip: Clip) -> EmbeddedClip:
    """Embed all of a clip as detection would."""
    device = next(streams.parameters()).device
    streams.eval()
    frames = plain_frames(clip.frames, streams.config.geometry.pixels)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        video = streams.embed_video(torch.from_numpy(frames).to(device))
        audio = streams.embed_audio(torch.from_numpy(mfcc([clip.samples])).to(device))
    return EmbeddedClip(video.float().cpu().numpy(), audio.float().cpu().numpy(), clip.first_frame)


def clean(
    clips: Sequence[Clip], judge: Weights, progress: Progress = silent
) -> tuple[list[Clip], Counter[str]]:
    """Clips with their own offsets known, and a count of what was done.

    Groups that the judge was trained on pass untouched.
    """
    if not isinstance(judge.streams, DefaultStreams) or not judge.calibration:
        raise WeightsError(f"{judge.path}: only calibrated default weights can judge clips")
    calibration = Calibration.of(judge.calibration)
    known = set(judge.provenance.get("groups", []))
    kept, done = [], Counter[str]()
    for number, clip in enumerate(clips, 1):
        progress("measuring clips", number, len(clips))
        if clip.source.group in known:
            done["as it is: the judge knows it"] += 1
            kept.append(clip)
            continue
        stretches = embed_clip(judge.streams, clip).compare()
        offset = find_offset(stretches.sums, stretches.counts)
        verdict, corrected = _decide(clip, offset, calibration)
        done[verdict] += 1
        kept += [corrected] if corrected else []
    return kept, done


def _decide(clip: Clip, offset: Offset | None, calibration: Calibration) -> tuple[str, Clip | None]:
    if offset is None:
        return "dropped: too short", None
    if calibration.confidence(offset.evidence) >= SURE and not offset.at_edge:
        source = replace(clip.source, offset_ms=clip.source.offset_ms + offset.offset_ms)
        return "corrected", replace(clip, source=source)
    if abs(offset.offset_ms) <= NEAR_MS:
        return "as it is: unsure, near 0", clip
    return "dropped: unsure", None
