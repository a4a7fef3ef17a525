"""Verdicts on made-up embeddings: the right answer where there is one, the right reason else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from avsync.report import SyncReport
from avsync.sync.confidence import Calibration
from avsync.sync.jumps import MIN_JUMP_MS
from avsync.sync.verdict import SearchOptions, reach_verdict
from avsync.timebase import drift_ms_per_minute
from avsync.tracks import EmbeddedClip, FaceTrack, stretched

SIZE = 32
# Of the evidence's features: the lead over other minima, and the agreement of stretches.
SURE_WHEN_STRETCHES_AGREE = Calibration((0.0, 0.0, 0.0, 1.0, 0.0, 6.0, *(9 * [0.0])), -6.0)
Array = NDArray[np.float32]


def _walk(hops: int, seed: int) -> Array:
    """Embeddings of a sound, one each 10 ms, that change smoothly like speech."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(hops + 30, SIZE))
    smooth = np.stack([np.convolve(column, np.hanning(20), "valid") for column in noise.T], 1)
    return (smooth / np.linalg.norm(smooth, axis=1, keepdims=True)).astype(np.float32)


def _lips(sound: Array, frames: int, shift_hops: int, seed: int, first_frame: int = 0) -> Array:
    """Embeddings of a face whose window at frame i says what is heard `shift_hops` later."""
    rng = np.random.default_rng(seed)
    hops = np.clip((first_frame + np.arange(frames - 4)) * 4 + shift_hops, 0, len(sound) - 1)
    return (sound[hops] + 0.3 * rng.normal(size=(frames - 4, SIZE)) / np.sqrt(SIZE)).astype(
        np.float32
    )


def _mixed(sound: Array, other: Array) -> Array:
    """Two voices at once."""
    both = sound + other
    return (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)


def _track(video: Array, first_frame: int = 0, left: float = 100, side: float = 80) -> FaceTrack:
    boxes = np.tile(np.array([left, 100, side, side], np.float32), (len(video) + 4, 1))
    return FaceTrack(first_frame, boxes, video)


def _seen(tracks: list[FaceTrack], sound: Array, frames: int = 200) -> EmbeddedClip:
    return EmbeddedClip(tracks, sound, np.ones(len(sound), bool), frames)


def _judge(seen: EmbeddedClip, seconds: float = 1.0) -> SyncReport:
    return reach_verdict("a.mp4", [seen], SURE_WHEN_STRETCHES_AGREE, SearchOptions(seconds))


@pytest.mark.parametrize("shift_hops", [-63, -12, -1, 0, 3, 40, 77])
def test_the_offset_comes_back_with_its_sign(shift_hops: int) -> None:
    sound = _walk(820, 1)
    report = _judge(_seen([_track(_lips(sound, 200, shift_hops, 2))], sound))
    assert report.status == "ok"
    # Sound that is heard later than its picture is late, and late is negative.
    assert report.offset_ms == pytest.approx(-10 * shift_hops, abs=6)
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


def test_where_nothing_fits_a_wider_search_is_proposed_once() -> None:
    """Nobody is told to try what he has tried."""
    seen = _seen([_track(_lips(_walk(800, 1), 200, 0, seed=2))], _walk(800, 3))
    assert "farther out (try --max-offset 30)" in _judge(seen).reasons[0]
    assert "farther" not in _judge(seen, 30.0).reasons[0]


def test_an_offset_outside_the_range_is_not_answered_by_its_edge() -> None:
    sound = _walk(820, 1)
    seen = _seen([_track(_lips(sound, 150, 110, 2))], sound)
    near, wide = _judge(seen, 1.0), _judge(seen, 2.0)
    assert near.status == "undetermined"
    assert wide.offset_ms == pytest.approx(-1100, abs=6)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (EmbeddedClip([], _walk(100, 1), np.ones(100, bool), 0), "no picture"),
        (EmbeddedClip([], _walk(100, 1), np.ones(100, bool), 50), "no face found"),
        (
            _seen([_track(_walk(90, 1)[:90], side=20)], _walk(400, 1)),
            "no face larger than 20 pixels",
        ),
        (
            EmbeddedClip([_track(_walk(90, 1)[:90])], _walk(400, 1), np.zeros(400, bool), 94),
            "silent",
        ),
        (_seen([_track(_walk(90, 1)[:4])], _walk(400, 1)), "too short"),
        (
            EmbeddedClip([_track(_walk(90, 1)[:90])], _walk(9, 1)[:0], np.ones(9, bool), 94),
            "too short",
        ),
    ],
)
def test_reasons_are_specific(seen: EmbeddedClip, reason: str) -> None:
    report = _judge(seen)
    assert report.status == "undetermined"
    assert reason in report.reasons[0]


