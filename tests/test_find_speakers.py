"""Who on screen speaks when: scenes of made embeddings, and of made films through the command."""

import json
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from conftest import Command
from made_embeddings import active, lips, strangers_lips
from numpy.typing import NDArray
from talking_face import AAC, SAMPLE_RATE, frames, speech, write_media, write_talking_face

import avsync
from avsync.errors import DataError
from avsync.speakers import SpeakerReport, SpeakingFace, SpeechSegment
from avsync.sync.persons import persons
from avsync.sync.speakers import FaceOffset, speaking_scores, stretches
from avsync.sync.turns import TURNS, Observed, speaking_probabilities
from avsync.timebase import timecode
from avsync.tracks import EmbeddedClip, FaceTrack

FRAMES = 400
PERIOD = 25  # frames


def _track(video: NDArray[np.float32], first: int = 0, x: float = 100) -> FaceTrack:
    boxes = np.tile(np.array([x, 100, 80, 100], np.float32), (len(video) + 4, 1))
    return FaceTrack(first, boxes, video)


def _seen(tracks: Sequence[FaceTrack], sound: NDArray[np.float32]) -> EmbeddedClip:
    sounding = np.ones(4 * FRAMES, bool)
    return EmbeddedClip(tracks, sound, sounding, FRAMES)


def _scores(seen: EmbeddedClip, shift_hops: int = 0) -> list[NDArray[np.float32]]:
    offsets = [FaceOffset(np.full(len(t.video), -10.0 * shift_hops), 1.0) for t in seen.tracks]
    return speaking_scores(seen, offsets)


def _with_lips_of(
    base: NDArray[np.float32], said: NDArray[np.float32], first: int, end: int
) -> NDArray[np.float32]:
    mixed = base.copy()
    mixed[first:end] = said[first:end]
    return mixed


class TestScores:
    SOUND = active(FRAMES / 25)
    SAID = lips(SOUND, FRAMES, 0, 0.6)

    def test_turns_are_given_to_the_face_whose_lips_fit(self) -> None:
        a = _with_lips_of(strangers_lips(FRAMES, 3), self.SAID, 0, 200)
        b = _with_lips_of(strangers_lips(FRAMES, 4), self.SAID, 200, 400)
        one, other = _scores(_seen([_track(a), _track(b, x=400)], self.SOUND))
        assert one[10:190].mean() > 0.9 > 0.1 > one[210:390].mean()
        assert other[210:390].mean() > 0.9 > 0.1 > other[10:190].mean()

    def test_a_listener_whose_lips_move_and_a_voice_over_get_nobody(self) -> None:
        faces = [_track(strangers_lips(FRAMES, n), x=100 + 300 * n) for n in range(2)]
        assert max(score.max() for score in _scores(_seen(faces, self.SOUND))) < 0.5

    def test_silence_gets_nobody(self) -> None:
        seen = EmbeddedClip([_track(self.SAID)], self.SOUND, np.zeros(4 * FRAMES, bool), FRAMES)
        (score,) = _scores(seen)
        assert score.max() < 0.5
        assert not list(stretches(score))

    def test_two_faces_that_both_speak_both_get_it(self) -> None:
        both = [_track(lips(self.SOUND, FRAMES, 0, 0.6, seed), x=300 * seed) for seed in (1, 2)]
        for score in _scores(_seen(both, self.SOUND)):
            assert score[20:-20].mean() > 0.5

    def test_the_offset_is_taken_into_account(self) -> None:
        late = _track(lips(self.SOUND, FRAMES, 12, 0.6))
        seen = _seen([late], self.SOUND)
        assert _scores(seen, 12)[0][10:300].mean() > 0.9 > 0.2 > _scores(seen)[0].mean()

    def test_a_track_that_changes_person_speaks_as_long_as_the_lips_fit(self) -> None:
        changed = _with_lips_of(strangers_lips(FRAMES, 3), self.SAID, 150, 400)
        (score,) = _scores(_seen([_track(changed)], self.SOUND))
        assert score[:130].mean() < 0.1 < 0.9 < score[170:].mean()

    def test_turns_of_a_third_of_a_second_are_told_of_nobody_else(self) -> None:
        """So short a turn tells too little to be sure of; but nobody wrong may get it."""
        strangers = [strangers_lips(FRAMES, n) for n in (3, 4, 5)]
        first_two = [video.copy() for video in strangers[:2]]
        for number, start in enumerate(range(0, FRAMES - 12, 8)):
            first_two[number % 2][start : start + 8] = self.SAID[start : start + 8]
        tracks = [_track(v, x=300 * n) for n, v in enumerate([*first_two, strangers[2]])]
        *_, third = _scores(_seen(tracks, self.SOUND))
        assert third.mean() < 0.05

    def test_faces_that_are_too_short_for_a_window_are_scored_all_the_same(self) -> None:
        short = FaceTrack(5, np.ones((3, 4), np.float32), np.zeros((0, 24), np.float32))
        (score,) = _scores(_seen([short], self.SOUND))
        assert len(score) == 3
        assert score.max() < 0.5

    def test_a_face_beyond_the_end_of_the_sound_is_nobody(self) -> None:
        sound = self.SOUND[:400]
        seen = EmbeddedClip([_track(self.SAID)], sound, np.ones(420, bool), FRAMES)
        (score,) = _scores(seen)
        assert score[:90].mean() > 0.8
        assert score[140:].max() < 0.5


