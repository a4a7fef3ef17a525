"""The look at stamps by which foreign and damaged files are judged sees what it is for."""

from pathlib import Path

import numpy as np
import pytest
from foreign_files import relative_moves_ms, small
from stamps import Decoded, decode, lag_ms, moved_ms, packets, picture_lag_ms
from timeline import KINDS, make_clicks, run

from avsync.media.decode import read_frames
from avsync.media.probe import probe


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flashes and clicks."""
    return make_clicks(tmp_path_factory.mktemp("stamps") / "clip.mkv", *KINDS["mkv"])


@pytest.fixture(scope="module")
def late(clip: Path) -> Path:
    """The same with its sound 200 ms late."""
    path = clip.with_name("late.mkv")
    run(
        "-i",
        clip,
        "-itsoffset",
        "0.2",
        "-i",
        clip,
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c",
        "copy",
        path,
    )
    return path


def test_sound_is_put_where_its_stamps_are(clip: Path, late: Path) -> None:
    before, after = decode(clip), decode(late)
    assert lag_ms(before.samples(-1.0), after.samples(-1.0)) == pytest.approx(200, abs=2)
    assert lag_ms(after.samples(0.0), before.samples(0.0)) == pytest.approx(-200, abs=2)
    assert lag_ms(before.samples(0.0), -before.samples(0.0)) == 0, "turned upside down"
    assert lag_ms(before.samples(0.0), np.zeros(9, np.float32)) is None


def test_packets_tell_what_was_moved(clip: Path, late: Path) -> None:
    before, after = packets(clip), packets(late)
    assert [track.kind for track in before] == ["video", "audio"]
    assert relative_moves_ms(before, after) == pytest.approx([200, 200], abs=2)
    assert moved_ms(before[0], after[0]) == pytest.approx((0, 0), abs=30)
    assert moved_ms(before[0], after[1]) is None, "other packets"


@pytest.mark.parametrize("late_ms", [-80.0, 0.0, 120.0])
def test_a_picture_that_is_shown_too_late_is_seen(clip: Path, late_ms: float) -> None:
    info, truth = probe(clip), decode(clip)
    shown = np.array([small(frame) for frame in read_frames(info, colour=False)])
    moved = Decoded(
        truth.frame_seconds - late_ms / 1000, truth.frames, truth.sound_seconds, truth.sound
    )
    assert picture_lag_ms(shown, moved, info.start_seconds) == pytest.approx(late_ms, abs=20)


def test_a_still_tells_no_time(clip: Path) -> None:
    truth = decode(clip)
    still = np.repeat(truth.frames[:1], len(truth.frames), axis=0)
    same = Decoded(truth.frame_seconds, still, truth.sound_seconds, truth.sound)
    assert picture_lag_ms(still, same, 0.0) is None
