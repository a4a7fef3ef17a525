"""Every version of ffmpeg says the same of a file, however it words it."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import REPOSITORY

from avsync.media import container
from avsync.media.streams import VideoStream

GOLDEN = REPOSITORY / "tests" / "golden" / "ffmpeg-i"
VERSIONS = sorted(path.name for path in GOLDEN.iterdir())
PRIMING_SECONDS = 0.025  # that an encoder puts in front; versions differ in whether it counts
DURATION_SECONDS = 0.035  # of two frames of sound and what is rounded


@dataclass(frozen=True, slots=True)
class Facts:
    """What is in a file, by its recipe in make_golden.py."""

    streams: str  # kind, codec and tag of each, separated by commas
    size: tuple[int, int] | None = (160, 120)  # as it is shown, of the first film
    seconds: float | None = 1.0
    start_seconds: float = 0.0


MP4 = "Video h264 avc1, Audio aac mp4a"
MKV = "Video h264, Audio aac"
FACTS = {
    "plain.mp4": Facts(MP4),
    "turned.mp4": Facts(MP4, (120, 160)),
    "turned_half.mov": Facts(MP4),
    "askew.mp4": Facts(MP4, (120, 213)),
    "wide.mkv": Facts(MKV, (213, 120)),
    "light.mkv": Facts("Video hevc, Audio aac"),
    "hdr.mp4": Facts("Video hevc hvc1, Audio aac mp4a"),
    "stereo.mkv": Facts(MKV),
    "song.mp3": Facts("Audio mp3, Video mjpeg", None),
    "covered.mp4": Facts(f"{MP4}, Video mjpeg"),
    "several.mkv": Facts(
        "Audio aac, Video h264, Audio aac, Subtitle subrip, Attachment none, Video mjpeg"
    ),
    "several.mp4": Facts(
        "Audio aac mp4a, Video h264 avc1, Audio aac mp4a, Subtitle mov_text tx3g, "
        "Data bin_data text"
    ),
    "timecode.mov": Facts(f"{MP4}, Data none tmcd"),
    "late.mp4": Facts(MP4, seconds=1.48),
    "early.mkv": Facts(MKV, seconds=0.62, start_seconds=-0.415),
    "later.mkv": Facts(MKV, seconds=26.7, start_seconds=25.68),
    "live.mkv": Facts(MKV, seconds=None),
    "broadcast.ts": Facts("Video h264, Audio aac, Video h264, Audio aac", start_seconds=1.459),
    "shared.ts": Facts("Video h264, Audio aac, Audio aac", start_seconds=1.459),
    "surround.mkv": Facts("Video vp9, Audio ac3"),
    "dvd.mpg": Facts("Data dvd_nav_packet, Video mpeg2video, Audio mp2", start_seconds=0.53),
    "old.avi": Facts("Video mpeg4 FMP4, Audio mp3", seconds=1.04),
    "stream.flv": Facts(MKV, seconds=1.08, start_seconds=0.059),
    "phone.3gp": Facts("Video mpeg4 mp4v, Audio aac mp4a"),
    "liar.mkv": Facts(MKV),
    "sound.wav": Facts("Audio pcm_s16le", None),
}
CAUSES = {"half.mp4": "moov atom not found", "words.mp4": "moov atom not found"}


def text_of(version: str, name: str) -> str:
    """What a version prints of a file."""
    return (GOLDEN / version / f"{name}.txt").read_text(encoding="utf-8")


def texts_of(name: str) -> list[tuple[str, str]]:
    """What each version prints of a file."""
    return [(version, text_of(version, name)) for version in VERSIONS]


def test_all_that_was_made_is_looked_at() -> None:
    assert len(VERSIONS) >= 5 and any(version.startswith("5.") for version in VERSIONS)
    for version in VERSIONS:
        named = {path.stem for path in (GOLDEN / version).iterdir()}
        assert named == FACTS.keys() | CAUSES.keys(), version


@pytest.mark.parametrize("name", FACTS)
def test_times(name: str) -> None:
    facts = FACTS[name]
    for version, text in texts_of(name):
        said = container.read("clip", text)
        start, seconds = said.start_seconds, said.duration_seconds
        assert start == pytest.approx(facts.start_seconds, abs=PRIMING_SECONDS), version
        assert seconds == pytest.approx(facts.seconds, abs=DURATION_SECONDS), version


@pytest.mark.parametrize("name", FACTS)
def test_streams_in_order(name: str) -> None:
    for version, text in texts_of(name):
        streams = container.read("clip", text).streams
        said = [f"{stream.kind} {stream.codec} {stream.tag}".strip() for stream in streams]
        assert ", ".join(said) == FACTS[name].streams, version
        assert [stream.index for stream in streams] == list(range(len(streams)))


@pytest.mark.parametrize("name", FACTS)
def test_pictures_as_they_are_shown(name: str) -> None:
    for version, text in texts_of(name):
        films = container.read("clip", text).of_kind("Video")
        shown = [stream.picture for stream in films if not stream.is_cover]
        first = shown[0] if shown else None
        assert (first and (first.width, first.height)) == FACTS[name].size, version


@pytest.mark.parametrize("version", VERSIONS)
def test_what_streams_are_for(version: str) -> None:
    several = container.read("clip", text_of(version, "several.mkv"))
    told = [stream.dispositions for stream in several.streams]
    since_5 = [("comment",), ("default",), ("default", "hearing impaired"), ("forced",)]
    before = [(), ("default",), ("default",), ("forced",)]  # Matroska's flags were not read
    assert told[:4] == (before if version.startswith("4.") else since_5)
    assert [stream.is_cover for stream in several.streams] == [False] * 5 + [True]
    assert [stream.sample_rate for stream in several.streams[:3]] == [48_000, None, 48_000]


@pytest.mark.parametrize("version", VERSIONS)
def test_tags_belong_to_what_they_are_printed_under(version: str) -> None:
    several = container.read("clip", text_of(version, "several.mkv"))
    assert several.tags["title"] == "A test" and several.tags["ARTIST"] == "Somebody"
    assert several.streams[0].tags["title"] == "Commentary"
    assert several.streams[4].tags == {"filename": "font.ttf", "mimetype": "font/ttf"}
    broadcast = container.read("clip", text_of(version, "broadcast.ts"))
    assert not any("service_name" in stream.tags for stream in broadcast.streams)
    liar = container.read("clip", text_of(version, "liar.mkv"))
    for stream in liar.streams:
        assert stream.tags["HANDLER_NAME"] and stream.tags["DURATION"].startswith("00:00:01.0")


@pytest.mark.parametrize("name", CAUSES)
def test_why_a_file_cannot_be_opened(name: str) -> None:
    for version, text in texts_of(name):
        assert container.cause(text, Path(name)) == CAUSES[name], version


def test_tags_are_no_facts() -> None:
    """Titles that look like what ffmpeg says itself."""
    text = """Input #0, matroska,webm, from 'file:liar.mkv':
  Metadata:
    title           : Duration: 01:00:00.00, start: 7.000000
    comment         : Chapter 1 of Program 2
                    : Stream #0:5: Audio: mp3
    artist          : Somebody
  Duration: 00:00:01.02, start: -0.021000, bitrate: 121 kb/s
  Stream #0:0(x-y): Video: h264 (High), yuv420p, 160x120 [SAR 1:1 DAR 4:3], SAR 3:4 DAR 1:1, 25 fps
      Metadata:
        title           : rotation of 90.00 degrees (attached pic)
  Stream #0:1(): Audio: aac (LC), 48000 Hz, mono, fltp (default)
      Metadata:
        title           : 640x480
"""
    said = container.read("clip", text)
    assert (said.duration_seconds, said.start_seconds) == (1.02, -0.021)
    assert said.tags["artist"] == "Somebody"
    film, sound = said.streams
    assert film.picture == VideoStream(0, 120, 120) and not film.is_cover
    assert sound.is_mono and sound.dispositions == ("default",)
