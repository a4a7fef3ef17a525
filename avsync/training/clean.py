"""Clips of the wild are not always in step: measure each one's own offset, correct it, or drop it.

Weights that have trained on a clip have learnt its error by heart and find what they were told;
only weights that have not say anything new (cross-fitting: train on some speakers, measure others).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avsync.errors import WeightsError
from avsync.model import weights
from avsync.model.networks import AnyStreams
from avsync.speech import is_audible, mfcc
from avsync.sync.active_speaker import select_active_speaker
from avsync.sync.blocks import distance_blocks
from avsync.sync.confidence import Calibration
from avsync.sync.offset import Offset, find_offset
from avsync.system.downloads import sha256_of
from avsync.timebase import HOPS_PER_SECOND
from avsync.training.clips import PreparedClip
from avsync.training.embedding import embed_picture, embed_samples

SURE = 0.7  # confidence from which a measured offset is believed
NEAR_MS = 100.0  # an unsure clip that may well be in step is taken as it is


@dataclass(frozen=True, slots=True)
class EmbeddedClip:
    """Both streams' answers for a whole clip.

    Attributes
    ----------
    video : numpy.ndarray
        (T - 4, D) one window of 5 frames starts at each frame.
    audio : numpy.ndarray
        (S - 19, D) one window of 0.2 s starts at each 10 ms of the whole video.
    sounding : numpy.ndarray
        (S - 19,) whether something is heard.
    first_frame : int
        Of the face, at 25 fps.
    """

    video: NDArray[np.float32]
    audio: NDArray[np.float32]
    sounding: NDArray[np.bool_]
    first_frame: int

    def offset(self) -> Offset | None:
        """The offset within a second to either side, however unsure."""
        near = distance_blocks(self.video, self.audio, self.first_frame, HOPS_PER_SECOND)
        active = select_active_speaker([near])
        return find_offset(active.blocks) if active else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done with a clip.

    Attributes
    ----------
    keeps : bool
        Whether it may be learnt from.
    why : str
        For the index.
    offset_ms : float
        Its own; positive: the sound is early.
    confidence : float or None
        Of that; None: it was not measured.
    """

    keeps: bool
    why: str
    offset_ms: float = 0.0
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Weights that measure clips.

    Attributes
    ----------
    streams : AnyStreams
        The network.
    calibration : Calibration
        Of its confidence.
    """

    streams: AnyStreams
    calibration: Calibration

    @staticmethod
    @cache
    def load(name: str) -> "Judge":
        """Weights by their name, once for each process.

        Raises
        ------
        WeightsError
            For weights that are absent or have no calibration.
        """
        loaded = weights.load(name)
        if not loaded.calibration:
            raise WeightsError(f"{loaded.path}: not calibrated, so that it cannot judge clips")
        assert isinstance(loaded.streams, AnyStreams)
        return Judge(loaded.streams, Calibration.of(loaded.calibration))

    @staticmethod
    def sha256(name: str) -> str:
        """Of the weights file."""
        return sha256_of(weights.find(name))

    def measure(self, clip: PreparedClip) -> dict[str, Any]:
        """The offset of a clip as it is in its file, and how sure."""
        offset = embed_clip(self.streams, clip).offset()
        if offset is None:
            return {}
        return {
            "offset_ms": offset.offset_ms,
            "confidence": 0.0 if offset.at_edge else self.calibration.confidence(offset.evidence),
        }


def embed_clip(streams: AnyStreams, clip: PreparedClip) -> EmbeddedClip:
    """Embed all of a clip as detection would."""
    video = embed_picture(streams, clip)
    samples = clip.samples
    audio = embed_samples(streams, samples)
    sounding = is_audible(mfcc([samples]))[: len(audio)]
    return EmbeddedClip(video, audio, sounding, clip.first_frame)


def decide(measured: dict[str, Any], known_ms: float) -> Verdict:
    """Correct a clip, keep it at its known offset, or drop it.

    Parameters
    ----------
    measured : dict of str to any
        As `Judge.measure` gives it.
    known_ms : float
        What its manifest says; 0 where it says nothing.
    """
    if not measured:
        return Verdict(False, "dropped: too short")
    offset_ms, confidence = measured["offset_ms"], measured["confidence"]
    if confidence >= SURE:
        return Verdict(True, "corrected", offset_ms, confidence)
    if abs(offset_ms - known_ms) <= NEAR_MS:
        return Verdict(True, "as it is: unsure, near", known_ms, confidence)
    return Verdict(False, "dropped: unsure", known_ms, confidence)
