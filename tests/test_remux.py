"""Sound is moved by as much as was asked for, in every container, and nothing else changes."""

from functools import cache
from itertools import cycle
from pathlib import Path

import pytest
from timeline import (
    KINDS,
    click_seconds,
    description,
    flash_seconds,
    lags_ms,
    make_clicks,
    packet_sums,
    run,
)

from avsync.errors import MediaError
from avsync.media.container import take_inventory
from avsync.remux.containers import NO_START_TIMES
from avsync.remux.encodings import encoder_for
from avsync.remux.filters import rate_pair
from avsync.remux.move import Move, write_proved
from avsync.remux.options import RemuxOptions
from avsync.remux.plan import AudioCorrection

SHIFTS_MS = (-900, -37, 240)
COPIED = [kind for kind in KINDS if f".{kind}" not in NO_START_TIMES]
# From one container to another: every one is there on either side, and each pair of time bases.
PAIRS = (
    *("mp4>mkv", "mp4>ts", "mp4>flv", "mov>mkv", "mkv>mp4", "mkv>ts", "webm>mkv", "webm>ogv"),
    *("avi>mkv", "avi>mp4", "avi>ts", "ts>mp4", "ts>mkv", "m2ts>mpg", "flv>mp4", "mpg>mkv"),
    *("mpg>ts", "mpg>mov", "mxf>mkv", "mxf>mov", "ogv>mkv", "wmv>mkv"),
)
NEAR_MS = 1.2  # of a container that counts in milliseconds

