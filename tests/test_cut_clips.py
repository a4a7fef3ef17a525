"""From raw videos to a data set: the right face, in step, whole, and nothing twice."""

import csv
import json
import os
import shutil
import signal
import subprocess
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from batches import are_gone, processes_below, running, wait_until
from conftest import Command
from little_room import with_little_room
from numpy.typing import NDArray
from talking_face import (
    AAC,
    SAMPLE_RATE,
    frames,
    portrait,
    speech,
    write_media,
    write_talking_face,
)  # fmt: skip

import avsync
from avsync.clips import ClipsReport, TalkingClip
from avsync.errors import DataError, MediaError, UsageError
from avsync.media.decode import read_frames, read_samples
from avsync.media.encode import write_clip
from avsync.media.frames import bgr_of
from avsync.media.probe import probe
from avsync.pipeline.clip_options import ClipOptions
from avsync.pipeline.clips import folder_of
from avsync.pipeline.stretches import choose_stretches
from avsync.schema import schema_of
from avsync.speakers import SpeakingFace

SMALL = (416, 234)
COUNT = 6


def _face(number: int, first: int, scores: list[float], confidence: float = 0.99) -> SpeakingFace:
    """A face with one score for each second."""
    each = np.repeat(np.array(scores, np.float32), 25)
    boxes = np.full((len(each), 4), 100, np.float32)
    return SpeakingFace(number, number, first, boxes, each, 0.0, confidence)


def _chosen(faces: list[SpeakingFace], **options: float) -> list[tuple[int, float, float]]:
    found = choose_stretches(faces, ClipOptions(**options))  # type: ignore[arg-type]
    return [
        (s.face.number, s.first_frame / 25, (s.first_frame + s.end - s.first) / 25) for s in found
    ]


class TestChoice:
    def test_speech_of_one_face_is_taken(self) -> None:
        faces = [_face(0, 0, [0.9, 0.9, 0.01, 0.95]), _face(1, 100, [0.99, 0.99])]
        assert _chosen(faces) == [(0, 0.0, 2.0), (0, 3.0, 4.0), (1, 4.0, 6.0)]

    def test_where_two_speak_at_once_nobody_is(self) -> None:
        faces = [_face(0, 0, [0.9] * 6), _face(1, 50, [0.9, 0.9, 0.01, 0.01])]
        assert _chosen(faces) == [(0, 0.0, 2.0), (0, 4.0, 6.0)]

    def test_what_is_unsure_or_short_is_left_out(self) -> None:
        assert _chosen([_face(0, 0, [0.6] * 5)]) == []
        assert _chosen([_face(0, 0, [0.99] * 5, confidence=0.8)]) == []
        assert _chosen([_face(0, 0, [0.01, 0.99, 0.01])], min_seconds=1.04) == []
        assert _chosen([_face(0, 0, [])]) == []

    def test_long_stretches_are_divided_where_least_is_said(self) -> None:
        face = _face(0, 0, [0.99] * 30)
        face.scores[200:203] = 0.3
        parts = _chosen([face], max_seconds=10)
        assert parts[0][2] == 8.0 and parts[-1][2] == 30.0
        assert all(1 <= end - start <= 10 for _, start, end in parts)
        assert all(one[2] == other[1] for one, other in pairwise(parts))

    @pytest.mark.parametrize(
        ("options", "field"),
        [({"min_seconds": 0.1}, "min_seconds"), ({"min_seconds": float("nan")}, "min_seconds"),
         ({"min_seconds": 5, "max_seconds": 9}, "max_seconds"),
         ({"max_seconds": float("inf")}, "max_seconds"), ({"size": 15}, "size"),
         ({"size": 99}, "size"), ({"size": 10_000}, "size")],
    )  # fmt: skip
    def test_what_cannot_be_is_refused(self, options: dict[str, float], field: str) -> None:
        with pytest.raises(UsageError) as caught:
            ClipOptions(**options)  # type: ignore[arg-type]
        assert caught.value.field == field


