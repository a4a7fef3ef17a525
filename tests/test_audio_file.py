"""Sound from a file of its own, whatever it is kept in; files that belong together by name."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from batches import fields_of
from conftest import Command
from talking_face import write_talking_face

import avsync
from avsync import DetectOptions
from avsync import detect as measure
from avsync.errors import MediaError, UsageError
from avsync.media.container import take_inventory
from avsync.media.decode import Span, read_samples
from avsync.media.ffmpeg import find_ffmpeg
from avsync.media.pairs import sound_for
from avsync.media.probe import probe
from avsync.media.recording import FileRecording, PairedRecording
from avsync.timebase import SAMPLE_RATE

EARLY_MS = -120.0
PCM = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "pcm_s16le")
KINDS = {
    "a.wav": ("-c:a", "pcm_s16le"),
    "eight.wav": ("-c:a", "pcm_s16le", "-ar", "8000"),
    "surround.wav": ("-c:a", "pcm_s16le", "-ac", "6"),
    "a.flac": ("-c:a", "flac"),
    "a.mp3": ("-c:a", "libmp3lame", "-ar", "44100"),  # encoders put silence before the sound, and
    "a.m4a": ("-c:a", "aac", "-ar", "48000"),  # say how much of it
    "a.opus": ("-c:a", "libopus"),
    "a.ogg": ("-c:a", "libvorbis", "-ar", "44100"),
    "a.mka": ("-c:a", "ac3", "-ar", "48000"),
    "with-picture.mkv": ("-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", "pcm_s16le"),
}


def ffmpeg(*arguments: str | Path) -> None:
    argv = [find_ffmpeg(), "-v", "error", "-y", *map(os.fspath, arguments)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def detect(video: Path, audio: Path, **options: object) -> avsync.SyncReport:
    chosen = DetectOptions(audio=os.fspath(audio), **options)  # type: ignore[arg-type]
    return avsync.detect(video, chosen)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A talking face with sound 120 ms late."""
    path = tmp_path_factory.mktemp("both") / "both.mkv"
    write_talking_face(path, seconds=4, sound_early_ms=EARLY_MS, size=(416, 234), options=PCM)
    return path


@pytest.fixture(scope="module")
def silent(both: Path) -> Path:
    """The same without its sound, in another container."""
    path = both.with_name("silent.mp4")
    ffmpeg("-i", both, "-map", "0:v", "-c", "copy", path)
    return path


@pytest.fixture(scope="module")
def wav(both: Path) -> Path:
    """Its sound."""
    path = both.with_name("sound.wav")
    ffmpeg("-i", both, "-vn", path)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_whatever_it_is_kept_in(
    both: Path, silent: Path, tmp_path: Path, name: str, each_ffmpeg: str
) -> None:
    sound = tmp_path / name
    ffmpeg("-i", both, "-map", "0:a", *KINDS[name], sound)
    alone = avsync.detect(both).offset_ms
    report = detect(silent, sound)
    assert alone is not None and report.offset_ms is not None, report.reasons
    assert abs(report.offset_ms - alone) <= 4  # a tenth of a frame
    assert report.audio == os.fspath(sound) and report.path == os.fspath(silent)
    assert avsync.SyncReport.from_dict(report.to_dict()).audio == report.audio


@pytest.mark.parametrize(
    "cut", [("-t", "2.5"), ("-af", "apad=pad_dur=7"), ("-af", "volume=0.2,apad=pad_dur=0.1")]
)
def test_shorter_and_longer_sound(
    wav: Path, silent: Path, tmp_path: Path, cut: tuple[str, str]
) -> None:
    ffmpeg("-i", wav, *cut, tmp_path / "other.wav")
    report = detect(silent, tmp_path / "other.wav")
    assert report.offset_ms is not None and abs(report.offset_ms - EARLY_MS) <= 12, report.reasons


@pytest.mark.parametrize("late_ms", [0, 13, 27])
def test_a_picture_whose_first_frame_lies_off_the_grid(
    both: Path, wav: Path, tmp_path: Path, late_ms: int
) -> None:
    """Its own sound begins the file, some ms before the picture; that is its beginning."""
    video = tmp_path / "late.mkv"
    ffmpeg(
        *("-itsoffset", f"{late_ms / 1000}", "-i", both, "-i", both),
        *("-map", "0:v", "-map", "1:a", "-c", "copy", video),
    )
    report = detect(video, wav)
    assert report.offset_ms is not None
    assert abs(report.offset_ms - (EARLY_MS + late_ms)) <= 12


