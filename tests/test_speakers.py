"""Films with a known speaker: the one whose lips fit counts, offset by offset, turn by turn."""

import numpy as np
import pytest
from made_embeddings import active, lips, strangers_lips

from avsync.sync.active_speaker import ActiveSpeaker, distance_table, select_active_speaker
from avsync.sync.blocks import BLOCK_FRAMES, DistanceBlocks, distance_blocks
from avsync.sync.offset import find_offset
from avsync.tracks import EmbeddedClip, FaceTrack, stretched

MAX_SHIFT = 100
SHIFT = 12  # steps by which the sound is late


def face(first_frame: int, frames: int, is_speaker: bool, seed: int = 0) -> DistanceBlocks:
    """A face that is seen for a while, in a film in which somebody talks all the time."""
    sound = active(20.0)
    pictures = lips(sound, 500, SHIFT) if is_speaker else strangers_lips(500, seed + 1)
    return distance_blocks(
        pictures[first_frame : first_frame + frames], sound, first_frame, MAX_SHIFT
    )


def chosen(tracks: list[DistanceBlocks]) -> list[int]:
    """Who speaks in each stretch, at the true offset."""
    found = select_active_speaker(tracks)
    assert found
    return [int(number) for number in found.who[:, MAX_SHIFT + SHIFT]]


def offset_ms(found: ActiveSpeaker | None) -> float:
    assert found
    offset = find_offset(found.blocks)
    assert offset
    return offset.offset_ms


def test_one_face_is_taken_as_it_is() -> None:
    track = face(0, 200, is_speaker=True)
    found = select_active_speaker([track])
    assert found and found.blocks.numbers.tolist() == track.numbers.tolist()
    assert (found.who == 0).all()
    np.testing.assert_array_equal(found.blocks.counts, track.counts)
    assert offset_ms(found) == pytest.approx(-10 * SHIFT, abs=3)


@pytest.mark.parametrize("listeners", [1, 2, 7])
def test_the_speaker_counts_among_listeners(listeners: int) -> None:
    others = [face(0, 400, is_speaker=False, seed=n) for n in range(listeners)]
    tracks = [*others, face(0, 400, is_speaker=True)]
    assert np.mean(np.array(chosen(tracks)) == listeners) > 0.9
    assert offset_ms(select_active_speaker(tracks)) == pytest.approx(-10 * SHIFT, abs=3)


def test_who_speaks_changes_with_the_turns_of_a_talk() -> None:
    sound = active(20.0)
    here, there = lips(sound, 500, SHIFT), strangers_lips(500, 3)
    first = np.concatenate([here[:250], there[250:]])
    second = np.concatenate([there[:250], here[250:]])
    found = select_active_speaker(
        [distance_blocks(pictures, sound, 0, MAX_SHIFT) for pictures in (first, second)]
    )
    assert found
    who = found.who[:, MAX_SHIFT + SHIFT]
    border = 250 // BLOCK_FRAMES
    assert (who[: border - 5] == 0).mean() > 0.9
    assert (who[border + 5 :] == 1).mean() > 0.9
    shares = found.shares(np.full(len(who), MAX_SHIFT + SHIFT), 2)
    assert shares == pytest.approx([0.5, 0.5], abs=0.15)
    assert offset_ms(found) == pytest.approx(-10 * SHIFT, abs=3)


def test_the_order_of_the_tracks_does_not_matter() -> None:
    tracks = [face(0, 400, is_speaker=False), face(100, 200, is_speaker=True)]
    there, back = select_active_speaker(tracks), select_active_speaker(tracks[::-1])
    assert there and back
    np.testing.assert_allclose(there.blocks.sums, back.blocks.sums)
    judged = there.blocks.counts > 0
    np.testing.assert_array_equal(there.who[judged], 1 - back.who[judged])


def test_faces_one_after_the_other_all_count() -> None:
    tracks = [face(0, 60, True), face(60, 60, True), face(120, 60, False)]
    assert chosen(tracks) == [*(6 * [0]), *(6 * [1]), *(6 * [2])]


def test_a_wrong_offset_is_favoured_no_less_than_the_right_one() -> None:
    """Of two listeners, no offset stands out just because faces could be chosen."""
    tracks = [face(0, 400, is_speaker=False, seed=n) for n in (4, 5)]
    found = select_active_speaker(tracks)
    assert found
    offset = find_offset(found.blocks)
    assert offset and offset.evidence.agreement < 0.8 and offset.evidence.margin < 0.6


def test_a_face_without_sound_to_compare_yields() -> None:
    sound = active(20.0)
    silent = distance_blocks(lips(sound, 200, 0), sound[:0], 0, MAX_SHIFT)
    assert set(chosen([silent, face(0, 200, is_speaker=True)])) == {1}


def test_no_face_no_talk() -> None:
    sound = active(1.0)
    assert select_active_speaker([]) is None
    assert (
        distance_table([EmbeddedClip([], sound, np.ones(len(sound), bool), 25)], MAX_SHIFT) is None
    )


def test_looks_at_parts_add_up_on_the_timeline_of_the_file() -> None:
    sound = active(40.0)
    pictures = lips(sound, 1000, SHIFT)
    boxes = np.zeros((300, 4), np.float32)

    def look(first: int) -> EmbeddedClip:
        heard = sound[4 * first : 4 * first + 1300]
        track = FaceTrack(0, boxes, pictures[first : first + 296])
        return EmbeddedClip([track], heard, np.ones(len(heard), bool), 300, first_frame=first)

    found = distance_table([look(0), look(500)], MAX_SHIFT)
    assert found
    assert found.blocks.numbers.tolist() == [*range(30), *range(50, 80)]
    assert offset_ms(found) == pytest.approx(-10 * SHIFT, abs=3)


def test_long_files_with_a_wide_search_get_longer_stretches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = active(40.0)
    track = FaceTrack(0, np.zeros((1000, 4), np.float32), lips(sound, 1000, SHIFT))
    seen = EmbeddedClip([track], sound, np.ones(len(sound), bool), 1000)
    fine = distance_table([seen], MAX_SHIFT)
    monkeypatch.setattr("avsync.sync.active_speaker.MOST_CELLS", 5000)
    coarse = distance_table([seen], MAX_SHIFT)
    assert fine and coarse
    assert coarse.blocks.sums.size <= 5000 < fine.blocks.sums.size
    assert offset_ms(coarse) == pytest.approx(offset_ms(fine), abs=0.5)


def test_stretching_the_sound_moves_what_is_heard() -> None:
    sound = active(30.0)
    seen = EmbeddedClip([], sound, np.ones(len(sound), bool), 750)
    longer = stretched(seen, 25 / 24)
    assert len(longer.audio) == round(len(sound) * 25 / 24)
    # An embedding stands for the middle of its 20 steps.
    assert (longer.audio[2000] == sound[round((2000 + 10) * 24 / 25 - 10)]).all()
    assert stretched(seen, 1.0) is seen
