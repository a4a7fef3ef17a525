"""How an offset runs through a file: lines and jumps are found where there are any, only there."""

from pathlib import Path

import numpy as np
import pytest
from made_embeddings import active, alike, lips, strangers_lips
from talking_face import write_talking_face
from timeline import run

from avsync.pipeline.loading import Pipeline
from avsync.pipeline.options import DetectOptions
from avsync.remux.fix import fix
from avsync.remux.options import FixOptions
from avsync.sync.active_speaker import ActiveSpeaker, distance_table
from avsync.sync.drift import film_speeds, find_stretch
from avsync.sync.jumps import Part, find_parts, gain_of
from avsync.sync.offset import Offset, find_offset
from avsync.timebase import HOPS_PER_FRAME, drift_ms_per_minute, stretch_of_drift
from avsync.tracks import EmbeddedClip, FaceTrack, stretched

MAX_SHIFT = 100


def seen(pictures: np.ndarray, sounds: np.ndarray) -> EmbeddedClip:
    frames = len(pictures) + 4
    boxes = np.tile(np.float32([80, 60, 50, 50]), (frames, 1))
    return EmbeddedClip([FaceTrack(0, boxes, pictures)], sounds, np.ones(len(sounds), bool), frames)


def made(
    seconds: float, *, match: float = 0.5, offset_hops: int = 0, seed: int = 0
) -> EmbeddedClip:
    """Pictures that resemble their sounds by `match`, with the sound late by `offset_hops`."""
    sounds = active(seconds, seed)
    return seen(lips(sounds, round(25 * seconds), offset_hops, match, seed + 1), sounds)


def stepping(*parts: tuple[float, int], match: float = 0.4, seed: int = 0) -> ActiveSpeaker:
    """Parts of so many seconds, each with its sound late by so many hops."""
    sounds = active(sum(seconds for seconds, _ in parts) + 0.2, seed)
    shifts = np.repeat([shift for _, shift in parts], [round(25 * s) for s, _ in parts])
    hops = np.arange(len(shifts)) * HOPS_PER_FRAME + shifts
    heard = distance_table([seen(alike(sounds, hops, match, seed + 1), sounds)], MAX_SHIFT)
    assert heard
    return heard


def is_sure(offset: Offset) -> bool:
    return offset.evidence.agreement > 0.95


def places(found: ActiveSpeaker, parts: list[Part]) -> list[tuple[float, float]]:
    """(seconds at which it begins, offset in ms) of each part."""
    return [(found.blocks.start_seconds(part.rows.start), part.offset.offset_ms) for part in parts]


@pytest.mark.parametrize("seed", range(6))
def test_jumps_are_found_where_they_are(seed: int) -> None:
    """Within a second and 10 ms."""
    heard = stepping((20, 0), (30, -20), (25, 12), seed=seed)
    parts = find_parts(heard, is_sure)
    assert places(heard, parts) == [
        (0, pytest.approx(0, abs=10)),
        (pytest.approx(20, abs=1), pytest.approx(200, abs=10)),
        (pytest.approx(50, abs=1), pytest.approx(-120, abs=10)),
    ]
    everything = find_offset(heard.blocks)
    assert everything
    constant = Part(slice(0, len(heard.blocks.numbers)), everything)
    assert gain_of(heard, parts) > gain_of(heard, [constant])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("seconds", [15, 120])
def test_a_constant_offset_has_no_jumps(seconds: float, seed: int) -> None:
    assert len(find_parts(stepping((seconds, 7), match=0.3, seed=seed), is_sure)) == 0


def test_a_step_too_small_to_matter_is_none() -> None:
    assert len(find_parts(stepping((30, 0), (30, 4)), is_sure)) == 0


def test_what_fits_nowhere_is_no_part() -> None:
    """Somebody else is heard for a while: its time goes to the parts beside it."""
    sounds = active(60.2)
    pictures = lips(sounds, 1504, 5)
    pictures[500:750] = strangers_lips(254, 9)[:250]
    heard = distance_table([seen(pictures, sounds)], MAX_SHIFT)
    assert heard and len(find_parts(heard, is_sure)) == 0


def test_parts_that_are_not_sure_do_not_count() -> None:
    assert find_parts(stepping((20, 0), (20, 30)), lambda offset: False) == []


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("seconds", "offset_hops"), [(12, 0), (40, 30), (90, -55)])
def test_a_constant_offset_is_no_drift(seconds: float, offset_hops: int, seed: int) -> None:
    film = made(seconds, match=0.35, offset_hops=offset_hops, seed=seed)
    assert find_stretch([film], 1.0) == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_a_strangers_sound_has_no_line(seed: int) -> None:
    assert find_stretch([made(40, match=0.0, seed=seed)], 1.0) == 1.0


@pytest.mark.parametrize(
    "stretch", [24 / 25, 25 / 24, 24 / 25 / 1.001, 25 / 24 * 1.001, 1.001, 0.9985, 1.0006]
)
def test_a_line_is_found(stretch: float) -> None:
    """To within 10 ms at the ends."""
    film = stretched(made(90, offset_hops=20), 1 / stretch)
    assert find_stretch([film], 1.0) == pytest.approx(stretch, abs=0.02 / 90)


@pytest.mark.parametrize("stretch", [24 / 25, 25 / 24])
@pytest.mark.parametrize("seed", range(4))
def test_what_cannot_be_told_from_a_film_ratio_is_that_ratio(stretch: float, seed: int) -> None:
    film = stretched(made(20, match=0.35, seed=seed), 1 / stretch)
    assert find_stretch([film], 1.0) == stretch


def test_too_short_for_a_line() -> None:
    assert find_stretch([stretched(made(6), 25 / 24)], 1.0) == 1.0


def test_nobody_to_be_seen() -> None:
    film = made(12)
    assert find_stretch([EmbeddedClip([], film.audio, film.sounding, film.frame_count)], 1.0) == 1.0


@pytest.mark.parametrize(
    ("stretch", "words"),
    [
        (24 / 25, "24 fps played at 25"),
        (25 / 24 * 1.00005, "25 fps played at 24"),
        (1 / 1.001, "23.976 fps played at 24"),
        (1.0005, None),
    ],
)
def test_a_drift_that_frame_rates_explain_is_named(stretch: float, words: str | None) -> None:
    assert film_speeds(stretch) == words


def test_drift_and_stretch_are_two_ways_to_say_the_same() -> None:
    assert drift_ms_per_minute(1.001) == pytest.approx(60, rel=0.01)  # longer: it was too early
    for stretch in (0.96, 1.0, 1.001, 1.0417):
        assert stretch_of_drift(drift_ms_per_minute(stretch)) == pytest.approx(stretch)


@pytest.mark.slow
def test_a_film_sped_up_is_put_right(tmp_path: Path) -> None:
    """The picture of 24 fps played at 25, the sound not: it runs away by 40 ms a second."""
    natural, wrong, out = (tmp_path / name for name in ("natural.mkv", "wrong.mkv", "out.mkv"))
    write_talking_face(natural, seconds=20, size=(320, 180), frames_per_second=24)
    faster = ("-bsf:v", "setts=ts=TS*24/25")
    run("-i", natural, "-c", "copy", *faster, wrong)
    look = DetectOptions()
    report = fix(wrong, out, FixOptions(look), pipeline=Pipeline(look))
    assert report.status == "fixed" and report.method == "resample", report.reasons
    assert report.before and report.before.segments[0].explained_by == "24 fps played at 25"
    assert report.drift_ppm == pytest.approx(-1e6 / 24, rel=0.05)
    assert report.residual_ms is not None and abs(report.residual_ms) <= 20