def test_a_span_of_a_long_film_is_heard_where_it_is(both: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.mkv"
    ffmpeg(
        *("-itsoffset", "0.013", "-i", both, "-i", both),
        *("-map", "0:v", "-map", "1:a", "-c", "copy", late),
    )
    sound, picture = FileRecording(probe(both)), FileRecording(probe(late))
    assert picture.info.lead_seconds == pytest.approx(0.027, abs=0.002)
    for one, other in ((picture, sound), (sound, picture)):
        pair = PairedRecording(one, other)
        whole = np.concatenate(list(pair.samples([])))
        part = np.concatenate(list(pair.samples([], Span(20, 25))))
        start = 20 * 640
        assert np.array_equal(part[:10_000], whole[start : start + 10_000])


def test_pairs_are_found_by_name(avsync: Command, silent: Path, wav: Path, tmp_path: Path) -> None:
    videos, sounds = tmp_path / "videos", tmp_path / "sounds"
    videos.mkdir()
    sounds.mkdir()
    for name in ("one", "two", "three", "four"):
        shutil.copy(silent, videos / f"{name}.mp4")
    shutil.copy(wav, sounds / "one.wav")
    shutil.copy(wav, sounds / "two.WAV")
    shutil.copy(wav, sounds / "three.wav")
    shutil.copy(wav, sounds / "three.mp3")  # ffmpeg would not mind
    (sounds / "two.txt").write_text("is no sound")
    done = avsync("detect", videos, "--audio", sounds, "--jsonl", "--jobs", "2")
    reports = {Path(fields["path"]).stem: fields for fields in fields_of(done.stdout.splitlines())}
    assert {name: fields["status"] for name, fields in reports.items()} == {
        "one": "ok", "two": "ok", "three": "error", "four": "error",
    }, done.stderr  # fmt: skip
    assert reports["two"]["audio"] == str(sounds / "two.WAV")
    (three,), (four,) = reports["three"]["reasons"], reports["four"]["reasons"]
    assert "several sounds of its name" in three and "three.mp3, three.wav" in three
    assert "no sound of its name" in four and "four.wav" in four and done.returncode == 1


def test_beside_its_sound_a_video_is_not_its_own(silent: Path, wav: Path, tmp_path: Path) -> None:
    shutil.copy(silent, tmp_path / "talk.mp4")
    shutil.copy(wav, tmp_path / "talk.wav")
    assert sound_for(tmp_path / "talk.mp4", str(tmp_path)) == str(tmp_path / "talk.wav")


def test_what_it_proposes_puts_it_right(avsync: Command, silent: Path, wav: Path) -> None:
    done = avsync("detect", silent, "--audio", wav)
    (line,) = (line for line in done.stdout.splitlines() if "put it right" in line)
    _, _, command = line.partition(": ")
    asked = ("detect", silent, "--audio", wav, "--for", "ffmpeg")
    synced = silent.with_name("silent.synced.mkv")
    for words in (command, avsync(*asked).stdout):
        synced.unlink(missing_ok=True)
        program, *argv = shlex.split(words)
        if program == "avsync":
            avsync(*argv)
        else:
            ffmpeg(*argv)
        report = measure(synced, DetectOptions())
        assert report.offset_ms is not None and abs(report.offset_ms) <= 12


def test_a_page_of_two_files(avsync: Command, silent: Path, wav: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = avsync("detect", silent, "--audio", wav, "--report", page, "--preview")
    text = page.read_text()
    assert done.returncode == 0 and "--audio-file=" in text
    assert f"avsync fix {silent} --audio {wav} --offset @ms@" in text
    for tool in ("mpv", "vlc", "mkvmerge", "ffmpeg"):
        line = avsync("detect", silent, "--audio", wav, "--for", tool).stdout
        assert str(wav) in line, line


def test_what_was_heard_before_is_heard_again_where_it_changed(
    avsync: Command, silent: Path, wav: Path, tmp_path: Path
) -> None:
    sound, report = tmp_path / "sound.wav", tmp_path / "report.jsonl"
    shutil.copy(wav, sound)
    argv = ("detect", silent, "--audio", sound, "--resume", report)
    avsync(*argv)
    before = report.read_text()
    avsync(*argv)
    assert report.read_text() == before
    ffmpeg("-i", wav, "-af", "adelay=80", sound)
    avsync(*argv)
    first, second = (fields_of(text.splitlines())[0] for text in (before, report.read_text()))
    assert second["offset_ms"] - first["offset_ms"] == pytest.approx(-80, abs=12)


def test_generated_faces_are_scored_with_their_sound(
    avsync: Command, both: Path, silent: Path, wav: Path, tmp_path: Path
) -> None:
    for folder, path, name in (("made", silent, "x.mp4"), ("sound", wav, "x.wav"),
                               ("real", both, "x.mkv")):  # fmt: skip
        (tmp_path / folder).mkdir()
        shutil.copy(path, tmp_path / folder / name)
    done = avsync(
        *("score", tmp_path / "made", "--audio", tmp_path / "sound"),
        *("--reference", tmp_path / "real", "--json", "--weights", "default"),
    )
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    made, real = (fields for fields in files)
    assert made["lse_d"] == pytest.approx(real["lse_d"], abs=0.01)


@pytest.mark.parametrize("kind", [".mp4", ".mkv", ".mov", ".ts", ".avi"])
@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.mka"])
def test_two_files_become_one_in_step(
    both: Path, silent: Path, tmp_path: Path, name: str, kind: str
) -> None:
    sound, out = tmp_path / name, tmp_path / f"out{kind}"
    ffmpeg("-i", both, "-map", "0:a", *KINDS[name], sound)
    options = avsync.FixOptions(detect=DetectOptions(audio=os.fspath(sound)))
    report = avsync.fix(silent, out, options)
    assert report.status == "fixed", report
    assert report.before and report.before.audio == os.fspath(sound)
    assert (report.path, report.before.path) == (os.fspath(silent), os.fspath(silent))
    assert report.offset_ms == pytest.approx(EARLY_MS, abs=8)
    after = measure(out, DetectOptions())
    assert after.offset_ms is not None and abs(after.offset_ms) <= 8
    assert set(os.listdir(tmp_path)) == {name, out.name} and silent.exists()


def test_all_but_the_pictures_own_sound_is_kept(both: Path, wav: Path, tmp_path: Path) -> None:
    film, subtitles, out = tmp_path / "film.mkv", tmp_path / "s.srt", tmp_path / "out.mkv"
    subtitles.write_text("1\n00:00:00,500 --> 00:00:02,000\nHello\n")
    chapters = tmp_path / "chapters"
    chapters.write_text(
        ";FFMETADATA1\ntitle=A talk\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=900\n"
    )
    ffmpeg(
        *("-i", both, "-f", "lavfi", "-i", "sine=duration=4", "-i", subtitles, "-i", chapters),
        *("-map", "0:v", "-map", "1:a", "-map", "2", "-map_metadata", "3", "-c:v", "copy", film),
    )
    options = avsync.FixOptions(detect=DetectOptions(audio=os.fspath(wav)))
    report = avsync.fix(film, out, options)
    assert report.status == "fixed", report
    kept = take_inventory(out)
    assert [stream.kind for stream in kept.streams] == ["Video", "Subtitle", "Audio"]
    assert kept.has_chapters and kept.tags["title"] == "A talk"
    assert kept.streams[2].codec == "pcm_s16le"


def test_what_is_in_step_is_put_together_all_the_same(
    avsync: Command, both: Path, silent: Path, tmp_path: Path
) -> None:
    sound, out = tmp_path / "in-step.wav", tmp_path / "out.mkv"
    ffmpeg("-i", both, "-vn", "-af", "atrim=start=0.12,asetpts=N/SR/TB", sound)
    done = avsync("fix", silent, "--audio", sound, "-o", out, "--jsonl")
    (report,) = fields_of(done.stdout.splitlines())
    assert report["status"] == "in_tolerance" and report["output"] == str(out)
    assert take_inventory(out).of_kind("Audio")


def test_a_dry_run_says_both_steps(silent: Path, wav: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    looks = DetectOptions(audio=os.fspath(wav))
    report = avsync.fix(silent, out, avsync.FixOptions(detect=looks, dry_run=True))
    assert report.status == "planned" and len(report.commands) == 2
    assert os.listdir(tmp_path) == []
    for command in report.commands:
        subprocess.run(shlex.split(command), check=True, capture_output=True)
    after = measure(out, DetectOptions())
    assert after.offset_ms is not None and abs(after.offset_ms) <= 8


@pytest.mark.parametrize("kind", [".mp4", ".mkv", ".ts"])
def test_the_films_own_sound_can_be_kept(
    avsync: Command, both: Path, silent: Path, tmp_path: Path, kind: str
) -> None:
    """Its own, in step with nothing, stays where it was; the other is moved, and is the default."""
    film, sound, out = tmp_path / "film.mkv", tmp_path / "sound.m4a", tmp_path / f"out{kind}"
    sine = ("-f", "lavfi", "-i", "sine=duration=4:sample_rate=48000")
    ffmpeg(
        "-i", silent, *sine, *("-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac"), film
    )
    ffmpeg("-i", both, "-map", "0:a", "-c:a", "aac", "-ar", "48000", sound)
    done = avsync("fix", film, "--audio", sound, "--keep-sound", "-o", out, "--json")
    report = json.loads(done.stdout)
    assert report["status"] == "fixed", report["reasons"]
    assert abs(report["residual_ms"]) <= 8
    tracks = take_inventory(out).of_kind("Audio")
    assert len(tracks) == 2
    if kind != ".ts":
        assert ["default" in track.dispositions for track in tracks] == [False, True]
    own = np.concatenate([*read_samples(probe(out, audio_track=1))])
    pitch = np.argmax(np.abs(np.fft.rfft(own))) * SAMPLE_RATE / len(own)
    assert len(own) > 3.9 * SAMPLE_RATE and pitch == pytest.approx(440, abs=2), "its sine"
    refused = avsync("fix", film, "--keep-sound", "-o", out)
    assert refused.returncode == 2 and "--keep-sound" in refused.stderr


def test_a_container_that_cannot_hold_the_sound_is_named(
    avsync: Command, silent: Path, wav: Path, tmp_path: Path
) -> None:
    done = avsync("fix", silent, "--audio", wav, "-o", tmp_path / "out.mpg")
    assert done.returncode == 1 and "name an output in .mov or .mkv" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and os.listdir(tmp_path) == []


def test_folders_of_both_are_put_together_by_name(
    avsync: Command, silent: Path, wav: Path, tmp_path: Path
) -> None:
    (tmp_path / "v").mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(silent, tmp_path / "v" / name)
    (tmp_path / "s").mkdir()
    ffmpeg("-i", wav, "-c:a", "adpcm_ms", tmp_path / "s" / "a.wav")
    argv = ("fix", tmp_path / "v", "--audio", tmp_path / "s", "-o", tmp_path / "o", "--jsonl")
    done = avsync(*argv, "--offset", "-120")
    reports = {Path(r["path"]).name: r for r in fields_of(done.stdout.splitlines())}
    assert reports["b.mp4"]["status"] == "error"
    assert "no sound of its name" in reports["b.mp4"]["reasons"][0]
    # Such sound has no place in .mp4, which is said of that file, too.
    assert ".mp4 cannot hold its sound" in reports["a.mp4"]["reasons"][0]


@pytest.mark.parametrize("kind", ["absent", "no media", "no sound", "folder"])
def test_what_is_no_sound_is_said(silent: Path, tmp_path: Path, kind: str) -> None:
    other = tmp_path / "other.wav"
    if kind == "no media":
        other.write_text("nothing " * 100)
    elif kind == "no sound":
        other = silent
    elif kind == "folder":
        other.mkdir()
    with pytest.raises(MediaError) as caught:
        detect(silent, other)
    said = str(caught.value)
    assert "\n" not in said and (str(other) in said or str(silent) in said)


def test_a_clip_of_arrays_has_its_own() -> None:
    clip = avsync.Clip(np.zeros((9, 64, 64, 3), np.uint8), np.zeros(16_000), 25, 16_000)
    with pytest.raises(UsageError, match="audio"):
        avsync.detect(clip, DetectOptions(audio="x.wav"))
    with pytest.raises(UsageError, match="empty"):
        DetectOptions(audio="")
