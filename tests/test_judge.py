"""Verdicts on made-up embeddings: the right answer where there is one, the right reason else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.confidence import Calibration
from avsync.judge import Question, judge
from avsync.report import SyncReport
from avsync.speakers import FaceTrack, Seen

SIZE = 32
# Of the evidence's features: the lead over other minima, and the agreement of stretches.
SURE_WHEN_STRETCHES_AGREE = Calibration((0.0, 0.0, 0.0, 1.0, 0.0, 6.0, *(9 * [0.0])), -6.0)
Array = NDArray[np.float32]


def _walk(steps: int, seed: int) -> Array:
    """Embeddings of a sound, one each 10 ms, that change smoothly like speech."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(steps + 30, SIZE))
    smooth = np.stack([np.convolve(column, np.hanning(20), "valid") for column in noise.T], 1)
    return (smooth / np.linalg.norm(smooth, axis=1, keepdims=True)).astype(np.float32)


def _lips(sound: Array, frames: int, shift_steps: int, seed: int, first_frame: int = 0) -> Array:
    """Embeddings of a face whose window at frame i says what is heard `shift_steps` later."""
    rng = np.random.default_rng(seed)
    steps = np.clip((first_frame + np.arange(frames - 4)) * 4 + shift_steps, 0, len(sound) - 1)
    return (sound[steps] + 0.3 * rng.normal(size=(frames - 4, SIZE)) / np.sqrt(SIZE)).astype(
        np.float32
    )


def _track(video: Array, first_frame: int = 0, left: float = 100, side: float = 80) -> FaceTrack:
    boxes = np.tile(np.array([left, 100, side, side], np.float32), (len(video) + 4, 1))
    return FaceTrack(first_frame, boxes, video)


def _seen(tracks: list[FaceTrack], sound: Array, frames: int = 200) -> Seen:
    return Seen(tracks, sound, np.ones(len(sound), bool), frames)


def _judge(seen: Seen, seconds: float = 1.0) -> SyncReport:
    return judge("a.mp4", [seen], SURE_WHEN_STRETCHES_AGREE, Question(seconds))


@pytest.mark.parametrize("shift_steps", [-63, -12, -1, 0, 3, 40, 77])
def test_the_offset_comes_back_with_its_sign(shift_steps: int) -> None:
    sound = _walk(820, 1)
    report = _judge(_seen([_track(_lips(sound, 200, shift_steps, 2))], sound))
    assert report.status == "ok"
    # Sound that is heard later than its picture is late, and late is negative.
    assert report.offset_ms == pytest.approx(-10 * shift_steps, abs=6)
    assert report.uncertainty_ms is not None and report.uncertainty_ms <= 15


def test_the_speaker_is_found_among_listeners() -> None:
    sound = _walk(820, 1)
    speaker = _track(_lips(sound, 200, 20, 2), left=400)
    listeners = [_track(_walk(190, seed)[:196], left=100) for seed in (7, 8)]
    report = _judge(_seen([listeners[0], speaker, listeners[1]], sound))
    assert report.offset_ms == pytest.approx(-200, abs=6)
    assert [round(track.share) for track in report.tracks] == [0, 1, 0]
    assert report.tracks[1].box[0] == 360


def test_tracks_of_several_shots_add_up() -> None:
    sound = _walk(820, 1)
    tracks = [_track(_lips(sound, 60, 10, 2, first), first_frame=first) for first in (0, 60, 120)]
    report = _judge(_seen(tracks, sound))
    assert report.offset_ms == pytest.approx(-100, abs=6)
    assert report.speech_seconds == pytest.approx(7.2, abs=0.5)


def test_a_strangers_sound_is_undetermined() -> None:
    report = _judge(_seen([_track(_walk(190, 3)[:196])], _walk(820, 4)))
    assert report.status == "undetermined" and report.offset_ms is None
    assert "no offset stands out" in report.reasons[0]


def test_an_offset_outside_the_range_is_not_answered_by_its_edge() -> None:
    sound = _walk(820, 1)
    seen = _seen([_track(_lips(sound, 150, 110, 2))], sound)
    near, wide = _judge(seen, 1.0), _judge(seen, 2.0)
    assert near.status == "undetermined"
    assert wide.offset_ms == pytest.approx(-1100, abs=6)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Seen([], _walk(100, 1), np.ones(100, bool), 0), "no picture"),
        (Seen([], _walk(100, 1), np.ones(100, bool), 50), "no face found"),
        (
            _seen([_track(_walk(90, 1)[:90], side=20)], _walk(400, 1)),
            "no face larger than 20 pixels",
        ),
        (Seen([_track(_walk(90, 1)[:90])], _walk(400, 1), np.zeros(400, bool), 94), "silent"),
        (_seen([_track(_walk(90, 1)[:4])], _walk(400, 1)), "too short"),
        (Seen([_track(_walk(90, 1)[:90])], _walk(9, 1)[:0], np.ones(9, bool), 94), "too short"),
    ],
)
def test_reasons_are_specific(seen: Seen, reason: str) -> None:
    report = _judge(seen)
    assert report.status == "undetermined"
    assert reason in report.reasons[0]