lags_before = cache(lags_ms)
sums_before = cache(packet_sums)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same flashes and clicks in every container."""
    folder = tmp_path_factory.mktemp("clicks")
    return {kind: make_clicks(folder / f"c.{kind}", *codecs) for kind, codecs in KINDS.items()}


def move(
    source: Path, target: Path, cure: AudioCorrection, remux: RemuxOptions | None = None
) -> tuple[str, ...]:
    """Write what `avsync fix` would write; returns its notes."""
    wanted = Move(take_inventory(source), target, cure, remux or RemuxOptions())
    written = write_proved(wanted, target)
    assert written.doubts == ()
    return wanted.planner()(()).notes + written.notes


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize("offset_ms", SHIFTS_MS)
@pytest.mark.parametrize("kind", COPIED)
def test_a_copy_moves_the_sound_alone(
    clips: dict[str, Path], tmp_path: Path, kind: str, offset_ms: int
) -> None:
    out = tmp_path / f"out.{kind}"
    assert move(clips[kind], out, AudioCorrection(offset_ms)) == ()
    assert lags_ms(out) - lags_before(clips[kind]) == pytest.approx(offset_ms, abs=NEAR_MS)
    # An MPEG program stream has no order but that of arrival.
    in_order = sorted if kind == "mpg" else list
    assert in_order(packet_sums(out)) == in_order(sums_before(clips[kind]))


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize(("pair", "offset_ms"), list(zip(PAIRS, cycle((-237, 37, 37, -237)))))
def test_a_copy_into_another_container(
    clips: dict[str, Path], tmp_path: Path, pair: str, offset_ms: int
) -> None:
    kind, other = pair.split(">")
    out = tmp_path / f"out.{other}"
    assert move(clips[kind], out, AudioCorrection(offset_ms)) == ()
    assert lags_ms(out) - lags_before(clips[kind]) == pytest.approx(offset_ms, abs=NEAR_MS)
    (tmp_path / out.name).unlink()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize("kind", KINDS)
def test_no_pair_of_containers_is_written_wrong(
    clips: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    """What a container cannot hold is refused, whether ffmpeg says so or not."""
    written = 0
    for other in (*KINDS, "m4v", "3gp"):
        out = tmp_path / f"out.{other}"
        wanted = Move(take_inventory(clips[kind]), out, AudioCorrection(-237), RemuxOptions())
        try:
            done = write_proved(wanted, out)
        except MediaError:
            continue
        if not done.doubts:
            written += 1
            lag = lags_ms(out) - lags_before(clips[kind])
            assert lag == pytest.approx(-237, abs=1.5), other
    assert written >= 3


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize("pair", ["ts>mkv", "mkv>ts", "mp4>mp4", "mkv>webm"])
@pytest.mark.parametrize("late_ms", [-333, 0, 421])
def test_streams_that_start_apart(
    clips: dict[str, Path], tmp_path: Path, pair: str, late_ms: int
) -> None:
    """The file begins somewhere, also at zero itself, and its sound before or after the picture."""
    kind, other = pair.split(">")
    plain, source = clips["webm" if other == "webm" else kind], tmp_path / f"in.{kind}"
    apart = ("-itsoffset", str(late_ms / 1000), "-i", plain, "-i", plain)
    begin = {"mkv": ("-output_ts_offset", "25.68"), "ts": ("-muxdelay", "0", "-muxpreload", "0")}
    run(*apart, "-map", "1:v", "-map", "0:a", "-c", "copy", *begin.get(kind, ()), source)
    out, offset_ms = tmp_path / f"out.{other}", -250 if late_ms > 0 else 130
    move(source, out, AudioCorrection(offset_ms))
    assert lags_ms(out) - lags_ms(source) == pytest.approx(offset_ms, abs=NEAR_MS)


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize(
    ("kind", "offset_ms"),
    [(kind, ms) for kind in ("avi", "mp4") for ms in SHIFTS_MS]
    + [(kind, -37) for kind in KINDS if kind not in ("avi", "mp4")],
)
def test_encoding_the_sound_again_moves_its_samples(
    clips: dict[str, Path], tmp_path: Path, kind: str, offset_ms: int
) -> None:
    out = tmp_path / f"out.{kind}"
    (note,) = move(clips[kind], out, AudioCorrection(offset_ms), RemuxOptions(reencode_audio=True))
    assert "encoded again" in note
    assert lags_ms(out) - lags_before(clips[kind]) == pytest.approx(offset_ms, abs=NEAR_MS)
    assert sorted(packet_sums(out))[-1] == sorted(sums_before(clips[kind]))[-1], "not copied"


SUBTITLES = "1\n00:00:01,000 --> 00:00:02,000\nHello\n\n2\n00:00:03,000 --> 00:00:04,500\nWorld\n"
TAGS = """;FFMETADATA1
title=A test
artist=Someone
[CHAPTER]
TIMEBASE=1/1000
START=0
END=2500
title=One
[CHAPTER]
TIMEBASE=1/1000
START=2500
END=6000
title=Two
"""


@pytest.fixture(scope="session")
def parts(clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with subtitles, tags, a cover and what stands for a font."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "words.srt").write_text(SUBTITLES)
    (folder / "tags.txt").write_text(TAGS)
    (folder / "font.ttf").write_bytes(b"no font, but bytes" * 99)
    run("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", folder / "cover.jpg")
    return folder


def make_rich(path: Path, clips: dict[str, Path], parts: Path, *options: str | Path) -> Path:
    """Sound, film, subtitles, another sound track, in this order, with tags and chapters."""
    inputs = (clips["mp4"], clips["webm"], parts / "words.srt", parts / "cover.jpg")
    given = [part for name in (*inputs, parts / "tags.txt") for part in ("-i", name)]
    maps = ("-map", "1:a", "-map", "0:v", "-map", "2:s", "-map", "0:a")
    tags = ("-map_metadata", "4", "-map_chapters", "4", "-metadata:s:0", "language=eng")
    tags += ("-metadata:s:0", "title=Main", "-metadata:s:2", "language=deu")
    tags += ("-metadata:s:3", "language=fra", "-disposition:0", "comment")
    run(*given, *maps, "-c", "copy", *tags, "-disposition:2", "forced", *options, path)
    return path


@pytest.fixture(scope="session")
def rich(clips: dict[str, Path], parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Matroska file with everything: also a font and a cover, attached."""
    attach = []
    for k, (name, kind) in enumerate([("font.ttf", "font/ttf"), ("cover.jpg", "image/jpeg")]):
        attach += ["-attach", parts / name]
        attach += [f"-metadata:s:t:{k}", f"mimetype={kind}", f"-metadata:s:t:{k}"]
        attach += [f"filename={name}"]
    return make_rich(tmp_path_factory.mktemp("rich") / "r.mkv", clips, parts, *attach)


