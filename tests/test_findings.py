"""What one of several faces tells by itself."""

from dataclasses import replace

import numpy as np
import pytest
from made_embeddings import active, lips, strangers_lips

from avsync.findings import Segment
from avsync.sync.confidence import FEATURE_COUNT, Calibration
from avsync.sync.hypotheses import (
    Hypothesis,
    SearchOptions,
    best_hypothesis,
    most_confident,
    per_face_hypotheses,
)
from avsync.tracks import EmbeddedClip, FaceTrack, seen_at_once

FRAMES = 100
# Of the evidence's features: the lead over other minima, the candidates, agreement.
CALIBRATION = Calibration(
    (0.0, 0.0, 0.0, 0.6, 0.0, 4.0, 0.0, -1.0, *((FEATURE_COUNT - 8) * [0.0])), 0.5
)


def face(video: np.ndarray, first_frame: int = 0) -> FaceTrack:
    return FaceTrack(first_frame, np.full((len(video) + 4, 4), 80, np.float32), video)


def scene(listeners: int, seed: int = 0) -> EmbeddedClip:
    """Somebody who talks 120 ms late, last of the faces, and some whose lips say other things."""
    sound = active(FRAMES / 25, seed)
    silent = [face(strangers_lips(FRAMES, seed + k)) for k in range(listeners)]
    speaker = face(lips(sound, FRAMES, 12, match=0.42, seed=seed))
    return EmbeddedClip([*silent, speaker], sound, np.ones(len(sound), bool), FRAMES)


def test_faces_are_seen_at_once_that_overlap_for_long() -> None:
    video = np.zeros((96, 24), np.float32)
    one, other = face(video), face(video, first_frame=45)
    late, brief = face(video, first_frame=60), face(video[:36])
    sound = np.zeros((0, 24), np.float32)
    looks = [
        EmbeddedClip(faces, sound, np.zeros(0, bool), 200)
        for faces in ([one, other, late, brief], [one])
    ]
    assert seen_at_once(looks) == [(0, 1), (1, 2)]


def test_who_is_alone_is_asked_once_only() -> None:
    assert per_face_hypotheses([scene(0)], CALIBRATION, SearchOptions()) == {}


@pytest.mark.parametrize("listeners", [1, 3])
def test_a_face_by_itself_tells_its_offset(listeners: int) -> None:
    seen = scene(listeners)
    alone = per_face_hypotheses([seen], CALIBRATION, SearchOptions())
    speaker = alone[listeners]
    assert speaker.segments[0].offset_ms == pytest.approx(-120, abs=10)
    assert speaker.active.shares(np.full(1, speaker.parts[0].offset.best), listeners + 1)[-1] == 1
    single = best_hypothesis([replace(seen, tracks=seen.tracks[-1:])], CALIBRATION, SearchOptions())
    assert single is not None
    ratio = speaker.parts[0].offset.evidence.shifts / single.parts[0].offset.evidence.shifts
    assert ratio == listeners + 1  # one of so many is likelier to look sure
    assert speaker.confidence < single.confidence


def test_what_all_tell_goes_before_what_one_tells() -> None:
    def told(confidence: float) -> Hypothesis:
        found = best_hypothesis([scene(0)], CALIBRATION, SearchOptions())
        assert found is not None
        return replace(found, segments=(Segment(0, 4, 0.0, 0.0, None, confidence, 5.0),))

    sure, unsure, unsure_too = told(0.95), told(0.6), told(0.7)
    assert most_confident(sure, {0: told(0.99)}, 0.9) is sure
    assert most_confident(unsure, {0: unsure_too, 1: sure}, 0.9) is sure
    assert most_confident(unsure, {0: unsure_too}, 0.9) is unsure
    assert most_confident(unsure, {}, 0.9) is unsure
    assert most_confident(None, {}, 0.9) is None
