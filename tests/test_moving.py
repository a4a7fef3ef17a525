"""Files whose stamps cannot be moved as they are, and what is refused: with each ffmpeg."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from timeline import H264, click_seconds, flash_seconds, lags_ms, make_clicks, packet_sums, run

from avsync.errors import MediaError
from avsync.media.container import take_inventory
from avsync.remux.fix import fix
from avsync.remux.move import Move, Written, steps, write_proved
from avsync.remux.options import FixOptions, RemuxOptions
from avsync.remux.plan import AudioCorrection

pytestmark = pytest.mark.usefixtures("each_ffmpeg")
AAC = ("-c:a", "aac")
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Flashes and clicks in a container of a kind, made once."""
    folder = tmp_path_factory.mktemp("clicks")

    def made(name: str, *options: str) -> Path:
        path = folder / name
        return path if path.exists() else make_clicks(path, *options)

    return made


def moved(
    source: Path, target: Path, delay_ms: float, wishes: RemuxOptions | None = None
) -> Written:
    """What becomes of a copy."""
    return write_proved(
        Move(take_inventory(source), target, AudioCorrection(delay_ms), wishes or RemuxOptions()),
        target,
    )


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
@pytest.mark.parametrize("gap_seconds", [0, 3600])
def test_films_joined_of_two(make: Make, tmp_path: Path, suffix: str, gap_seconds: int) -> None:
    """All stamps go back, or leap: what follows is as far from its picture as what comes before."""
    one, joined = make("one.ts", *H264, *AAC), tmp_path / "joined.ts"
    two = tmp_path / "two.ts"
    run("-i", one, "-c", "copy", "-output_ts_offset", str(gap_seconds), two)
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    out = tmp_path / f"out{suffix}"
    assert moved(joined, out, 150) == Written()
    lags = 1000 * (click_seconds(out) - flash_seconds(out))
    assert lags == pytest.approx(np.full(10, 250), abs=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        (joined.name, two.name, out.name)
    )


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
def test_stamps_that_begin_before_zero(make: Make, tmp_path: Path, suffix: str) -> None:
    """They run over in the middle of the file: ffmpeg counts back from there."""
    source, out = tmp_path / "wraps.ts", tmp_path / f"out{suffix}"
    late = ("-muxdelay", "0", "-output_ts_offset", "95440", "-f", "mpegts")
    run("-i", make("one.mp4", *H264, *AAC), "-c", "copy", *late, source)
    assert take_inventory(source).start_seconds < -2
    assert moved(source, out, -180) == Written()
    assert lags_ms(out) - lags_ms(source) == pytest.approx(-180, abs=2)


def test_what_ffmpeg_would_lose_is_refused(make: Make, tmp_path: Path) -> None:
    one, joined = make("one.webm", "-c:v", "libvpx", "-c:a", "libopus"), tmp_path / "joined.webm"
    joined.write_bytes(2 * one.read_bytes())
    (doubt,) = moved(joined, tmp_path / "out.webm", 150).doubts
    assert "time stamps go back" in doubt
    report = fix(joined, tmp_path / "out.mkv", FixOptions(offset_ms=150.0))
    assert (report.status, report.output) == ("unverified", None)
    assert [path.name for path in tmp_path.iterdir() if path != joined] == []


@pytest.mark.parametrize("delay_ms", [-311, 47, 160])
@pytest.mark.parametrize("codec", ["libmp3lame", "ac3"])
def test_sound_in_avi_counts_in_whole_packets(
    make: Make, tmp_path: Path, codec: str, delay_ms: int
) -> None:
    """It is moved to the millisecond all the same, at any rate of frames, with B-frames, too."""
    ntsc = ("-vf", "fps=30000/1001", "-c:v", "mpeg4", "-bf", "2", "-c:a", codec)
    source, out = make(f"{codec}.avi", *ntsc), tmp_path / "out.mkv"
    assert moved(source, out, delay_ms) == Written()
    assert lags_ms(out) - lags_ms(source) == pytest.approx(delay_ms, abs=1.5)
    assert packet_sums(out) == packet_sums(source)


