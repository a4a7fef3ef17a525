"""Time stamps that begin anywhere, wrap, go back, leap or run wild, with each ffmpeg that is here.

Clips flash, and click some 100 ms later; in `late` ones 300 ms more. All are made by the same
ffmpeg: not each moves stamps by `setts` as it should.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from timeline import EVENTS, H264, SECONDS, make_clicks
from timeline import lags_ms as lags_by_stamps

from avsync.media.decode import read_frames, read_samples
from avsync.media.epochs import (
    build,
    is_regular,
)
from avsync.media.probe import MediaInfo, probe
from avsync.media.programs import bundled_ffmpeg
from avsync.media.timeline import (
    PacketTimes,
    Placer,
)
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

LAG_MS = 100
NEAR_MS = 5.0
HALF_A_FRAME_MS = 20.0  # by which pictures are off that lie between two of 25 a second
CLIP_LATE, LATE_CLIP = ("clip", "late"), ("late", "clip")
NO_B_FRAMES = (*H264, "-bf", "0", "-c:a", "aac")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-c:a", "mp2")
VP8 = ("-c:v", "libvpx", "-c:a", "libopus")
KINDS = {"ts": NO_B_FRAMES, "mpg": MPEG2, "webm": VP8, "mp4": (*H264, "-c:a", "aac")}
pytestmark = pytest.mark.usefixtures("each_ffmpeg")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, and one with late sound, of every kind."""
    folder = tmp_path_factory.mktemp("clips")
    for kind, codecs in KINDS.items():
        clip, late = folder / f"clip.{kind}", folder / f"late.{kind}"
        make_clicks(clip, *codecs)
        shifted = ("-itsoffset", "0.3", "-i", clip, "-map", "0:v", "-map", "1:a")
        run("-i", clip, *shifted, "-c", "copy", late)
    return folder


def run(*arguments: str | Path) -> None:
    """Run the bundled ffmpeg."""
    argv = [str(bundled_ffmpeg()), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)