def _two_offsets(first: int, second: int, frames: int = 1500, share: float = 0.5) -> EmbeddedClip:
    """A minute of one face whose sound moves after a share of it."""
    sound = _walk(4 * frames + 400, 1)
    here, there = (_lips(sound, frames, shift, 2) for shift in (first, second))
    change = round(share * frames)
    return _seen([_track(np.concatenate([here[:change], there[change:]]))], sound, frames)


def test_jumps_are_segments_with_offsets_of_their_own() -> None:
    report = _judge(_two_offsets(10, -20))
    assert report.status == "ok"
    first, second = report.segments
    assert (first.start_seconds, second.end_seconds) == (0.0, 60.0)
    assert first.end_seconds == second.start_seconds == pytest.approx(30.0, abs=1.0)
    assert first.offset_ms == pytest.approx(-100, abs=6)
    assert second.offset_ms == pytest.approx(200, abs=6)
    assert report.range_ms == (first.offset_ms, second.offset_ms)
    assert report.confidence == min(first.confidence, second.confidence)
    assert "from 30." in report.to_text() or "from 29." in report.to_text()


def test_jumps_are_not_looked_for_where_that_is_not_asked() -> None:
    """The offset of most of it is the answer then."""
    seen = _two_offsets(10, -20, share=0.7)
    for detect_changes, offsets in ((True, [-100, 200]), (False, [-100])):
        report = reach_verdict(
            "a.mp4", [seen], SURE_WHEN_STRETCHES_AGREE, SearchOptions(detect_changes=detect_changes)
        )
        assert report.status == "ok"
        found = [segment.offset_ms for segment in report.segments]
        assert found == pytest.approx(offsets, abs=6)


def test_a_step_too_small_to_matter_is_a_constant_offset() -> None:
    report = _judge(_two_offsets(0, round(MIN_JUMP_MS / 10) - 3))
    assert len(report.segments) == 1


def test_stretches_that_disagree_without_being_sure_are_the_reason_for_doubt() -> None:
    never_sure = Calibration((0.0,) * 15, -6.0)
    report = reach_verdict("a.mp4", [_two_offsets(10, -20)], never_sure, SearchOptions())
    assert report.status == "undetermined"
    assert "the stretches disagree (sound is 100 ms late from 0 s on" in report.reasons[0]


def test_two_who_talk_at_once_with_different_offsets_contradict_each_other() -> None:
    sound, other = _walk(900, 1), _walk(900, 5)
    faces = [_track(_lips(sound, 200, 10, 2)), _track(_lips(other, 200, -20, 3), left=400)]
    report = _judge(_seen(faces, _mixed(1.4 * sound, other)))
    assert report.status == "undetermined" and report.confidence is not None
    assert "two faces contradict each other" in report.reasons[0]
    assert "100 ms late" in report.reasons[0] and "200 ms early" in report.reasons[0]


def test_two_who_talk_at_once_in_step_do_not() -> None:
    voices = [_walk(900, 1), _walk(900, 5)]
    faces = [_track(_lips(voice, 200, 10, 2), left=200.0 * k) for k, voice in enumerate(voices)]
    report = _judge(_seen(faces, _mixed(*voices)))
    assert report.offset_ms == pytest.approx(-100, abs=6)


def test_little_speech_is_the_reason_for_doubt() -> None:
    never_sure = Calibration((0.0,) * 15, -6.0)
    sound = _walk(300, 1)
    seen = _seen([_track(_lips(sound, 50, 0, 2))], sound, 50)
    report = reach_verdict("a.mp4", [seen], never_sure, SearchOptions())
    assert "speech was heard for 2.0 s only" in report.reasons[0]


def test_drift_is_one_segment_that_says_how_fast() -> None:
    sound = _walk(4 * 1500 + 400, 1)
    seen = _seen([_track(_lips(sound, 1500, 0, 2))], sound, 1500)
    report = _judge(stretched(seen, 24 / 25))  # the sound is too short: ever earlier
    (segment,) = report.segments
    assert segment.drift_ms_per_minute == pytest.approx(drift_ms_per_minute(25 / 24), rel=0.01)
    assert segment.explained_by == "25 fps played at 24"
    assert report.range_ms[1] == pytest.approx(2400, rel=0.02)
    assert "at the start" in report.to_text() and "a minute more early" in report.to_text()


