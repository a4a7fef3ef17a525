"""Stage 6b: why there is no answer, each with what is missing or what to try."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from avsync.sync.hypotheses import Hypothesis, SearchOptions
from avsync.sync.jumps import find_parts
from avsync.sync.offset import Offset
from avsync.timebase import FRAME_MS, FRAMES_PER_SECOND, offset_in_words
from avsync.tolerance import ACCEPT
from avsync.tracks import EmbeddedClip, all_tracks, seen_at_once

MIN_WINDOWS = 10  # pictures compared; with fewer, nothing can be told
MIN_SPEECH_SECONDS = 0.5
SHORT_SPEECH_SECONDS = 3.0  # less is seldom enough
MIN_FACE_PIXELS = 32  # larger side of the canonical box, in the source's pixels
WIDE_SECONDS = 30.0  # a search that finds as much and takes little longer: docs/hard-cases.md
PLAUSIBLE_AGREEMENT = 0.5  # of parts that are told as the reason for doubt


def missing_evidence(
    looks: Sequence[EmbeddedClip], found: Hypothesis | None, speech_seconds: float
) -> str | None:
    """What an answer would need and is not there.

    Parameters
    ----------
    looks : sequence of EmbeddedClip
        Parts of a file, in time.
    found : Hypothesis or None
        What they tell.
    speech_seconds : float
        In which something is heard while a face is seen.

    Returns
    -------
    str or None
        None: picture and sound can be compared.
    """
    if not sum(seen.frame_count for seen in looks):
        return "no picture could be decoded"
    tracks = [track for _, track in all_tracks(looks)]
    if not tracks:
        return "no face found: try --faces yunet or sfd, or --cropped for face crops"
    face = max(float(np.median(track.boxes[:, 2:].max(axis=1))) for track in tracks)
    if face < MIN_FACE_PIXELS:
        return f"no face larger than {face:.0f} pixels: {MIN_FACE_PIXELS} are needed"
    windows = float(found.active.blocks.windows.sum()) if found else 0.0
    if windows < MIN_WINDOWS:
        shown = windows / FRAMES_PER_SECOND
        return f"too short: a face with sound is seen for {shown:.1f} s only"
    if not any(seen.sounding.any() for seen in looks):
        return "the sound is silent"
    if speech_seconds < MIN_SPEECH_SECONDS:
        return f"sound is heard for {speech_seconds:.1f} s only while a face is seen"
    return None


def rejection_reason(
    looks: Sequence[EmbeddedClip],
    found: Hypothesis,
    alone: Mapping[int, Hypothesis],
    speech_seconds: float,
    question: SearchOptions,
) -> str | None:
    """Why the offset that was found is no answer, and what to try.

    Parameters
    ----------
    looks : sequence of EmbeddedClip
        Parts of a file, in time.
    found : Hypothesis
        What they tell.
    alone : mapping of Hypothesis
        What each of several faces tells by itself.
    speech_seconds : float
        In which something is heard while a face is seen.
    question : SearchOptions
        What is asked.

    Returns
    -------
    str or None
        None: it is one.
    """
    if any(part.offset.at_edge for part in found.parts):
        wider = 5 * question.max_offset_seconds
        return f"best match at the edge of the search range: try --max-offset {wider:g}"
    if found.confidence < question.accept:
        return _doubt(found, speech_seconds, question)
    if len(found.segments) > 1 or found.segments[0].drift_ms_per_minute:
        return None
    # Faces are believed where they would be an answer by themselves, whatever is accepted here.
    enough = max(question.accept, ACCEPT)
    return next(_contradictions(seen_at_once(looks), alone, enough), None)


def _doubt(found: Hypothesis, speech_seconds: float, question: SearchOptions) -> str:
    """Why the best offset is not believed."""
    doubt = f"no offset stands out (confidence {100 * found.confidence:.0f} %)"
    if speech_seconds < SHORT_SPEECH_SECONDS:
        return f"{doubt}: speech was heard for {speech_seconds:.1f} s only while a face is seen"
    if parts := find_parts(found.active, _is_plausible):
        table = found.active.blocks
        said = (
            f"{offset_in_words(part.offset.offset_ms)} from "
            f"{table.start_seconds(part.rows.start):.0f} s on"
            for part in parts
        )
        return f"{doubt}: the stretches disagree ({', '.join(said)})"
    farther = ""
    if question.max_offset_seconds < WIDE_SECONDS:
        farther = f"farther out (try --max-offset {WIDE_SECONDS:g}), "
    return (
        f"{doubt}: within {question.max_offset_seconds:g} s lips and sound fit nowhere; is it "
        f"{farther}not the speaker's own voice, or the mouth out of view?"
    )


def _is_plausible(offset: Offset) -> bool:
    return offset.evidence.agreement > PLAUSIBLE_AGREEMENT


def _contradictions(
    pairs: Sequence[tuple[int, int]], alone: Mapping[int, Hypothesis], enough: float
) -> Iterator[str]:
    """Faces that are seen at once and, each by itself, would be answered with different offsets.

    Where several people are heard at once, each moved by another amount, no single offset is right.
    """
    believed = {
        number: found.parts[0].offset.offset_ms
        for number, found in alone.items()
        if found.confidence >= enough
    }
    for a, b in pairs:
        if a in believed and b in believed and abs(believed[a] - believed[b]) > FRAME_MS:
            yield (
                "two faces contradict each other: by one "
                f"{offset_in_words(believed[a])}, by the other {offset_in_words(believed[b])}"
            )
