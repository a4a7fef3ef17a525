"""Files with several sounds or pictures: which are taken, how others are chosen, what is said."""

import json
from pathlib import Path

import pytest
from conftest import Command
from talking_face import write_talking_face
from timeline import run

import avsync
from avsync import DetectOptions, FixOptions
from avsync.errors import MediaError
from avsync.pipeline.export import embed_video
from avsync.pipeline.loading import Pipeline

LATE_MS = 120.0
SLIDES = ("-f", "lavfi", "-i", "color=gray:s=416x234:r=25:d=3")
SILENCE = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono:d=3")
PICTURE_FIRST = ("-map", "0:v", "-map", "1:v", "-c:v", "libx264", "-map", "1:a", "-c:a", "copy")
SOUND_FIRST = ("-map", "1:v", "-c:v", "copy", "-map", "0:a", "-map", "1:a", "-c:a", "aac")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """Weights and face finder, loaded once."""
    return Pipeline()


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face, one picture and one sound, which is late."""
    path = tmp_path_factory.mktemp("face") / "face.mp4"
    write_talking_face(path, seconds=3.0, sound_early_ms=-LATE_MS, size=(416, 234))
    return path


@pytest.fixture(scope="module")
def silence_first(face: Path) -> Path:
    """The speech is the second sound, and the file does not say which is wanted."""
    path = face.with_name("silence first.mkv")
    run(*SILENCE, "-i", face, *SOUND_FIRST, "-disposition:a", "0", path)
    return path


@pytest.fixture(scope="module")
def slides_first(face: Path) -> Path:
    """The speaker is in the second picture, and the file does not say which is wanted."""
    path = face.with_name("slides first.mkv")
    run(*SLIDES, "-i", face, *PICTURE_FIRST, "-disposition:v", "0", path)
    return path


def _offset(path: Path, pipeline: Pipeline, **options: int) -> float | None:
    return avsync.detect(path, DetectOptions(**options), pipeline=pipeline).offset_ms  # type: ignore[arg-type]


def test_where_there_is_no_answer_other_tracks_are_named(
    silence_first: Path, slides_first: Path, pipeline: Pipeline
) -> None:
    for path, why in (
        (
            silence_first,
            ("the sound is silent", "this was audio track 1 of 2: try --audio-track 2"),
        ),
        (slides_first, ("no face found", "this was video track 1 of 2: try --video-track 2")),
    ):
        report = avsync.detect(path, pipeline=pipeline)
        assert report.status == "undetermined"
        assert [reason.startswith(words) for reason, words in
                zip(report.reasons, why, strict=True)] == [True, True]  # fmt: skip


def test_of_one_track_nothing_is_said(face: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    mute = tmp_path / "mute.mp4"
    run(*SILENCE, "-i", face, "-map", "1:v", "-map", "0:a", "-c:v", "copy", mute)
    assert avsync.detect(mute, pipeline=pipeline).reasons == ("the sound is silent",)


def test_a_track_that_is_asked_for_is_taken(
    silence_first: Path, slides_first: Path, pipeline: Pipeline
) -> None:
    heard = _offset(silence_first, pipeline, audio_track=2)
    seen = _offset(slides_first, pipeline, video_track=2)
    assert heard == pytest.approx(-LATE_MS, abs=20) and seen == pytest.approx(-LATE_MS, abs=20)
    assert _offset(slides_first, pipeline, video_track=1) is None


def test_the_track_that_the_file_calls_its_default_is_taken(
    face: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    for kind, source, maps in (("a", SILENCE, SOUND_FIRST), ("v", SLIDES, PICTURE_FIRST)):
        path = tmp_path / f"{kind}.mkv"
        flags = (f"-disposition:{kind}:0", "0", f"-disposition:{kind}:1", "default")
        run(*source, "-i", face, *maps, *flags, path)
        assert _offset(path, pipeline) == pytest.approx(-LATE_MS, abs=20)


def test_a_cover_picture_is_no_track(face: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    cover, path = tmp_path / "cover.png", tmp_path / "covered.mp4"
    run(*SLIDES, "-frames:v", "1", cover)
    run("-i", cover, "-i", face, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", path)  # fmt: skip
    assert _offset(path, pipeline, video_track=1) == pytest.approx(-LATE_MS, abs=20)
    with pytest.raises(MediaError, match="no video track 2; it has 1"):
        _offset(path, pipeline, video_track=2)


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_track_that_is_not_there(avsync: Command, face: Path, tmp_path: Path, kind: str) -> None:
    says = f"avsync: {face}: no {kind} track 2; it has 1\n"
    for command in (
        ("detect", face),
        ("fix", face, "-o", tmp_path / "out.mp4"),
        ("fix", face, "-o", tmp_path / "out.mp4", "--offset", "40"),
        ("features", face, "-o", tmp_path / "out.npz"),
    ):
        done = avsync(*command, f"--{kind}-track", "2")
        assert (done.returncode, done.stdout, done.stderr) == (1, "", says)


def test_the_command_takes_tracks(avsync: Command, silence_first: Path, slides_first: Path) -> None:
    for path, option in ((silence_first, "--audio-track"), (slides_first, "--video-track")):
        done = avsync("detect", path, option, "2", "--json")
        report = json.loads(done.stdout)
        assert report["offset_ms"] == pytest.approx(-LATE_MS, abs=20)
        assert report["options"][option[2:].replace("-", "_")] == 2


@pytest.mark.slow
def test_what_was_fixed_is_measured_by_the_same_tracks(
    face: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    """Into a container that does not say which sound is its default."""
    path = tmp_path / "two.mp4"
    flags = ("-disposition:a:0", "0", "-disposition:a:1", "default")
    in_order = ("-c:v", "libx264", "-bf", "0")  # AVI has no stamps for pictures that are not
    run(*SILENCE, "-i", face, *SOUND_FIRST, *in_order, *flags, path)
    report = avsync.fix(path, tmp_path / "two.avi", FixOptions(), pipeline=pipeline)
    assert report.status == "fixed", report.reasons
    assert report.residual_ms == pytest.approx(0, abs=20)


def test_features_are_of_the_track_that_is_asked_for(
    slides_first: Path, pipeline: Pipeline
) -> None:
    tables = [
        embed_video(slides_first, DetectOptions(video_track=track), pipeline) for track in (1, 2)
    ]
    rows = [len(table.arrays["video"]) for table in tables]
    assert rows[0] == 0 and rows[1] >= 3 * 25 - 4