def joined(path: Path, *parts: Path) -> Path:
    """Files put one behind the other, byte by byte, as `cat` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def lags_ms(info: MediaInfo, warnings: list[str]) -> NDArray[np.float64]:
    """How much later than its flash each click is, as avsync decodes a file."""
    levels = np.array([frame.mean() for frame in read_frames(info, warnings)])
    samples = np.concatenate(list(read_samples(info, warnings)))
    flashes = _starts(levels > 128, FRAMES_PER_SECOND)
    clicks = _starts(np.abs(samples) > 0.4 * np.abs(samples).max(), SAMPLE_RATE)
    assert len(flashes) == len(clicks)
    return 1000 * (clicks - flashes)


def _starts(happening: NDArray[np.bool_], rate: float) -> NDArray[np.float64]:
    times = np.flatnonzero(happening) / rate
    return times[np.flatnonzero(np.diff(times, prepend=-1.0) > 0.2)]


def measured_ms(path: Path) -> NDArray[np.float64]:
    """Lags in a file in which nothing is to be warned of, and whose length is told right."""
    warnings: list[str] = []
    info = probe(path)
    found = lags_ms(info, warnings)
    assert not warnings and info.timeline.is_regular
    return found


@pytest.mark.parametrize("late_ms", [-400, 0, 400])
@pytest.mark.parametrize("start", ["0", "1.4"])
def test_mpeg_streams_that_start_apart(
    made: Path, tmp_path: Path, late_ms: int, start: str
) -> None:
    path, clip = tmp_path / "apart.ts", made / "clip.mp4"
    late = ("-itsoffset", f"{late_ms / 1000}", "-i", clip, "-map", "0:v", "-map", "1:a")
    run("-i", clip, *late, "-c", "copy", "-muxdelay", "0", "-output_ts_offset", start, path)
    assert measured_ms(path) == pytest.approx(np.full(len(EVENTS), LAG_MS + late_ms), abs=NEAR_MS)


@pytest.mark.parametrize("start", [95440.0, 95442.7, 95443.6, 26.0])
def test_stamps_that_wrap(made: Path, tmp_path: Path, start: float) -> None:
    path = tmp_path / "wrapping.ts"  # 2**33 ticks of 90 kHz are 95443.7 s
    timing = ("-muxdelay", "0", "-output_ts_offset", str(start), "-f", "mpegts")
    run("-i", made / "clip.mp4", "-c", "copy", *timing, path)
    assert measured_ms(path) == pytest.approx(np.full(len(EVENTS), LAG_MS), abs=NEAR_MS)
    assert probe(path).duration_seconds == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        *((kind, order) for kind in ("ts", "mpg", "webm") for order in (CLIP_LATE, LATE_CLIP)),
        *((kind, ("clip", "clip", "late")) for kind in ("ts", "mpg")),  # of webm, ffmpeg reads two
    ],
)
def test_stamps_that_go_back(made: Path, tmp_path: Path, kind: str, order: tuple[str, ...]) -> None:
    parts = [made / f"{name}.{kind}" for name in order]
    info, warnings = probe(joined(tmp_path / f"joined.{kind}", *parts)), list[str]()
    expected = np.concatenate([lags_by_stamps(part) for part in parts])
    assert lags_ms(info, warnings) == pytest.approx(expected, abs=NEAR_MS)
    assert info.duration_seconds == pytest.approx(len(order) * SECONDS, abs=1.0)
    assert sum("go back by" in note for note in info.timeline.notes) == len(order) - 1


def test_a_joint_at_which_size_rate_and_channels_change(made: Path, tmp_path: Path) -> None:
    big, later = tmp_path / "big.ts", tmp_path / "later.ts"
    sound = ("-ar", "44100", "-ac", "2", "-c:a", "aac")
    run("-i", made / "late.ts", "-vf", "scale=320:240", *H264, *sound, big)
    run("-itsoffset", "6.2", "-i", big, "-c", "copy", "-muxdelay", "0", "-copyts", later)
    for second in (big, later):  # stamps go back; stamps go on
        expected = np.concatenate([lags_by_stamps(made / "clip.ts"), lags_by_stamps(second)])
        info = probe(joined(tmp_path / "changing.ts", made / "clip.ts", second))
        assert info.timeline.is_regular == (second == later)
        slack = HALF_A_FRAME_MS if second == later else NEAR_MS
        assert lags_ms(info, []) == pytest.approx(expected, abs=slack)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts", "flv"])
@pytest.mark.parametrize("seconds", [60, 3600])
def test_stamps_that_leap_ahead(made: Path, tmp_path: Path, kind: str, seconds: int) -> None:
    path = tmp_path / f"leaping.{kind}"
    leap = f"setts=ts=TS+gte(PTS*TB\\,3.2)*{seconds}/TB"
    run("-i", made / "clip.ts", "-c", "copy", "-bsf:v", leap, "-bsf:a", leap, path)
    warnings: list[str] = []
    info = probe(path)
    found = lags_ms(info, warnings)
    assert found == pytest.approx(lags_by_stamps(made / "clip.ts"), abs=NEAR_MS)
    assert info.duration_seconds == pytest.approx(SECONDS, abs=1.2)
    assert any("leap ahead by" in note for note in info.timeline.notes)


@pytest.mark.parametrize("kind", ["mkv", "ts"])
@pytest.mark.parametrize("stream", ["v", "a"])
def test_one_wild_packet(made: Path, tmp_path: Path, kind: str, stream: str) -> None:
    path = tmp_path / f"wild.{kind}"  # to ffmpeg, all after it cannot be earlier any more
    wild = ("-c", "copy", f"-bsf:{stream}", "setts=ts=TS+eq(N\\,70)*7200/TB")
    run("-i", made / "clip.ts", *wild, path)
    info = probe(path)
    assert lags_ms(info, []) == pytest.approx(lags_by_stamps(made / "clip.ts"), abs=NEAR_MS)
    assert info.duration_seconds == pytest.approx(SECONDS, abs=0.2)
    assert info.timeline.notes


def test_sound_that_is_missing_for_a_while_is_no_leap(made: Path, tmp_path: Path) -> None:
    path, long = tmp_path / "pause.mkv", tmp_path / "long.mkv"
    run("-stream_loop", "3", "-i", made / "clip.mp4", "-c", "copy", long)
    silence = "noise=drop=between(tb*pts\\,5.9\\,17.9)"
    run("-i", long, "-c", "copy", "-bsf:a", silence, path)
    info, warnings = probe(path), list[str]()
    assert info.timeline.is_regular
    assert sum(map(len, read_samples(info, warnings))) == pytest.approx(
        4 * SECONDS * SAMPLE_RATE, rel=0.02
    )
    assert [word for word in warnings if word.startswith("no sound from 5.9 s on, for 12")]


# What follows needs no ffmpeg: packets are made.


def packets_of(index: int, times: NDArray[np.float64], place: int = 0) -> PacketTimes:
    """Packets of 40 ms, every second one in the file."""
    places = place + 2 * np.arange(len(times)) + index
    return PacketTimes(index, places, times, times, np.full(len(times), 0.04))


def test_packets_that_run_on_evenly_need_no_timeline() -> None:
    times = 7 + 0.04 * np.arange(500)
    streams = [packets_of(0, times), packets_of(1, times + 0.3)]
    assert is_regular(streams)
    assert build(streams) is None
    assert build([]) is None


@pytest.mark.parametrize("count", [1, 3, 20])
def test_wild_packets_are_put_behind_those_before(count: int) -> None:
    times = 0.04 * np.arange(500)
    wild = times.copy()
    wild[100 : 100 + count] += np.linspace(5000, 9000, count)
    timeline = build([packets_of(0, wild), packets_of(1, times)])
    assert timeline and len(timeline.epochs) == 1
    assert timeline.notes[0].startswith(f"{count} packets of stream 0 have wild time stamps")
    placer = Placer(timeline, 0)
    assert [placer.place(stamp, 0.04) for stamp in wild] == pytest.approx(times)


def test_short_pieces_that_were_joined_are_epochs() -> None:
    piece = 3 + 0.04 * np.arange(20)  # 0.8 s: what comes after a joint soon follows what is before
    times = np.tile(piece, 4)
    timeline = build([packets_of(0, times), packets_of(1, times + 0.01)])
    assert timeline and len(timeline.epochs) == 4
    for index, late in ((0, 0.0), (1, 0.01)):
        placer = Placer(timeline, index)
        film = np.array([placer.place(stamp + late, 0.04) for stamp in times])
        starts = np.array([epoch.shift for epoch in timeline.epochs]) + 3
        assert film == pytest.approx(np.repeat(starts, 20) + np.tile(piece, 4) - 3 + late)


def test_sound_alone_that_goes_back_is_no_joint() -> None:
    times = 0.04 * np.arange(500)
    sound = times - np.where(times > 10, 0.5, 0)
    assert not is_regular([packets_of(0, times), packets_of(1, sound)])
    assert build([packets_of(0, times), packets_of(1, sound)]) is None


def test_a_part_without_sound_takes_part_in_a_joint() -> None:
    times = 0.04 * np.arange(500)
    picture = packets_of(0, np.concatenate([times, times]))
    timeline = build([picture, packets_of(1, times, place=1000)])
    assert timeline and [sorted(epoch.ranges or {}) for epoch in timeline.epochs] == [[0], [0, 1]]


def test_streams_that_lie_hours_apart_cost_no_hours() -> None:
    times = 0.04 * np.arange(100)
    streams = [packets_of(0, times), packets_of(1, times + 7200)]
    assert not is_regular(streams)
    timeline = build(streams)
    assert timeline and timeline.film_seconds == pytest.approx(8.0)


@pytest.mark.parametrize("wild", [False, True])
def test_a_stream_of_which_nothing_is_known_hides_no_stamps(
    made: Path, tmp_path: Path, wild: bool
) -> None:
    """A damaged table names a sound that is not there; no muxer takes it, nor the rest with it."""
    two, path = tmp_path / "two.ts", tmp_path / "one.ts"
    clip = made / "clip.ts"
    run("-i", clip, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c", "copy", two)
    data = two.read_bytes()
    packets = [data[place : place + 188] for place in range(0, len(data), 188)]
    kept = [one for one in packets if _program_of(one) != 0x102]
    assert len(kept) < len(packets)
    if wild:
        last = max(k for k, one in enumerate(kept) if _begins_a_picture(one))
        kept[last] = _an_hour_later(kept[last])
    path.write_bytes(b"".join(kept))
    info = probe(path, audio_track=1)
    assert info.audio_tracks == 2
    assert info.duration_seconds == pytest.approx(SECONDS, abs=0.3)
    assert sum(1 for _ in read_frames(info, [])) == pytest.approx(25 * SECONDS, abs=6)
    lags = lags_ms(info, [])
    assert len(lags) >= len(EVENTS) - 1
    assert lags == pytest.approx(LAG_MS, abs=HALF_A_FRAME_MS)


def _program_of(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def _begins_a_picture(packet: bytes) -> bool:
    return _program_of(packet) == 0x100 and bool(packet[1] & 0x40)


def _an_hour_later(packet: bytes) -> bytes:
    """The stamps of a packet that begins a picture, moved by 2^28 ticks: bits 29 to 27 of 33."""
    start = packet.index(b"\x00\x00\x01\xe0") + 9  # behind the header of a picture, its stamps
    moved = bytearray(packet)
    for place in range(start, start + (10 if packet[start - 2] & 0x40 else 5), 5):
        moved[place + 1] ^= 0x40  # bits 29 to 22 lie here
    return bytes(moved)