def test_a_dry_run_of_two_steps_can_be_pasted(make: Make, tmp_path: Path) -> None:
    source, out = make("dry.avi", "-c:v", "mpeg4", "-c:a", "libmp3lame"), tmp_path / "o'ut.mkv"
    options = FixOptions(offset_ms=-237.0, dry_run=True)
    commands = fix(source, out, options).commands
    assert len(commands) == 2 and not list(tmp_path.iterdir())
    for command in commands:
        subprocess.run(["bash", "-c", command], check=True, capture_output=True)
    assert lags_ms(out) - lags_ms(source) == pytest.approx(-237, abs=1.5)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_what_was_moved_can_be_moved_again(make: Make, tmp_path: Path, kind: str) -> None:
    source = make(f"one.{kind}", *H264, *AAC)
    before, total = lags_ms(source), 0
    for number, delay_ms in enumerate((-500, 300, -700, 900)):
        out = tmp_path / f"{number}.{kind}"
        assert moved(source, out, delay_ms) == Written()
        source, total = out, total + delay_ms
        assert lags_ms(out) - before == pytest.approx(total, abs=3)


@pytest.mark.parametrize(
    ("source", "options", "suffix", "says"),
    [
        ("h.mp4", (*H264, *AAC), ".webm", "its picture (h264) and its sound (aac)"),
        ("v.webm", ("-c:v", "libvpx", "-c:a", "libopus"), ".mp4", "its picture (vp8)"),
        ("raw.mkv", (*H264, "-c:a", "pcm_s16le"), ".flv", "its sound (pcm_s16le)"),
    ],
)
def test_a_container_that_holds_it_is_named(
    make: Make, tmp_path: Path, source: str, options: tuple[str, ...], suffix: str, says: str
) -> None:
    better = ".mov or .mkv" if "pcm" in says else ".mkv"
    with pytest.raises(MediaError) as error:
        moved(make(source, *options), tmp_path / f"out{suffix}", 100)
    words = f"{suffix} cannot hold {says}: name an output in {better}"
    assert str(error.value) == f"{tmp_path / 'out'}{suffix}: {words}"


def test_a_suffix_that_ffmpeg_does_not_know(make: Make, tmp_path: Path) -> None:
    source = make("one.mp4", *H264, *AAC)
    for name, says in (("out.ps", r"by \.ps: name"), ("out", "by no suffix: name")):
        with pytest.raises(MediaError, match=says):
            moved(source, tmp_path / name, 100)


def test_what_ffmpeg_writes_but_nobody_can_read_is_refused(make: Make, tmp_path: Path) -> None:
    source = make("raw.mkv", *H264, "-c:a", "pcm_s16le")
    (doubt,) = moved(source, tmp_path / "out.ts", 100).doubts
    assert "its sound (stream 1, pcm_s16le) is not known again in .ts" in doubt


def test_uncompressed_sound_of_avi_in_mp4(make: Make, tmp_path: Path, each_ffmpeg: str) -> None:
    """Which ffmpeg 6.1 and newer can write."""
    source, out = make("raw.avi", "-c:v", "mpeg4", "-c:a", "pcm_s16le"), tmp_path / "out.mp4"
    try:
        assert moved(source, out, 100) == Written()
        assert lags_ms(out) - lags_ms(source) == pytest.approx(100, abs=1)
    except MediaError as error:
        assert "its sound (pcm_s16le): name an output in .mov or .mkv" in str(error)
    assert moved(source, tmp_path / "out.mov", 100) == Written()
    assert lags_ms(tmp_path / "out.mov") - lags_ms(source) == pytest.approx(100, abs=1)


def test_steps_are_one_where_one_suffices(make: Make, tmp_path: Path) -> None:
    for name, count in (("one.mp4", 1), ("one.mkv", 1), ("raw.avi", 1), ("dry.avi", 2)):
        options = ("-c:v", "mpeg4", "-c:a", "pcm_s16le" if "raw" in name else "libmp3lame")
        inventory = take_inventory(make(name, *options))
        assert (
            len(steps(Move(inventory, tmp_path / "o.mkv", AudioCorrection(10.0), RemuxOptions())))
            == count
        )


def test_two_tracks_of_different_codecs_are_both_moved(make: Make, tmp_path: Path) -> None:
    """What ffmpeg is off by in one is not made up for in the other."""
    one, two = make("one.mkv", *H264, *AAC), make("v.webm", "-c:v", "libvpx", "-c:a", "libopus")
    source, out = tmp_path / "two.mkv", tmp_path / "out.mkv"
    run("-i", one, "-i", two, "-map", "0", "-map", "1:a", "-c", "copy", source)
    for wishes, wanted in ((RemuxOptions(), (140, 140)), (RemuxOptions(audio_track=2), (0, 140))):
        assert moved(source, out, 140, wishes) == Written()
        for track, delay_ms in enumerate(wanted):
            lag = lags_ms(out, track) - lags_ms(source, track)
            assert lag == pytest.approx(delay_ms, abs=1.5)