def test_long_films_are_read_in_parts_that_agree_with_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    walk = np.repeat(rng.choice([-1.0, 1.0], 60), 50) + rng.normal(0, 0.5, 3000)
    faces = [Observed(0, walk), Observed(700, -walk[:900]), Observed(1700, walk[:1000])]
    whole = speaking_probabilities(faces)
    monkeypatch.setattr("avsync.sync.turns.SPAN_FRAMES", 500)
    for part, all_of_it in zip(speaking_probabilities(faces), whole, strict=True):
        np.testing.assert_allclose(part, all_of_it, atol=1e-4)


def test_probabilities_are_those_of_all_ways_through_the_states() -> None:
    """Beside the forward-backward algorithm: every path of a film of five frames, added up."""
    odds = np.random.default_rng(1).normal(0, 1, (2, 5))
    members = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], float)
    sizes = members.sum(axis=1).astype(int)
    comes = np.exp(np.array(TURNS.prior)[sizes])
    comes /= comes.sum()
    leaving = np.array(TURNS.leaving)[sizes]
    total, heard = 0.0, np.zeros((2, 5))
    for path in product(range(4), repeat=5):
        chance = comes[path[0]]
        for a, b in pairwise(path):
            chance *= leaving[a] * comes[b] + (1 - leaving[a]) * (a == b)
        chance *= np.exp(sum(members[s] @ odds[:, t] for t, s in enumerate(path)))
        total += chance
        heard += chance * members[list(path)].T
    found = speaking_probabilities([Observed(0, odds[0]), Observed(0, odds[1])])
    np.testing.assert_allclose(np.array(found), heard / total, atol=1e-6)


def test_stretches_bridge_short_pauses_and_leave_out_short_flashes() -> None:
    score = np.zeros(200, np.float32)
    score[20:60] = 0.9
    score[66:100] = 0.9  # after a pause of a quarter of a second
    score[130:133] = 0.9
    score[150:180] = 0.4  # never sure
    assert list(stretches(score)) == [(20, 100)]


class TestPersons:
    LIPS = np.tile(np.eye(24, dtype=np.float32)[0], (50, 1))
    OTHERS = np.tile(np.eye(24, dtype=np.float32)[1], (50, 1))

    def test_the_same_lips_next_in_the_same_place_are_one_person(self) -> None:
        assert persons([_track(self.LIPS), _track(self.LIPS, 54)]) == [0, 0]

    @pytest.mark.parametrize(
        ("video", "first", "x"),
        [(LIPS, 54, 400), (OTHERS, 54, 100), (LIPS, 154, 100), (LIPS, 20, 100)],
        ids=["another place", "other lips", "long after", "at the same time"],
    )
    def test_what_is_not_plain_is_left_apart(
        self, video: NDArray[np.float32], first: int, x: float
    ) -> None:
        assert persons([_track(self.LIPS), _track(video, first, x)]) == [0, 1]

    def test_a_face_that_might_go_on_in_two_goes_on_in_neither(self) -> None:
        tracks = [_track(self.LIPS), _track(self.LIPS, 54, 95), _track(self.LIPS, 56, 110)]
        assert persons(tracks) == [0, 1, 2]