def _pictures(path: Path) -> NDArray[np.uint8]:
    info = probe(path)
    side = max(info.require_video().width, info.require_video().height)
    return np.stack([bgr_of(frame) for frame in read_frames(info, [], side)])


def _sound(path: Path) -> NDArray[np.int16]:
    return np.concatenate([*read_samples(probe(path))])


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face whose sound is 160 ms early."""
    path = tmp_path_factory.mktemp("raw") / "early talk.mp4"
    write_talking_face(path, seconds=8.0, sound_early_ms=160, size=SMALL)
    return path


@pytest.fixture(scope="module")
def data(early: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ClipsReport]:
    """Its clips."""
    output = tmp_path_factory.mktemp("data") / "set"
    pipeline = avsync.Pipeline()
    return output, avsync.cut_clips(early, output, pipeline=pipeline)


def test_clips_are_in_step_and_hold_what_the_film_holds(
    early: Path, data: tuple[Path, ClipsReport]
) -> None:
    output, report = data
    assert report.status == "ok" and report.clips
    assert sum(clip.duration_seconds for clip in report.clips) > 1.5
    heard = _sound(early)
    for clip in report.clips:
        assert clip.offset_ms == pytest.approx(160, abs=40)
        own = _sound(output / clip.file)
        count = len(clip.boxes)
        assert len(own) == count * 640 == round(clip.duration_seconds * SAMPLE_RATE)
        start = round(clip.start_seconds * SAMPLE_RATE) - round(16 * clip.offset_ms)
        assert np.array_equal(own, heard[start : start + len(own)]), "not a sample is changed"
        shown = _pictures(output / clip.file)
        assert shown.shape == (count, 224, 224, 3)
        measured = avsync.detect(output / clip.file, avsync.DetectOptions(cropped=True))
        if clip.duration_seconds > 1.5:
            assert measured.offset_ms == pytest.approx(0, abs=40)


def test_each_picture_is_the_face_of_its_time(early: Path, data: tuple[Path, ClipsReport]) -> None:
    output, report = data
    film = _pictures(early)
    clip = report.clips[0]
    first = round(25 * clip.start_seconds)
    for k, shown in enumerate(_pictures(output / clip.file)):
        left, top, width, height = clip.boxes[k]
        side = max(width, height)
        x, y = round(left + width / 2), round(top + height / 2)
        reach = round(0.3 * side)
        there = film[first + k][y - reach : y + reach, x - reach : x + reach].mean(axis=(0, 1))
        scale = 224 / (1.4 * side)
        middle_y, part = round(112 - 0.2 * side * scale), round(reach * scale)
        here = shown[middle_y - part : middle_y + part, 112 - part : 112 + part].mean(axis=(0, 1))
        assert np.abs(here - there).max() < 6


@pytest.mark.parametrize(("crop", "shape"), [("mouth", (96, 96)), ("none", (234, 416))])
def test_other_crops(early: Path, tmp_path: Path, crop: str, shape: tuple[int, int]) -> None:
    options = avsync.ClipOptions(crop=crop, size=96)  # type: ignore[arg-type]
    pipeline = avsync.Pipeline()
    report = avsync.cut_clips(early, tmp_path, options, pipeline=pipeline)
    assert _pictures(tmp_path / report.clips[0].file).shape[1:3] == shape
    if crop == "none":
        first = round(25 * report.clips[0].start_seconds)
        own, film = _pictures(tmp_path / report.clips[0].file), _pictures(early)
        away = [np.abs(own[20].astype(int) - film[first + 20 + k]).mean() for k in range(-8, 9)]
        assert np.argmin(away) == 8 and away[8] < 3, "the frame of that very time"


def test_of_two_people_each_gets_their_own_turns(avsync: Command, tmp_path: Path) -> None:
    """And no clip holds a moment in which the other one speaks."""
    seconds, half = 8.0, 4 * SAMPLE_RATE
    said = np.resize(speech(), 3 * 2 * half)
    heard, mute = said[: 2 * half], said[2 * half : 4 * half]
    left = np.concatenate([heard[:half], mute[half:]])
    right = np.concatenate([mute[:half], heard[half:]])
    size = (320, 270)
    both = zip(frames(left, 25, seconds, size), frames(right, 25, seconds, size), strict=True)
    path = tmp_path / "two.mp4"
    pictures = (np.concatenate(pair, axis=1) for pair in both)
    write_media(path, pictures, (640, 270), 25, heard, AAC)
    done = avsync("clips", path, "-o", tmp_path / "data", "--json", "--frames")
    report = ClipsReport.from_dict(json.loads(done.stdout))
    assert done.returncode == 0 and len({clip.speaker for clip in report.clips}) == 2
    for clip in report.clips:
        is_left = clip.boxes[0][0] + clip.boxes[0][2] / 2 < 320
        assert clip.end_seconds <= 4.3 if is_left else clip.start_seconds >= 3.7


def test_no_clip_holds_a_cut(tmp_path: Path) -> None:
    """The picture jumps to a larger one and back while the speech goes on."""
    seconds, said = 9.0, np.resize(speech(), 9 * SAMPLE_RATE)
    near = (640, 360)
    shots = [_placed(frame, k) for k, frame in enumerate(frames(said, 25, seconds, near))]
    path = tmp_path / "cuts.mp4"
    write_media(path, shots, near, 25, said, AAC)
    pipeline = avsync.Pipeline()
    report = avsync.cut_clips(path, tmp_path / "data", pipeline=pipeline)
    assert report.clips
    for clip in report.clips:
        for cut in (3.0, 6.0):
            assert not clip.start_seconds + 0.08 < cut < clip.end_seconds - 0.08, clip


def _placed(frame: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    if not 75 <= number < 150:
        return frame
    small = frame[::2, ::2]
    other = np.full_like(frame, 90)
    other[: small.shape[0], : small.shape[1]] = small
    return other


def test_no_clip_holds_a_jump_of_its_face(tmp_path: Path) -> None:
    """The face jumps within its place, and all around stays as it is: no cut of the picture."""
    seconds, said = 9.0, np.resize(speech(), 9 * SAMPLE_RATE)
    jumping = (
        np.roll(frame, 7, axis=0)[:, ::-1] if 60 <= number < 110 else frame
        for number, frame in enumerate(frames(said, 25, seconds, (208, 234)))
    )  # fmt: skip
    around = np.random.default_rng(0).integers(60, 190, (234, 416, 3)).astype(np.uint8)
    pictures = (np.concatenate([around, frame, around], axis=1) for frame in jumping)
    path = tmp_path / "jumps.mp4"
    write_media(path, pictures, (1040, 234), 25, said, AAC)
    pipeline = avsync.Pipeline()
    found = avsync.find_speakers(path, pipeline=pipeline)
    assert any(one.start_seconds < 2.2 < 2.6 < one.end_seconds for one in found.segments)
    report = avsync.cut_clips(path, tmp_path / "data", pipeline=pipeline)
    assert report.clips
    for clip in report.clips:
        for jump in (2.4, 4.4):
            assert not clip.start_seconds + 0.04 < jump < clip.end_seconds - 0.04, clip


def test_a_file_without_speech_is_an_answer(avsync: Command, tmp_path: Path) -> None:
    path = tmp_path / "mute.mp4"
    mouths = frames(speech(), 25, 4.0, SMALL)
    write_media(path, mouths, SMALL, 25, np.zeros(4 * SAMPLE_RATE, np.int16), AAC)
    done = avsync("clips", path, "-o", tmp_path / "data")
    assert done.returncode == 0
    assert "no clips: nobody is sure to speak alone for 1 s" in done.stdout
    assert sorted(os.listdir(tmp_path / "data")) == ["clips.jsonl", "manifest.tsv"]


def test_a_film_on_its_side_gives_upright_clips(early: Path, tmp_path: Path) -> None:
    path = tmp_path / "side.mp4"
    turned = [np.rot90(frame).copy() for frame in _pictures(early)]
    write_media(path, turned, SMALL[::-1], 25, _sound(early), AAC)
    pipeline = avsync.Pipeline()
    report = avsync.cut_clips(path, tmp_path / "data", pipeline=pipeline)
    assert report.clips
    upright = avsync.cut_clips(early, tmp_path / "other", pipeline=pipeline)
    one = _pictures(tmp_path / "data" / report.clips[0].file)[10].mean(axis=2)
    other = _pictures(tmp_path / "other" / upright.clips[0].file)[10].mean(axis=2)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.9


@pytest.fixture(scope="module")
def copies(early: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files alike."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(COUNT):
        shutil.copy(early, folder / f"{number:02}.mp4")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_twice_is_gone_on_with(
    avsync: Command, copies: Path, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "data"
    journal = output / "clips.jsonl"
    command = ("clips", copies, "-o", output, "--jobs", "2", "--max-seconds", "3")
    for done in (1, 3):
        with running(*command) as process:
            wait_until(
                lambda done=done: journal.exists() and journal.read_bytes().count(b"\n") >= done,
                f"{done} answers",
            )
            below = processes_below(process.pid)
            process.send_signal(number)
            process.communicate(timeout=300)
        wait_until(lambda below=below: are_gone(below), "workers end")
    told = journal.read_bytes()
    assert 3 <= told.count(b"\n") < COUNT
    finished = avsync(*command, "--jsonl")
    assert finished.returncode == 0
    assert journal.read_bytes().startswith(told[: told.rfind(b"\n") + 1])
    _is_complete(output, copies)
    reports = [json.loads(line) for line in finished.stdout.splitlines()]
    assert sorted(r["path"] for r in reports) == sorted(map(str, copies.iterdir()))
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.mp4")}
    assert avsync(*command).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.mp4")} == before


def _is_complete(output: Path, raw: Path) -> None:
    """The manifest, the journal and the folder tell of the same clips, each whole."""
    with (output / "manifest.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    reports = [
        ClipsReport.from_dict(json.loads(line))
        for line in (output / "clips.jsonl").read_text().splitlines()
    ]
    assert sorted(r.path for r in reports) == sorted(map(str, raw.iterdir()))
    clips = {clip.file: clip for report in reports for clip in report.clips}
    assert sorted(clips) == sorted(row["file"] for row in rows) and len(clips) == len(rows)
    assert {str(p.relative_to(output)) for p in output.rglob("*.mp4")} == set(clips)
    assert not list(output.glob(".avsync-*"))
    for file, clip in clips.items():
        assert len(_sound(output / file)) == 640 * len(clip.boxes)
        assert len(_pictures(output / file)) == len(clip.boxes)


def test_training_reads_what_was_cut(avsync: Command, early: Path, tmp_path: Path) -> None:
    cut = avsync("clips", early, "-o", tmp_path / "data", "--crop", "none")
    assert cut.returncode == 0
    made = avsync("prepare", tmp_path / "data" / "manifest.tsv", "-o", tmp_path / "prepared")
    assert made.returncode == 0 and "kept" in made.stdout
    with (tmp_path / "prepared" / "index.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert rows and all(row["prepared"] for row in rows)
    assert {row["speaker"] for row in rows} == {f"{folder_of(str(early))}-0"}


def test_other_options_cut_anew(avsync: Command, early: Path, tmp_path: Path) -> None:
    output = tmp_path / "data"
    command = ("clips", early, "-o", output, "--json")
    one = json.loads(avsync(*command).stdout)
    other = json.loads(avsync(*command, "--min-seconds", "0.5", "--max-seconds", "1.5").stdout)
    assert max(clip["end_seconds"] - clip["start_seconds"] for clip in one["clips"]) > 1.5
    assert max(clip["end_seconds"] - clip["start_seconds"] for clip in other["clips"]) <= 1.5
    files = {str(p.relative_to(output)) for p in output.rglob("*.mp4")}
    assert files == {clip["file"] for clip in other["clips"]}
    assert len((output / "clips.jsonl").read_text().splitlines()) == 1


def test_sound_of_its_own(avsync: Command, early: Path, tmp_path: Path) -> None:
    from avsync.media.ffmpeg import find_ffmpeg

    ffmpeg = [find_ffmpeg(), "-v", "error", "-i", str(early)]
    subprocess.run([*ffmpeg, "-an", "-c", "copy", str(tmp_path / "mute.mp4")], check=True)
    subprocess.run([*ffmpeg, "-vn", str(tmp_path / "sound.wav")], check=True)
    command = ("clips", tmp_path / "mute.mp4", "--audio", tmp_path / "sound.wav", "--json")
    report = json.loads(avsync(*command, "-o", tmp_path / "data").stdout)
    assert report["clips"]
    for clip in report["clips"]:
        assert clip["offset_ms"] == pytest.approx(160, abs=40)


def test_a_folder_of_something_else_is_left_alone(
    avsync: Command, early: Path, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = avsync("clips", early, "-o", tmp_path)
    assert done.returncode == 1
    assert "holds other files, and no clips.jsonl; name a new folder" in done.stderr
    assert os.listdir(tmp_path) == ["thesis.txt"]
    (tmp_path / "clips.jsonl").write_text("not ours\n")
    assert "not a report of avsync" in avsync("clips", early, "-o", tmp_path).stderr
    assert avsync("clips", early, "-o", early).returncode == 1


def test_a_damaged_line_of_the_journal_costs_that_line(
    avsync: Command, early: Path, tmp_path: Path
) -> None:
    command = ("clips", early, "-o", tmp_path / "data")
    assert avsync(*command).returncode == 0
    journal, manifest = (tmp_path / "data" / name for name in ("clips.jsonl", "manifest.tsv"))
    whole, listed = journal.read_bytes(), manifest.read_bytes()
    journal.write_bytes(whole + b"\0\0\0\n")
    again = avsync(*command)
    assert (again.returncode, again.stderr) == (0, "")
    assert (journal.read_bytes(), manifest.read_bytes()) == (whole, listed)


def test_clips_of_the_data_set_are_not_cut_again(
    avsync: Command, early: Path, tmp_path: Path
) -> None:
    shutil.copy(early, tmp_path / "talk.mp4")
    command = ("clips", tmp_path, "-o", tmp_path / "data", "--jsonl")
    for _ in range(2):
        done = avsync(*command)
        assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [
            str(tmp_path / "talk.mp4")
        ]


def test_a_bad_file_stops_nothing(avsync: Command, early: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no film")
    done = avsync("clips", bad, early, "-o", tmp_path / "data", "--csv")
    assert done.returncode == 1 and "bad.mp4" in done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert {row["status"] for row in rows} == {"error", "ok"}
    assert len((tmp_path / "data" / "manifest.tsv").read_text().splitlines()) == len(rows)


def test_a_disk_that_is_full_leaves_no_half_clip(
    avsync: Command, each_ffmpeg: str, early: Path, tmp_path: Path
) -> None:
    """Some ffmpegs end with 0 all the same."""
    limited = with_little_room(each_ffmpeg, tmp_path, kilobytes=24)
    output = tmp_path / "data"
    environment = {**os.environ, "AVSYNC_FFMPEG": str(limited)}
    done = avsync("clips", early, "-o", output, env=environment)
    assert done.returncode == 1 and done.stdout == ""
    assert f"{output / folder_of(str(early))}/00000.mp4: ffmpeg cannot write it" in done.stderr
    assert sorted(os.listdir(output)) == ["clips.jsonl", "manifest.tsv"]
    assert len((output / "manifest.tsv").read_text().splitlines()) == 1
    assert avsync("clips", early, "-o", output).returncode == 0
    assert list(output.rglob("*.mp4"))


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    few, samples = [portrait()] * 3, np.zeros(1920, np.int16)
    with pytest.raises(OSError):
        write_clip(tmp_path / "no" / "a.mp4", few, samples, "a")
    with pytest.raises(MediaError, match=r"set/a\.mp4: ffmpeg cannot write it: .*nosuch"):
        write_clip(tmp_path / "a.nosuch", few, samples, "set/a.mp4")
    with pytest.raises(MediaError, match=r"set/a\.mp4: there are no pictures"):
        write_clip(tmp_path / "a.mp4", [], samples, "set/a.mp4")


def test_each_clip_has_the_offset_of_its_own_middle(tmp_path: Path) -> None:
    """The sound is 160 ms early at first, and 200 ms late from the middle on."""
    seconds, half = 40.0, 20 * SAMPLE_RATE
    said = np.resize(speech(), round(seconds * SAMPLE_RATE) + SAMPLE_RATE)
    heard = np.concatenate([said[2560 : half + 2560], said[half - 3200 : 2 * half - 3200]])
    path = tmp_path / "jump.mp4"
    write_media(path, frames(said, 25, seconds, SMALL), SMALL, 25, heard, AAC)
    pipeline = avsync.Pipeline()
    report = avsync.cut_clips(path, tmp_path / "data", pipeline=pipeline)
    halves = [[c for c in report.clips if (c.start_seconds > 20) is late] for late in (False, True)]
    assert all(halves)
    for clips, truth in zip(halves, (160, -200), strict=True):
        for clip in clips:
            assert clip.offset_ms == pytest.approx(truth, abs=40), clip.start_seconds


def test_every_ffmpeg_writes_clips(each_ffmpeg: str, tmp_path: Path) -> None:
    """Odd sides are cut off; pictures are as many, samples the same as they were."""
    picture, samples = portrait()[:215, :383], speech()[: 10 * 640]
    write_clip(tmp_path / "a.mp4", [picture] * 10, samples, "a.mp4")
    assert sorted(os.listdir(tmp_path)) == ["a.mp4"]
    assert _pictures(tmp_path / "a.mp4").shape == (10, 214, 382, 3)
    assert np.array_equal(_sound(tmp_path / "a.mp4"), samples)


def test_namesakes_lie_apart() -> None:
    assert folder_of("a/talk.mp4") != folder_of("b/talk.mp4")
    assert folder_of("a/talk.mp4") == folder_of("a/talk.mp4")
    assert folder_of("a/t l/ü:?*.mp4").startswith("ü_-")
    assert "/" not in folder_of("x" * 300 + ".mp4") and len(folder_of("x" * 300)) < 64


REPORT = ClipsReport(
    "talk.mp4", "ok", 8.0,
    (TalkingClip("talk/00000.mp4", "talk-0", 1.0, 1.08, 40.0, 0.99, 0.98,
                 ((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0))),),
    warnings=("a word",), detector="hog", weights="w", runtime="onnx",
)  # fmt: skip


@pytest.mark.parametrize("curve", [True, False])
def test_reports_are_what_they_were_made_of(curve: bool) -> None:
    fields = json.loads(REPORT.to_json(curve=curve))
    jsonschema.Draft202012Validator(schema_of(ClipsReport)).validate(fields)
    again = ClipsReport.from_dict(fields)
    assert (again == REPORT) is curve
    assert again.clips[0].file == "talk/00000.mp4"


@pytest.mark.parametrize(
    "fields", [{"path": "a", "status": "ok"}, {"schema_version": 99}, {"clips": [{}]}]
)
def test_what_is_no_report_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(DataError):
        ClipsReport.from_dict(fields)


def test_words_for_people() -> None:
    assert REPORT.to_text().splitlines() == [
        "talk.mp4   1 clip, 0.1 s of 8.0 s",
        "    00:00:01.000 - 00:00:01.080   talk/00000.mp4   +40 ms put right",
        "    note: a word",
    ]
