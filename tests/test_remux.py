"""Sound is moved by as much as was asked for, in every container, and nothing else changes."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from timeline import (
    EVENTS,
    KINDS,
    click_seconds,
    description,
    lags_ms,
    make_clicks,
    packet_sums,
    run,
)

from avsync.errors import MediaError
from avsync.fix import planner_for
from avsync.inventory import take_inventory
from avsync.remux import Cure, Wishes, encoder_for
from avsync.resampling import rate_pair
from avsync.writing import write

SHIFTS_MS = (-900, -240, -37, 37, 240, 900)
COPIED = [kind for kind in KINDS if kind != "avi"]

lags_before = cache(lags_ms)
sums_before = cache(packet_sums)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same flashes and clicks in every container."""
    folder = tmp_path_factory.mktemp("clicks")
    return {kind: make_clicks(folder / f"c.{kind}", *codecs) for kind, codecs in KINDS.items()}


def move(source: Path, target: Path, cure: Cure, wishes: Wishes | None = None) -> tuple[str, ...]:
    """Write what `avsync fix` would write; returns its notes."""
    inventory = take_inventory(source)
    planner = planner_for(inventory, target, cure, wishes or Wishes())
    return planner(()).notes + write(planner, inventory, target, target)


@pytest.mark.parametrize("offset_ms", SHIFTS_MS)
@pytest.mark.parametrize("kind", COPIED)
def test_a_copy_moves_the_sound_alone(
    clips: dict[str, Path], tmp_path: Path, kind: str, offset_ms: int
) -> None:
    out = tmp_path / f"out.{kind}"
    assert move(clips[kind], out, Cure(offset_ms)) == ()
    assert lags_ms(out) - lags_before(clips[kind]) == pytest.approx(offset_ms, abs=2)
    # An MPEG program stream has no order but that of arrival.
    in_order = sorted if kind == "mpg" else list
    assert in_order(packet_sums(out)) == in_order(sums_before(clips[kind]))


@pytest.mark.parametrize(
    ("kind", "offset_ms"),
    [(kind, ms) for kind in ("avi", "mp4") for ms in SHIFTS_MS]
    + [(kind, ms) for kind in KINDS if kind not in ("avi", "mp4") for ms in (-900, 37)],
)
def test_encoding_the_sound_again_moves_its_samples(
    clips: dict[str, Path], tmp_path: Path, kind: str, offset_ms: int
) -> None:
    out = tmp_path / f"out.{kind}"
    (note,) = move(clips[kind], out, Cure(offset_ms), Wishes(reencode_audio=True))
    assert "encoded again" in note
    assert lags_ms(out) - lags_before(clips[kind]) == pytest.approx(offset_ms, abs=1)
    assert packet_sums(out)[0] == sums_before(clips[kind])[0], "the picture was not copied"