class TestReport:
    BOXES = np.array([[100, 100, 80, 100]] * 25, np.float32)
    FACE = SpeakingFace(0, 0, 50, BOXES, np.linspace(0, 1, 25, dtype=np.float32), -40.0, 0.99)
    REPORT = SpeakerReport(
        "a b.mp4", "ok", 8.0, (FACE,), (SpeechSegment(0, 0, 2.2, 2.8, 0.9),), warnings=("w",)
    )

    @pytest.mark.parametrize("curve", [True, False])
    def test_json_is_as_the_schema_says_and_can_be_read_again(self, curve: bool) -> None:
        from avsync.schema import schema_of

        fields = json.loads(self.REPORT.to_json(curve=curve))
        jsonschema.Draft202012Validator(schema_of(SpeakerReport)).validate(fields)
        again = SpeakerReport.from_dict(fields)
        assert again.segments == self.REPORT.segments
        assert len(again.faces[0].scores) == (25 if curve else 0)
        if curve:
            assert json.loads(again.to_json()) == fields

    def test_what_is_no_report_is_refused(self) -> None:
        with pytest.raises(DataError, match="not a report of avsync speakers"):
            SpeakerReport.from_dict({"path": "a", "status": "ok"})
        with pytest.raises(DataError, match="newer"):
            SpeakerReport.from_dict({"schema_version": 99})

    def test_times_of_more_than_an_hour(self) -> None:
        assert timecode(3725.0404) == "01:02:05.040"