@pytest.fixture(scope="session")
def rich_mp4(clips: dict[str, Path], parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in MP4, index first; its chapters are a track, too."""
    cover = ("-c:s", "mov_text", "-map", "3:v", "-disposition:4", "attached_pic")
    path = tmp_path_factory.mktemp("rich") / "r.mp4"
    return make_rich(path, clips, parts, *cover, "-movflags", "+faststart")


@pytest.mark.parametrize("name", ["rich", "rich_mp4"])
def test_everything_else_is_kept(
    each_ffmpeg: str, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    """As far as that ffmpeg knows of it: old ones do not see what a track is called in MP4."""
    source: Path = request.getfixturevalue(name)
    out = tmp_path / f"out{source.suffix}"
    assert move(source, out, AudioCorrection(240)) == ()
    assert description(out, each_ffmpeg) == description(source, each_ffmpeg)
    assert packet_sums(out) == packet_sums(source)
    for track in (0, 1):
        moved = click_seconds(out, track) - click_seconds(source, track)
        assert moved == pytest.approx(0.24, abs=0.002)


@pytest.mark.usefixtures("each_ffmpeg")
def test_what_is_brought_forward_in_matroska_keeps_chapters_on_the_picture(
    rich: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mkv"
    move(rich, out, AudioCorrection(-500))
    changed = set(description(out)) ^ set(description(rich))
    assert {line.strip() for line in changed} == {
        "Chapter #0:0: start 0.000000, end 2.500000",
        "Chapter #0:1: start 2.500000, end 6.000000",
        "Chapter #0:0: start 0.500000, end 3.000000",
        "Chapter #0:1: start 3.000000, end 6.500000",
    }
    assert packet_sums(out) == packet_sums(rich)


@pytest.mark.usefixtures("each_ffmpeg")
def test_one_track_alone(rich: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    move(rich, out, AudioCorrection(-300), RemuxOptions(audio_track=2))
    first, second = (lags_ms(out, k) - lags_ms(rich, k) for k in (0, 1))
    assert first == pytest.approx(0, abs=2)
    assert second == pytest.approx(-300, abs=2)
    with pytest.raises(MediaError, match="no audio track 3; it has 2"):
        move(rich, out, AudioCorrection(1), RemuxOptions(audio_track=3))


def test_no_sound_to_move(clips: dict[str, Path], tmp_path: Path) -> None:
    mute = tmp_path / "mute.mp4"
    run("-i", clips["mp4"], "-an", "-c", "copy", mute)
    with pytest.raises(MediaError, match=r"mute\.mp4: no audio stream"):
        move(mute, tmp_path / "out.mp4", AudioCorrection(100))


def test_the_index_stays_in_front(rich_mp4: Path, clips: dict[str, Path], tmp_path: Path) -> None:
    for source, is_first in ((rich_mp4, True), (clips["mp4"], False)):
        out = tmp_path / "out.mp4"
        move(source, out, AudioCorrection(100))
        data = out.read_bytes()
        assert (data.index(b"moov") < data.index(b"mdat")) is is_first


def test_what_another_container_cannot_hold_is_named(rich: Path, tmp_path: Path) -> None:
    notes = move(rich, tmp_path / "out.mp4", AudioCorrection(100))
    assert sorted(note.split(")")[0] for note in notes) == [
        "stream 2 (subtitle, subrip",
        "stream 4 (attachment, none",
    ]
    kinds = [line[0] for line in packet_sums(tmp_path / "out.mp4")]
    assert kinds == ["a", "v", "a", "d", "v"]  # d: MP4 keeps chapters in a track


def test_avi_says_that_it_cannot_carry_a_start(clips: dict[str, Path], tmp_path: Path) -> None:
    (note,) = move(clips["avi"], tmp_path / "out.avi", AudioCorrection(240))
    assert "AVI cannot carry a start time" in note and ".mkv" in note


@pytest.mark.usefixtures("each_ffmpeg")
@pytest.mark.parametrize("keep_pitch", [False, True])
@pytest.mark.parametrize("stretch", [24 / 25, 25 / 24 * 1.001, 1.001])
def test_stretched_sound_follows_the_line(
    clips: dict[str, Path], tmp_path: Path, stretch: float, keep_pitch: bool
) -> None:
    out = tmp_path / "out.mkv"
    (note,) = move(
        clips["mkv"], out, AudioCorrection(150, stretch), RemuxOptions(keep_pitch=keep_pitch)
    )
    assert "resampled" in note
    wanted = click_seconds(clips["mkv"]) * stretch + 0.15 - flash_seconds(clips["mkv"])
    # Pitch is kept by moving pieces of a few ms about.
    near = 0.02 if keep_pitch else 0.002
    assert click_seconds(out) - flash_seconds(out) == pytest.approx(wanted, abs=near)


@pytest.mark.parametrize("ratio", [25 / 24, 24 / 25 / 1.001, 1 + 123e-6, 1 - 7.3e-6])
def test_rates_are_exact_enough_for_a_day(ratio: float) -> None:
    given, taken = rate_pair(ratio, 44_100)
    assert given >= 44_100
    assert abs(taken / given - ratio) * 86_400 < 0.001


def test_bitrate_and_codec_stay_alike(clips: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    move(clips["mp4"], out, AudioCorrection(50), RemuxOptions(reencode_audio=True))
    before, after = (take_inventory(p).of_kind("Audio")[0] for p in (clips["mp4"], out))
    assert (after.codec, after.sample_rate) == (before.codec, before.sample_rate)
    assert before.bits_per_second and after.bits_per_second
    assert after.bits_per_second == pytest.approx(before.bits_per_second, rel=0.15)


def test_a_codec_without_encoder_is_named(clips: dict[str, Path]) -> None:
    (stream,) = take_inventory(clips["mp4"]).of_kind("Audio")
    with pytest.raises(MediaError, match="no encoder for the sound's codec, aac"):
        encoder_for(stream, frozenset({"flac"}))
