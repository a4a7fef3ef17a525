"""What is wrong with a copy is found: in its packets, and by listening to what was encoded."""

import math
from pathlib import Path

import pytest
from timeline import H264, KINDS, click_seconds, make_clicks, run

from avsync.media.container import take_inventory
from avsync.media.stamps import list_stamps
from avsync.remux.hearing import Sound, seconds_late
from avsync.remux.proof import Difference, Original, compare


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flashes and clicks, H.264 with B-frames and AAC."""
    return make_clicks(tmp_path_factory.mktemp("clip") / "clip.mp4", *H264, "-c:a", "aac")


def found(source: Path, copy: Path, *delays: float) -> Difference:
    """What is wrong with a copy of all streams, delayed by seconds."""
    original = Original.of(take_inventory(source))
    return compare(original, copy, range(len(delays)), dict(enumerate(delays)))


def late_copy(source: Path, copy: Path, seconds: float, *options: str) -> Path:
    """With its sound that much later."""
    late = ("-itsoffset", str(seconds), "-i", source)
    run("-i", source, *late, "-map", "0:v", "-map", "1:a", "-c", "copy", *options, copy)
    return copy


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv"])
@pytest.mark.parametrize("seconds", [-0.3, 0.004, 0.25, 11.0])
def test_by_how_much_a_stream_is_off(
    clip: Path, tmp_path: Path, suffix: str, seconds: float
) -> None:
    copy = late_copy(clip, tmp_path / f"copy{suffix}", seconds)
    assert found(clip, copy, 0.0, seconds).reasons == ()
    for wanted in (0.0, -seconds, seconds + 0.1):
        finding = found(clip, copy, 0.0, wanted)
        assert finding.doubts == () and finding.seconds_off == {
            1: pytest.approx(seconds - wanted, abs=0.001)
        }
        assert f"{abs(1000 * (seconds - wanted)):.0f} ms too" in finding.reasons[0]


def test_it_is_the_other_streams_that_moved(clip: Path, tmp_path: Path) -> None:
    """Everything may be later as a whole."""
    copy = late_copy(clip, tmp_path / "copy.mkv", 0.2, "-output_ts_offset", "5")
    finding = found(clip, copy, 0.0, 0.2)
    assert finding.reasons == () and finding.whole_seconds == pytest.approx(5, abs=0.001)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("-bsf:a", "noise=drop='eq(n,100)'"), "sound (stream 1, aac) has 282 packets instead of"),
        (("-bsf:v", "noise=drop='gt(n,140)'"), "picture (stream 0, h264) has 141 packets instead"),
        (("-bsf:a", "setts=ts=TS+if(gt(N\\,99)\\,0.05/TB)"), "sound (stream 1, aac) is not moved"),
        (("-an",), "its sound (stream 1, aac) is not known again in .mkv"),
    ],
)
def test_what_cannot_be_made_up_for(
    clip: Path, tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    copy = tmp_path / "copy.mkv"
    run("-i", clip, "-c", "copy", *options, copy)
    finding = found(clip, copy, 0.0, 0.0)
    assert says in finding.doubts[0] and finding.reasons[0] == finding.doubts[0]


def test_one_frame_read_late_is_no_doubt(clip: Path, tmp_path: Path) -> None:
    """As it happens in MPEG; a stretch of them is one."""
    for last, is_doubt in ((105, False), (140, True)):
        copy, some = tmp_path / f"{last}.mkv", rf"between(N\,100\,{last})"
        run("-i", clip, "-c", "copy", "-bsf:a", rf"setts=ts=TS+if({some}\,0.015/TB)", copy)
        assert bool(found(clip, copy, 0.0, 0.0).doubts) is is_doubt


def test_sound_that_is_cut_up_anew_is_the_same(tmp_path: Path) -> None:
    """Uncompressed: a packet for each frame in MXF, shorter ones in MOV."""
    source = make_clicks(tmp_path / "in.mxf", *KINDS["mxf"])
    copy = late_copy(source, tmp_path / "copy.mov", 0.25)
    counts = [len(list_stamps(path, [1])[1].sizes) for path in (source, copy)]
    assert counts[0] != counts[1]
    assert found(source, copy, 0.0, 0.25).reasons == ()
    assert found(source, copy, 0.0, 0.2).seconds_off == {1: pytest.approx(0.05, abs=0.001)}


def test_a_codec_by_another_name(tmp_path: Path) -> None:
    source = make_clicks(tmp_path / "in.mpg", *KINDS["mpg"])
    copy, shown = tmp_path / "copy.mp4", ("-fflags", "+genpts")
    late = (*shown, "-itsoffset", "0.1", "-i", source, "-map", "0:v", "-map", "1:a")
    run("-copyts", *shown, "-i", source, *late, "-c", "copy", copy)
    names = [take_inventory(path).of_kind("Audio")[0].codec for path in (source, copy)]
    assert names == ["mp2", "mp3"]
    assert found(source, copy, 0.0, 0.1).reasons == ()


def test_streams_in_another_order(clip: Path, tmp_path: Path) -> None:
    """A program stream has its streams in the order of arrival, but numbers them."""
    source, copy = tmp_path / "in.mkv", tmp_path / "copy.mpg"
    sounds = ("-c:a:0", "ac3", "-c:a:1", "mp2")
    run("-i", clip, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:v", "mpeg2video", *sounds,
        source)  # fmt: skip
    late = ("-itsoffset", "1", "-i", source, "-map", "1:v", "-map", "0:a:0", "-map", "0:a:1")
    run("-i", source, *late, "-c", "copy", copy)
    kinds = [stream.kind for stream in take_inventory(copy).streams]
    assert kinds[0] == "Audio", "this is about nothing"
    assert found(source, copy, 1.0, 0.0, 0.0).reasons == ()


def test_all_of_a_file_is_listed(clip: Path) -> None:
    stamps = list_stamps(clip, [0, 1])
    assert [len(stamps[index].sizes) for index in (0, 1)] == [150, 283]
    assert stamps[0].step_seconds == pytest.approx(0.04)
    assert sorted(stamps[0].shown) == pytest.approx([k / 25 for k in range(150)])
    assert list_stamps(clip, []) == {}


def sound_of(path: Path) -> Sound:
    return Sound(path, take_inventory(path).of_kind("Audio")[0].index, 0.0)


@pytest.mark.parametrize("codec", ["libopus", "aac", "libmp3lame", "mp2", "pcm_s16le"])
@pytest.mark.parametrize("delay", [-0.24, 0.0, 0.5])
def test_encoded_sound_is_heard_where_it_is(
    clip: Path, tmp_path: Path, codec: str, delay: float
) -> None:
    copy = tmp_path / "copy.mkv"
    chain = f"asetpts=PTS+({delay})/TB,aresample=async=1:first_pts=0"
    run("-i", clip, "-af", chain, "-c:a", codec, "-c:v", "copy", copy)
    really = float((click_seconds(copy) - click_seconds(clip)).mean())
    for wanted in (delay, delay + 0.12, delay - 0.08):
        late = seconds_late(sound_of(clip), sound_of(copy), wanted)
        assert late == pytest.approx(really - wanted, abs=0.001)


@pytest.mark.parametrize("seconds", [0.8, 1.9, 2.0, 3.9])
@pytest.mark.parametrize("delay", [-0.24, 0.0, 0.24])
def test_short_sounds_are_heard_too(tmp_path: Path, seconds: float, delay: float) -> None:
    noise = ("-f", "lavfi", "-i", f"anoisesrc=r=48000:seed=3:a=0.3:d={seconds}")
    run(*noise, tmp_path / "noise.wav")
    chain = f"asetpts=PTS+({delay + 0.08})/TB,aresample=async=1:first_pts=0"
    run("-i", tmp_path / "noise.wav", "-af", chain, tmp_path / "moved.wav")
    late = seconds_late(sound_of(tmp_path / "noise.wav"), sound_of(tmp_path / "moved.wav"), delay)
    assert late == pytest.approx(0.08, abs=0.001)


def test_what_is_heard_of_silence_noise_and_tones(clip: Path, tmp_path: Path) -> None:
    names = ("silence", "noise", "tone", "tone again")
    sources = ("anullsrc=r=48000", "anoisesrc=r=48000:seed=3:a=0.3", *["sine=f=400:r=48000"] * 2)
    sounds = {}
    for name, source in zip(names, sources, strict=True):
        run("-f", "lavfi", "-i", source, "-t", "5", "-c:a", "aac", tmp_path / f"{name}.mkv")
        sounds[name] = sound_of(tmp_path / f"{name}.mkv")
    assert seconds_late(sounds["silence"], sounds["silence"], 0.0) is None
    assert seconds_late(sound_of(clip), sounds["noise"], 0.0) == math.inf
    assert seconds_late(sound_of(clip), sounds["silence"], 0.0) == math.inf
    assert seconds_late(sounds["tone"], sounds["tone again"], 0.0) == pytest.approx(0, abs=0.001)
