"""Stage 1 with a real ffmpeg: what is in a file, and when its picture and sound happen."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_files import Fate, compare_timeline
from numpy.typing import NDArray
from talking_face import FLASH_PERIOD_SECONDS, click_and_flash, flash_times, write_media

from avsync.errors import MediaError, ToolMissingError
from avsync.media import container, ffmpeg, packets, programs
from avsync.media.decode import read_frames, read_samples
from avsync.media.probe import probe
from avsync.media.search import files_below
from avsync.media.streams import AudioStream, VideoStream
from avsync.system.scratch import SCRATCH_PREFIX
from avsync.timebase import FRAMES_PER_SECOND, SAMPLE_RATE

SECONDS = 4.0
FLASHES = len(flash_times(SECONDS))
REPOSITORY = Path(__file__).parent.parent
NEAR_MS = 5.0  # what is left of half frames when a handful of flashes is averaged


def run_ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg on arguments that end with the output; says nothing unless it fails."""
    argv = [ffmpeg.find_ffmpeg(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]
    subprocess.run([*argv, *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flashes and beeps in step, 4 s, 160x120, 25 fps, H.264 with B-frames and AAC in MP4."""
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    click_and_flash(path, seconds=SECONDS)
    return path


@pytest.fixture(scope="session")
def fast_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at 50 fps, 8 s."""
    path = tmp_path_factory.mktemp("media") / "fast.mp4"
    click_and_flash(path, seconds=8, frames_per_second=50)
    return path


def picture_of(path: Path) -> NDArray[np.uint8]:
    """The first frame."""
    frames = read_frames(probe(path))
    first = next(frames)
    frames.close()  # type: ignore[attr-defined]
    return first


def sound_of(path: Path) -> NDArray[np.int16]:
    """All samples."""
    return np.concatenate(list(read_samples(probe(path))))


def middles(happening: NDArray[np.bool_], rate: float) -> NDArray[np.float64]:
    """Middle of each flash or beep, in seconds."""
    times = np.flatnonzero(happening) / rate
    starts = np.flatnonzero(np.diff(times) > FLASH_PERIOD_SECONDS / 4) + 1
    return np.array([event.mean() for event in np.split(times, starts)])


def lag_ms(path: Path) -> float:
    """How much later than the flashes the beeps come, on average, as avsync decodes a file."""
    warnings: list[str] = []
    info = probe(path)
    levels = np.array([frame.mean() for frame in read_frames(info, warnings)])
    samples = np.concatenate(list(read_samples(info, warnings)))
    loudness = np.convolve(np.abs(samples.astype(float)), np.ones(80) / 80, "same")
    flashes = middles(levels > 128, FRAMES_PER_SECOND)
    beeps = middles(loudness > 2500, SAMPLE_RATE)
    assert len(flashes) == len(beeps) >= FLASHES - 1
    assert not warnings
    return 1000 * float(np.mean(beeps) - np.mean(flashes))


# What is in a file


def test_probe_says_what_is_in_a_clip(clip: Path) -> None:
    info = probe(clip)
    assert info.path == clip
    assert info.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert info.start_seconds == 0
    assert info.video == VideoStream(index=0, width=160, height=120)
    assert info.audio == AudioStream(index=1)
    assert not info.has_cover_art
    assert info.require_both() == (info.video, info.audio)


@pytest.mark.parametrize("name", ["late.mp4", "late.ts", "sound.mka", "song.mp3", "none.mp4"])
def test_a_file_opened_once_tells_what_its_banner_and_first_packet_do(
    clip: Path, tmp_path: Path, name: str
) -> None:
    path, copied = tmp_path / name, ("-c", "copy")
    if name.startswith("late"):
        late = ("-itsoffset", "0.48", "-i", clip, "-map", "0:a", "-map", "1:v")
        run_ffmpeg("-i", clip, *late, *copied, path)
    elif name == "sound.mka":
        run_ffmpeg("-i", clip, "-map", "0:a", *copied, path)
    elif name == "song.mp3":
        cover = tmp_path / "cover.png"
        run_ffmpeg("-i", clip, "-frames:v", "1", cover)
        run_ffmpeg("-i", clip, "-i", cover, "-map", "0:a", "-map", "1:v", "-c:v", "copy", path)
    else:
        path.write_bytes(b"no film")
    opening, text = packets.open_file(path), ffmpeg.banner(path)
    assert container.read(path, opening.banner) == container.read(path, text)
    stamps = {stream.index: stream.shown for stream in opening.streams}
    if name == "none.mp4":
        assert not stamps
    else:
        for index, shown in stamps.items():
            assert packets.first_stamp_seconds(path, index) == pytest.approx(shown[0], abs=1e-6)
    if name.startswith("late"):
        seconds = stamps[1].min() - container.read(path, text).start_seconds
        assert seconds == pytest.approx(0.48, abs=0.03)


def test_probe_takes_a_path_as_text(clip: Path) -> None:
    assert probe(str(clip)) == probe(clip)


def test_streams_are_known_by_their_index(clip: Path, tmp_path: Path) -> None:
    swapped = tmp_path / "swapped.mkv"
    run_ffmpeg("-i", clip, "-map", "0:a", "-map", "0:a", "-map", "0:v", "-c", "copy", swapped)
    video, audio = probe(swapped).require_both()
    assert (video.index, audio.index) == (2, 0)
    assert abs(lag_ms(swapped)) < NEAR_MS


def test_recording_that_was_never_closed(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    offset = ("-output_ts_offset", "25.68")
    argv = [ffmpeg.find_ffmpeg(), "-nostdin", "-loglevel", "error", "-i", str(clip)]
    argv += ["-c:v", "copy", "-c:a", "flac", *offset, "-f", "matroska", "pipe:"]
    path.write_bytes(
        subprocess.run(argv, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout
    )
    info = probe(path)
    assert info.duration_seconds == pytest.approx(SECONDS, abs=0.03)  # by its packets
    assert info.start_seconds == pytest.approx(25.68, abs=0.05)
    assert len(sound_of(path)) == pytest.approx(SECONDS * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    assert abs(lag_ms(path)) < NEAR_MS


def test_anamorphic_picture_gets_square_pixels(clip: Path, tmp_path: Path) -> None:
    wide = tmp_path / "wide.mp4"
    run_ffmpeg("-t", "0.5", "-i", clip, "-vf", "setsar=4/3", wide)
    video, _ = probe(wide).require_both()
    assert (video.width, video.height) == (213, 120)
    assert picture_of(wide).shape == (120, 213, 3)


@pytest.mark.parametrize(
    ("turn", "shape", "bright"),
    [
        (90, (160, 120), np.s_[:80, :]),
        (180, (120, 160), np.s_[:, 80:]),
        (270, (160, 120), np.s_[80:, :]),
    ],
)
def test_phone_clip_comes_upright(
    tmp_path: Path, turn: int, shape: tuple[int, int], bright: Any
) -> None:
    path = tmp_path / "phone.mp4"
    left_bright = np.full((120, 160, 3), 16, np.uint8)
    left_bright[:, :80] = 235
    write_media(path, [left_bright] * 5, (160, 120), 25, np.zeros(3200, np.int16))
    path.write_bytes(turned_by_phone(path.read_bytes(), turn))
    video, _ = probe(path).require_both()
    assert (video.height, video.width) == shape
    picture = picture_of(path).astype(int)
    assert picture.shape == (*shape, 3)
    assert picture[bright].mean() > 200
    assert picture.sum() - picture[bright].sum() < 0.2 * picture.sum()


def turned_by_phone(mp4: bytes, turn: int) -> bytes:
    """An MP4 whose first track, the picture, is to be shown turned clockwise by `turn` degrees."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn]
    one = 1 << 16
    values = [cos * one, sin * one, 0, -sin * one, cos * one, 0, 0, 0, 1 << 30]
    matrix = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    at = mp4.index(b"tkhd") + 4 + 40
    return mp4[:at] + matrix + mp4[at + len(matrix) :]


@pytest.mark.parametrize("name", ["song.mp3", "song.m4a"])
def test_cover_picture_is_no_video(clip: Path, tmp_path: Path, name: str) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / name
    run_ffmpeg("-i", clip, "-frames:v", "1", cover)
    still = ("-c:v", "copy", "-disposition:v:0", "attached_pic")
    run_ffmpeg("-i", clip, "-i", cover, "-map", "0:a", "-map", "1:v", *still, song)
    info = probe(song)
    assert info.video is None and info.has_cover_art and info.audio is not None
    with pytest.raises(MediaError, match=rf"{name}: only a cover picture"):
        info.require_both()


def test_cover_picture_beside_a_video_is_passed_over(clip: Path, tmp_path: Path) -> None:
    cover, path = tmp_path / "cover.png", tmp_path / "both.mp4"
    run_ffmpeg("-i", clip, "-frames:v", "1", "-vf", "scale=64:64", cover)
    maps = ("-map", "1:v", "-map", "0:a", "-map", "0:v")
    run_ffmpeg("-i", clip, "-i", cover, *maps, "-c", "copy", "-disposition:0", "attached_pic", path)
    info = probe(path)
    assert info.has_cover_art and info.video is not None
    assert (info.video.width, info.video.height) == (160, 120)
    assert picture_of(path).shape == (120, 160, 3)


def test_missing_streams_are_named(clip: Path, tmp_path: Path) -> None:
    silent, blind = tmp_path / "silent.mp4", tmp_path / "blind.wav"
    run_ffmpeg("-i", clip, "-an", "-c", "copy", silent)
    run_ffmpeg("-i", clip, "-vn", blind)
    with pytest.raises(MediaError, match=r"silent\.mp4: no audio stream"):
        probe(silent).require_both()
    with pytest.raises(MediaError, match=r"blind\.wav: no video stream"):
        probe(blind).require_both()


# What cannot be used


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"nothing\.mp4: no such file"):
        probe(tmp_path / "nothing.mp4")
    with pytest.raises(MediaError, match=f"{tmp_path}: not a regular file"):
        probe(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no film, only words\n" * 50])
def test_not_a_media_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(MediaError, match=r"notes\.mp4: not a media file.*: \w.*") as caught:
        probe(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(path)) == 1


def test_file_that_was_never_finished(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "part.mp4"
    path.write_bytes(clip.read_bytes()[:8000])
    with pytest.raises(MediaError, match=r"part\.mp4: not a media file.*moov atom not found"):
        probe(path)


def test_damage_in_the_middle_is_a_warning(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "damaged.mkv"
    run_ffmpeg("-i", clip, "-c:v", "copy", "-c:a", "pcm_s16le", path)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(content)
    warnings: list[str] = []
    frames = sum(1 for _ in read_frames(probe(path), warnings))
    assert 0.4 * SECONDS * FRAMES_PER_SECOND < frames <= SECONDS * FRAMES_PER_SECOND
    assert len(warnings) == 1 and warnings[0].startswith("damaged in part: ")


def test_nothing_to_decode(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "hollow.mp4"
    content = bytearray(clip.read_bytes())
    start, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    info = probe(path)
    with pytest.raises(MediaError, match=r"hollow\.mp4: ffmpeg cannot decode it: .+"):
        next(read_frames(info))


# Where things lie on the timeline


@pytest.mark.parametrize("early_ms", [400, -200, 110, -90])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "ts", "flv"])
def test_streams_shifted_in_the_container(
    clip: Path, tmp_path: Path, suffix: str, early_ms: int
) -> None:
    path = tmp_path / f"shifted.{suffix}"
    late = ("-itsoffset", str(abs(early_ms) / 1000))
    # A late video is an early sound, and the other way round.
    late_stream, other = ("0:v", "1:a") if early_ms > 0 else ("0:a", "1:v")
    maps = ("-map", late_stream, "-map", other)
    run_ffmpeg(*late, "-i", clip, "-i", clip, *maps, "-c", "copy", path)
    assert lag_ms(path) == pytest.approx(-early_ms, abs=NEAR_MS)


def test_sound_cut_by_an_edit_list(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    maps = ("-map", "1:v", "-map", "0:a")
    run_ffmpeg("-itsoffset", "-0.13", "-i", clip, "-i", clip, *maps, "-c", "copy", path)
    assert lag_ms(path) == pytest.approx(-130, abs=NEAR_MS)


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac", "libmp3lame", "libopus", "flac"])
def test_codec_delay_is_no_offset(clip: Path, tmp_path: Path, codec: str) -> None:
    path = tmp_path / "codec.mkv"
    run_ffmpeg("-i", clip, "-c:v", "copy", "-c:a", codec, "-ar", "48000", path)
    assert abs(lag_ms(path)) < 8


@pytest.mark.parametrize("sound", ["flac", "pcm_s16le"])
@pytest.mark.parametrize("late_ms", [30, 70, 120])
def test_time_zero_is_anywhere(clip: Path, tmp_path: Path, sound: str, late_ms: int) -> None:
    path = tmp_path / "later.mkv"  # cut from a longer recording, its time stamps kept
    late = ("-itsoffset", str(late_ms / 1000), "-i", clip)
    to = ("-c:v", "copy", "-c:a", sound, "-output_ts_offset", "25.68")
    run_ffmpeg("-i", clip, *late, "-map", "0:v", "-map", "1:a", *to, path)
    assert probe(path).start_seconds == pytest.approx(25.68, abs=0.05)
    assert lag_ms(path) == pytest.approx(late_ms, abs=8)


def test_avi(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"  # it has no time stamps, so that B-frames would be wrong in it
    run_ffmpeg("-i", clip, "-c:v", "mpeg4", "-c:a", "pcm_s16le", path)
    assert abs(lag_ms(path)) < NEAR_MS


@pytest.mark.parametrize("rate", ["15", "24000/1001", "24", "25", "30"])
@pytest.mark.parametrize("sound", ["libmp3lame", "pcm_s16le"])
def test_avi_counts_in_coarse_ticks(tmp_path: Path, rate: str, sound: str) -> None:
    """Of whole frames and whole packets, which no shift of a fraction must be rounded to."""
    path, plain = tmp_path / "coarse.avi", tmp_path / "plain.mov"
    click_and_flash(plain, seconds=SECONDS, frames_per_second=Fraction(rate))
    run_ffmpeg("-i", plain, "-c:v", "mpeg4", "-q:v", "3", "-c:a", sound, path)
    fate = Fate(path)
    assert compare_timeline(fate) and not fate.faults


@pytest.mark.parametrize("rate", ["15", "24000/1001", "24", "30000/1001", "30", "50", "60"])
def test_frame_rates(tmp_path: Path, rate: str) -> None:
    path = tmp_path / "rate.mp4"
    click_and_flash(path, seconds=SECONDS, frames_per_second=Fraction(rate))
    assert abs(lag_ms(path)) < NEAR_MS


@pytest.mark.parametrize(
    "kept",
    [
        "select='mod(n,3)'",  # every third frame lost
        "select='lt(t,4)+not(mod(n,3))'",  # 50 fps, then 16.7
        "mpdecimate=max=0",  # stills are one frame each, as screen recorders write them
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_varying_frame_rate(fast_clip: Path, tmp_path: Path, kept: str, suffix: str) -> None:
    path = tmp_path / f"varying.{suffix}"
    run_ffmpeg("-i", fast_clip, "-vf", kept, "-fps_mode", "passthrough", "-c:a", "copy", path)
    assert abs(lag_ms(path)) < 15


def test_lost_sound_leaves_a_gap(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "lost.mkv"
    lost = ("-bsf:a", "noise=drop='between(n,20,22)+eq(n,60)'")  # 64 ms, later 21 ms
    run_ffmpeg("-i", clip, "-c", "copy", *lost, path)
    assert abs(lag_ms(path)) < NEAR_MS


def test_late_stream_is_preceded_by_silence_or_a_still(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    maps = ("-map", "1:v", "-map", "0:a")
    run_ffmpeg("-itsoffset", "1", "-i", clip, "-i", clip, *maps, "-c", "copy", path)
    first_beep = round((1 + flash_times(SECONDS)[0]) * SAMPLE_RATE)
    samples = sound_of(path)
    assert not samples[: SAMPLE_RATE - 1600].any()
    assert np.abs(samples[first_beep : first_beep + 1600]).max() > 8000


# What comes out


@pytest.mark.parametrize("source", [("8000", "1"), ("44100", "2"), ("48000", "6")])
def test_samples_are_16_khz_mono(clip: Path, tmp_path: Path, source: tuple[str, str]) -> None:
    path = tmp_path / "sound.mkv"
    sound = ("-c:a", "pcm_s16le", "-ar", source[0], "-ac", source[1])
    run_ffmpeg("-i", clip, "-c:v", "copy", *sound, path)
    samples = sound_of(path)
    assert samples.dtype == np.int16 and samples.ndim == 1
    assert len(samples) == pytest.approx(SECONDS * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)
    start = round((flash_times(SECONDS)[2] + 0.05) * SAMPLE_RATE)
    spectrum = np.abs(np.fft.rfft(samples[start : start + 1600]))
    assert np.argmax(spectrum) == 100  # 1 kHz in steps of 10 Hz


def test_frames_cover_the_clip(clip: Path) -> None:
    frames = list(read_frames(probe(clip)))
    assert len(frames) == pytest.approx(SECONDS * FRAMES_PER_SECOND, abs=1)
    assert {(frame.shape, frame.dtype.name) for frame in frames} == {((120, 160, 3), "uint8")}


@pytest.mark.parametrize(
    ("size", "shape"),
    [("3840x2160", (720, 1280)), ("1080x1920", (1280, 720)), ("161x121", (121, 161))],
)
def test_large_and_odd_sizes(tmp_path: Path, size: str, shape: tuple[int, int]) -> None:
    path = tmp_path / "size.mkv"
    picture = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=25:duration=0.04")
    sound = ("-f", "lavfi", "-i", "sine=duration=0.04")
    scaled = ("-vf", f"format=yuv444p,scale={size},setsar=1", "-c:v", "libx264")
    run_ffmpeg(*picture, *sound, *scaled, "-preset", "ultrafast", "-c:a", "flac", path)
    video, _ = probe(path).require_both()
    assert f"{video.width}x{video.height}" == size
    assert picture_of(path).shape == (*shape, 3)


def test_colours_are_bgr(tmp_path: Path) -> None:
    path = tmp_path / "blue.mp4"
    blue = np.full((120, 160, 3), (230, 40, 20), np.uint8)
    write_media(path, [blue] * 3, (160, 120), 25, np.zeros(1920, np.int16))
    np.testing.assert_allclose(picture_of(path).mean(axis=(0, 1)), (230, 40, 20), atol=8)


# Names and processes


@pytest.mark.parametrize(
    "name",
    [
        b"with space.mp4",
        b'it\'s "quoted" & $HOME;.mp4',
        b"-dash.mp4",
        b"a:b.mp4",
        b"concat:a|b.mp4",
        b"two\nlines.mp4",
        b"percent%03d.mp4",
        b"[0:1],x='y'.mp4",
        b"na\xefve.mp4",  # Latin-1, no UTF-8
        "näive ☃.mp4".encode(),
    ],
)
def test_file_names(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    try:
        shutil.copy(clip, path)
    except OSError:
        pytest.skip("this file system does not take the name")
    assert probe(path).require_both()
    assert picture_of(path).shape == (120, 160, 3)
    assert len(sound_of(path)) > SAMPLE_RATE


READ_A_FILE = """
import sys
from avsync.media.decode import read_frames, read_samples
from avsync.media.probe import probe
info = probe(sys.argv[1])
frames = sum(1 for _ in read_frames(info))
samples = sum(len(chunk) for chunk in read_samples(info))
print(frames > 0, samples > 0, sys.stdin.read().split())
"""


def test_stdin_is_left_alone(clip: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_A_FILE, str(clip)],
        input=b"second.mp4\nthird.mp4\n",
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        check=True,
    )
    assert done.stdout.decode().strip() == "True True ['second.mp4', 'third.mp4']"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that avsync starts during a test."""
    processes: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remember(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(start(*arguments, **options))
        return processes[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    return processes


def test_a_program_may_end_while_frames_are_read(clip: Path) -> None:
    program = """
import sys
from avsync.media.decode import read_frames, read_samples
from avsync.media.probe import probe
x = [1 / 0 for frame in read_frames(probe(sys.argv[1]))]
"""
    argv = [sys.executable, "-c", program, str(clip)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.rstrip().endswith("division by zero")


@pytest.mark.parametrize("read", [read_frames, read_samples])
def test_no_process_outlives_its_iterator(
    clip: Path, tmp_path: Path, started: list[Any], read: Callable[..., Iterator[Any]]
) -> None:
    path = tmp_path / "long.mkv"  # more than a pipe holds, so that ffmpeg is still at work
    run_ffmpeg("-stream_loop", "30", "-i", clip, "-c:v", "copy", "-c:a", "flac", path)
    info = probe(path)
    started.clear()
    pieces = read(info)
    next(pieces)
    assert len(started) == 1 and started[0].poll() is None
    pieces.close()  # type: ignore[attr-defined]
    assert started[0].returncode is not None
    assert started[0].stdout.closed and started[0].stderr.closed


def test_wrong_ffmpeg_is_named(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVSYNC_FFMPEG", "/nowhere/ffmpeg")
    with pytest.raises(ToolMissingError, match="AVSYNC_FFMPEG=/nowhere/ffmpeg: no such program"):
        probe(clip)


def test_wanted_ffmpeg_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "my-ffmpeg"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    monkeypatch.setenv("AVSYNC_FFMPEG", str(mine))
    assert ffmpeg.find_ffmpeg() == str(mine)


def test_the_one_that_comes_along_is_before_the_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "ffmpeg"
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.delenv("AVSYNC_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.find_ffmpeg() == (programs.bundled_ffmpeg() or str(other))
    monkeypatch.setattr(programs, "bundled_ffmpeg", lambda: None)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}")
    assert ffmpeg.find_ffmpeg() == str(other)


def test_no_ffmpeg_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AVSYNC_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(programs, "bundled_ffmpeg", lambda: None)
    with pytest.raises(ToolMissingError, match="ffmpeg not found: install it"):
        ffmpeg.find_ffmpeg()


def test_drafts_are_not_there_yet(tmp_path: Path) -> None:
    draft = tmp_path / f"{SCRATCH_PREFIX}0123456789ab"
    draft.mkdir()
    for path in (tmp_path / "a.mp4", draft / "a.mp4"):
        path.write_bytes(b"")
    assert files_below(tmp_path) == [tmp_path / "a.mp4"]