def test_looks_at_parts_of_a_file_are_judged_together() -> None:
    sound = _walk(2000, 1)
    video = _lips(sound, 450, 20, 2)

    def look(first: int) -> EmbeddedClip:
        heard = sound[4 * first : 4 * first + 900]
        track = _track(video[first : first + 196])
        return EmbeddedClip([track], heard, np.ones(len(heard), bool), 200, first_frame=first)

    looks = [look(0), look(250)]
    report = reach_verdict("a.mp4", looks, SURE_WHEN_STRETCHES_AGREE, SearchOptions())
    assert report.offset_ms == pytest.approx(-200, abs=6)
    assert [track.start_seconds for track in report.tracks] == [0.0, 10.0]
    assert report.duration_seconds == 16.0


def test_the_curve_has_its_minimum_at_the_offset() -> None:
    sound = _walk(820, 1)
    report = _judge(_seen([_track(_lips(sound, 200, -12, 2))], sound))
    curve = report.curve
    assert curve is not None and report.offset_ms is not None
    assert curve.offsets_ms == tuple(float(ms) for ms in range(-1000, 1001, 10))
    judged = [(d, ms) for d, ms in zip(curve.distances, curve.offsets_ms, strict=True) if d]
    assert min(judged)[1] == 120.0 == pytest.approx(report.offset_ms, abs=5)
    assert min(judged)[0] == pytest.approx(report.min_distance, abs=1e-3)


def test_what_no_sound_was_compared_with_is_none_in_the_curve() -> None:
    sound = _walk(120, 1)
    curve = _judge(_seen([_track(_lips(sound, 20, 0, 2))], sound, 20)).curve
    assert curve is not None
    assert curve.distances[100] is not None and curve.distances[-1] is None


def _doubtful() -> EmbeddedClip:
    """One voice that fits at two offsets, at the one a little better."""
    sound = _walk(820, 1)
    fits, also = (_lips(sound, 200, shift, seed) for shift, seed in ((10, 2), (-30, 3)))
    mixed = fits + 0.93 * also
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    return _seen([_track(mixed)], sound)


def _unsure(accept: float) -> SyncReport:
    calibration = Calibration((0.0, 0.0, 0.2, *(12 * [0.0])), -0.4)  # by prominence alone
    question = SearchOptions(accept=accept)
    return reach_verdict("a.mp4", [_doubtful()], calibration, question)


def test_candidates_are_the_lowest_minima_each_with_its_own_confidence() -> None:
    report = _unsure(0.9999)
    assert (report.status, report.offset_ms) == ("undetermined", None)
    first, second, third = report.candidates
    assert first.offset_ms == pytest.approx(-100, abs=5)
    assert second.offset_ms == pytest.approx(300, abs=5)
    assert first.confidence == report.confidence
    assert first.confidence > second.confidence > third.confidence
    assert report.curve is not None
    gap = abs(third.offset_ms - first.offset_ms), abs(third.offset_ms - second.offset_ms)
    assert min(gap) > 80


def test_what_is_accepted_is_an_answer() -> None:
    sure = _unsure(0.0).confidence
    assert sure is not None and 0.5 < sure < 1
    below, above = _unsure(sure - 1e-6), _unsure(sure + 1e-4)
    assert (below.status, above.status) == ("ok", "undetermined")
    assert below.offset_ms == below.candidates[0].offset_ms == above.candidates[0].offset_ms
    assert below.candidates == above.candidates
    assert "no offset stands out" in above.reasons[0]


def test_the_text_says_what_would_be_the_answer() -> None:
    sure = _unsure(0.0).confidence
    assert sure is not None
    said = _unsure(0.9999).to_text()
    assert f"probably 100 ms late ({100 * sure:.0f} %); --accept 0.{int(20 * sure) * 5:02d}" in said
    assert "probably" not in _unsure(0.0).to_text()


def test_silence_has_no_candidates() -> None:
    sound = _walk(820, 1)
    silent = EmbeddedClip([_track(_lips(sound, 200, 10, 2))], sound, np.zeros(820, bool), 200)
    report = reach_verdict("a.mp4", [silent], SURE_WHEN_STRETCHES_AGREE, SearchOptions())
    assert report.status == "undetermined" and report.candidates == ()


def test_an_offset_that_jumps_is_the_first_candidate_of_its_longest_part() -> None:
    report = _judge(_two_offsets(10, -20))
    assert len(report.segments) == 2
    assert report.candidates[0].offset_ms == report.offset_ms