def _two_faces(path: Path, seconds: float = 8.0) -> None:
    """Left speaks the first half, right the second; each listener's lips move mutely."""
    count, half = round(seconds * SAMPLE_RATE), round(seconds * SAMPLE_RATE / 2)
    said = np.resize(speech(), 3 * count)
    heard, mute = said[:count], said[count : 2 * count]
    left = np.concatenate([heard[:half], mute[half:]])
    right = np.concatenate([mute[:half], heard[half:]])
    size = (320, 270)
    both = zip(frames(left, 25, seconds, size), frames(right, 25, seconds, size), strict=True)
    pictures = (np.concatenate(pair, axis=1) for pair in both)
    write_media(path, pictures, (2 * size[0], size[1]), 25, heard, AAC)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of two who take turns."""
    path = tmp_path_factory.mktemp("scene") / "two people.mp4"
    _two_faces(path)
    return path


def test_each_turn_of_a_film_is_told_of_the_face_that_has_it(avsync: Command, scene: Path) -> None:
    done = avsync("speakers", scene, "--json", "--frames")
    report = SpeakerReport.from_dict(json.loads(done.stdout))
    assert (done.returncode, report.status, len(report.faces)) == (0, "ok", 2)
    for segment in report.segments:
        x = report.faces[segment.face].box[0]
        middle = (segment.start_seconds + segment.end_seconds) / 2
        assert (x < 320) == (middle < 4), segment
    spoken = sum(one.end_seconds - one.start_seconds for one in report.segments)
    assert spoken > 4
    assert all(len(face.scores) == len(face.boxes) for face in report.faces)


def test_forms_for_other_programs(avsync: Command, scene: Path) -> None:
    rttm = avsync("speakers", scene, "--rttm").stdout.splitlines()
    assert all(line.split()[:3] == ["SPEAKER", "two_people", "1"] for line in rttm)
    assert {len(line.split()) for line in rttm} == {10}
    vtt = avsync("speakers", scene, "--vtt").stdout
    assert vtt.startswith("WEBVTT\n\nNOTE face 1, person 1: ")
    assert vtt.count(" --> ") == len(rttm)
    text = avsync("speakers", scene).stdout
    assert "2 people seen" in text
    assert text.count("person ") == len(rttm)


@pytest.mark.parametrize(
    "flags",
    [("--rttm", "--vtt"), ("--rttm", "--json"), ("--vtt", "--resume", "r.jsonl"), ()],
)
def test_forms_that_do_not_go_together_are_refused(
    avsync: Command, scene: Path, flags: tuple[str, ...]
) -> None:
    several = () if flags else (scene, "--vtt")
    done = avsync("speakers", scene, *flags, *several)
    assert done.returncode == 2
    assert "--" in done.stderr


def test_bad_files_of_a_batch_are_told_and_stop_nothing(
    avsync: Command, scene: Path, tmp_path: Path
) -> None:
    """No face, no sound, no video, and one that is whole; gone on with, only what failed."""
    blank = (np.full((120, 160, 3), 90, np.uint8) for _ in range(50))
    write_media(tmp_path / "no face.mp4", blank, (160, 120), 25, speech()[:32000], AAC)
    pictures = frames(speech(), 25, 2.0, (320, 180))
    write_media(tmp_path / "no sound.mp4", pictures, (320, 180), 25, speech()[:32000], ("-an",))
    (tmp_path / "no video.mp4").write_text("This is no video.\n")
    (tmp_path / "whole.mp4").hardlink_to(scene)
    report = tmp_path / "report.jsonl"
    done = avsync("speakers", tmp_path, "--resume", report, "--jobs", "2")
    lines = {Path(f["path"]).stem: f for f in map(json.loads, report.read_text().splitlines())}
    assert done.returncode == 1
    assert {name: fields["status"] for name, fields in lines.items()} == {
        "no face": "undetermined", "no sound": "error", "no video": "error", "whole": "ok",
    }  # fmt: skip
    assert lines["no face"]["reasons"]
    assert done.stderr.count("avsync: ") == 2
    again = avsync("speakers", tmp_path, "--resume", report, "-v", "--jobs", "2")
    assert again.stderr.count("known=yes") == 2
    assert len(report.read_text().splitlines()) == 4
    other = avsync("detect", tmp_path, "--resume", report)
    assert other.returncode == 1
    assert "another command" in other.stderr


def test_a_film_in_which_nothing_is_heard_has_no_speaker(avsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    pictures = frames(speech(), 25, 4.0, (320, 180))
    write_media(path, pictures, (320, 180), 25, np.zeros(64000, np.int16), AAC)
    done = avsync("speakers", path, "--json")
    fields = json.loads(done.stdout)
    assert (done.returncode, fields["status"], fields["segments"]) == (0, "ok", [])
    assert "nothing is heard" in fields["warnings"]


def test_a_cut_ends_a_face_and_its_speech(tmp_path: Path) -> None:
    """After it the picture is darker and the face stands on the other side."""
    said = np.resize(speech(), 8 * SAMPLE_RATE)
    size = (480, 270)
    shots = (
        np.roll(picture, -70, axis=1) if number < 100 else np.roll(picture // 2, 70, axis=1)
        for number, picture in enumerate(frames(said, 25, 8.0, size))
    )
    path = tmp_path / "cut.mp4"
    write_media(path, shots, size, 25, said, AAC)
    report = avsync.find_speakers(path)
    assert len(report.faces) >= 2
    for one in (*report.faces, *report.segments):
        assert one.end_seconds <= 4.0 or one.start_seconds >= 4.0
    assert any(one.end_seconds <= 4.0 for one in report.segments)
    assert any(one.start_seconds >= 4.0 for one in report.segments)
    assert len({face.person for face in report.faces}) == len(report.faces)
    assert any("left apart" in warning for warning in report.warnings)


def test_a_face_whose_sound_is_late_speaks_when_its_lips_do(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    write_talking_face(path, seconds=6.0, sound_early_ms=-120, size=(416, 234))
    report = avsync.find_speakers(path)
    (face,) = report.faces
    assert face.offset_ms == pytest.approx(-120, abs=40)
    assert face.scores.mean() > 0.4
    assert report.segments


def test_features_hold_the_scores(avsync: Command, scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "scene.npz"
    assert avsync("features", scene, "-o", output).returncode == 0
    with np.load(output) as arrays:
        scores, tracks = arrays["box_speaking"], arrays["box_track"]
        left = arrays["box"][:, 0] < 320
        seconds = arrays["box_seconds"]
    assert len(scores) == len(tracks)
    early = seconds < 4
    assert scores[left & early].mean() > 2 * scores[left & ~early].mean()
