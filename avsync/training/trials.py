"""Questions with known answers: held-out clips cut to a length, their sound moved or replaced.

A trial is judged exactly as `avsync detect` judges a file. The sound of a clip is moved by a known
amount; amid other people's talk, as in long videos, or on its own; clean, or with music or another
voice over it. Or it is somebody else's, music, or silence, and every answer is wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avsync.model.networks import AnyStreams
from avsync.speech import is_audible, mfcc
from avsync.sync.active_speaker import distance_table
from avsync.sync.offset import Offset, find_offset
from avsync.timebase import (
    FRAME_MS,
    FRAMES_PER_SECOND,
    HOPS_PER_FRAME,
    HOPS_PER_SECOND,
    SAMPLE_RATE,
    WINDOW_FRAMES,
)
from avsync.tracks import EmbeddedClip, FaceTrack
from avsync.training.clean import embed_clip
from avsync.training.clips import PreparedClip
from avsync.training.embedding import embed_samples
from avsync.training.noises import mix_at_snr, music, room_noise

MOVED_FRAMES = 20  # sound is moved by up to so much
ALONE_SHARE = 1 / 3  # of the trials with a short search: nothing is heard beyond the clip's ends
NOISE_SECONDS = 30
NOISY_SHARE = 0.3  # of the trials with a clip's own sound, in a sweep
RATIOS_DB = (-3.0, 12.0)  # speech to what is over it
SOME_FACE_PIXELS = 100.0  # where a clip's face was not measured
Own = Literal["own", "own under a voice", "own under music"]
Foreign = Literal["stranger", "other moment", "music", "silence"]
Heard = Own | Foreign
NOISY: tuple[Own, ...] = ("own under a voice", "own under music")
OWN: tuple[Own, ...] = ("own", *NOISY)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a file would show and sound like, and the truth.

    Attributes
    ----------
    clip : PreparedClip
        Whose face it is.
    seen : EmbeddedClip
        As detection would embed it.
    windows : int
        Of the face that is seen.
    reach_seconds : int
        Of the search, to either side.
    heard : str
        What is.
    truth_ms : float
        For the clip's own sound only.
    """

    clip: PreparedClip
    seen: EmbeddedClip
    windows: int
    reach_seconds: int
    heard: Heard
    truth_ms: float

    @property
    def share(self) -> float:
        """Of the clip's pictures, how many are seen."""
        return self.windows / max(1, self.clip.frame_count - WINDOW_FRAMES + 1)

    def offset(self) -> Offset | None:
        """What is found, however unsure; None where nothing is, or only at the edge."""
        active = distance_table([self.seen], self.reach_seconds * HOPS_PER_SECOND)
        offset = find_offset(active.blocks) if active else None
        return None if offset is None or offset.at_edge else offset

    def is_right(self, offset_ms: float, tolerance_ms: float = FRAME_MS) -> bool:
        """Whether an answer is; none is right for a sound that does not belong to the face."""
        return self.heard in OWN and abs(offset_ms - self.truth_ms) <= tolerance_ms


@dataclass(frozen=True, slots=True)
class _Sound:
    audio: NDArray[np.float32]  # (S, D)
    sounding: NDArray[np.bool_]  # (S,)

    @classmethod
    def of(cls, streams: AnyStreams, samples: NDArray[np.int16]) -> "_Sound":
        audio = embed_samples(streams, samples)
        return cls(audio, is_audible(mfcc([samples]))[: len(audio)])


class Trials:
    """Makes trials of held-out clips, always the same for the same seed.

    Parameters
    ----------
    streams : AnyStreams
        The network.
    clips : sequence of PreparedClip
        That it has not learnt from.
    seed : int
        Of everything random.
    """

    def __init__(self, streams: AnyStreams, clips: Sequence[PreparedClip], seed: int = 0) -> None:
        self.clips = [clip for clip in clips if len(clip.valid_windows) > 1]
        self._rng = np.random.default_rng(seed)
        self._embedded = [embed_clip(streams, clip) for clip in self.clips]
        self._sounds = [_Sound(e.audio, e.sounding) for e in self._embedded]
        count = NOISE_SECONDS * SAMPLE_RATE
        tune = np.asarray(8000 * music(count, self._rng), np.int16)
        self._tune = _Sound.of(streams, tune)
        self._hush = _Sound.of(streams, room_noise(count, self._rng))
        self._noisy = {
            heard: [_Sound.of(streams, self._noised(k, heard)) for k in range(len(self.clips))]
            for heard in NOISY
        }

    def __len__(self) -> int:
        return len(self.clips)

    def length(self, number: int) -> int:
        """Windows of a clip."""
        return len(self._embedded[number].video)

    def make(
        self, number: int, windows: int, reach_seconds: int, heard: Heard, alone: bool | None = None
    ) -> Trial:
        """One trial.

        Parameters
        ----------
        number : int
            Of the clip.
        windows : int
            Of its face that are seen; fewer where it has fewer.
        reach_seconds : int
            Of the search, to either side.
        heard : str
            What is.
        alone : bool, optional
            Whether nothing is heard beyond the clip's ends; at random unless given.
        """
        clip, embedded = self.clips[number], self._embedded[number]
        windows = min(windows, len(embedded.video))
        start = int(self._rng.integers(len(embedded.video) - windows + 1))
        moved = int(self._rng.integers(-MOVED_FRAMES, MOVED_FRAMES + 1))
        sound = self._sound(number, heard)
        if alone is None:
            alone = reach_seconds == 1 and self._rng.random() < ALONE_SHARE
        lead_frames = 0 if alone else reach_seconds * FRAMES_PER_SECOND + MOVED_FRAMES
        sound = sound if alone else self._amid_others(number, sound, lead_frames)
        # Comparing with the sounds around a later frame is hearing the sound that much earlier.
        frame = max(0, lead_frames + embedded.first_frame + start + moved)
        moved = frame - lead_frames - embedded.first_frame - start
        face = clip.face_height or SOME_FACE_PIXELS
        boxes = np.full((windows + 4, 4), face, np.float32)
        track = FaceTrack(frame, boxes, embedded.video[start : start + windows])
        truth_ms = clip.source.offset_ms + moved * FRAME_MS
        seen = EmbeddedClip([track], sound.audio, sound.sounding, frame + len(boxes))
        return Trial(clip, seen, windows, reach_seconds, heard, truth_ms)

    def sweep(
        self, lengths: Sequence[int], reaches_seconds: Sequence[int], mismatched_share: float
    ) -> Iterator[Trial]:
        """Every clip at every length that it has and every reach, some with a foreign sound."""
        for number in range(len(self.clips)):
            for windows in lengths:
                if windows > 1.5 * self.length(number) and windows != lengths[0]:
                    break
                for reach in reaches_seconds:
                    yield self.make(number, windows, reach, self._draw_heard(mismatched_share))

    def _draw_heard(self, mismatched_share: float) -> Heard:
        if self._rng.random() < mismatched_share:
            foreign: tuple[Foreign, ...] = ("stranger", "stranger", "other moment", "music")
            return foreign[int(self._rng.integers(len(foreign)))]
        is_noisy = self._rng.random() < NOISY_SHARE
        return NOISY[int(self._rng.integers(len(NOISY)))] if is_noisy else "own"

    def _sound(self, number: int, heard: Heard) -> _Sound:
        if heard == "own":
            return self._sounds[number]
        if heard in NOISY:
            return self._noisy[heard][number]
        if heard == "stranger":
            return self._sounds[self._stranger(number)]
        if heard == "other moment":
            return self._sounds[self._other_moment(number)]
        noise = self._tune if heard == "music" else self._hush
        size = len(self._sounds[number].audio)
        first = int(self._rng.integers(max(1, len(noise.audio) - size)))
        return _Sound(noise.audio[first : first + size], noise.sounding[first : first + size])

    def _noised(self, number: int, heard: Own) -> NDArray[np.int16]:
        """The samples of a clip with a stranger's voice or music over them."""
        samples = self.clips[number].samples
        if heard == "own under music":
            over = music(len(samples), self._rng)
        else:
            over = self.clips[self._stranger(number)].samples.astype(np.float64)
        heard_both = mix_at_snr(samples, over, self._rng.uniform(*RATIOS_DB))
        return np.clip(heard_both, -32768, 32767).astype(np.int16)

    def _stranger(self, number: int) -> int:
        """A clip of another speaker, where there is one."""
        speaker = self.clips[number].source.speaker
        others = [k for k, clip in enumerate(self.clips) if clip.source.speaker != speaker]
        return others[int(self._rng.integers(len(others)))] if others else number

    def _other_moment(self, number: int) -> int:
        """Another clip of the same speaker, where there is one, else a stranger's."""
        speaker = self.clips[number].source.speaker
        others = [
            k for k, clip in enumerate(self.clips) if clip.source.speaker == speaker and k != number
        ]
        if not others:
            return self._stranger(number)
        return others[int(self._rng.integers(len(others)))]

    def _amid_others(self, number: int, sound: _Sound, lead_frames: int) -> _Sound:
        """A sound between other people's, as in long videos."""
        hops = lead_frames * HOPS_PER_FRAME
        before, after = self._talk(number, hops), self._talk(number, hops)
        return _Sound(
            np.concatenate([before.audio, sound.audio, after.audio]),
            np.concatenate([before.sounding, sound.sounding, after.sounding]),
        )

    def _talk(self, number: int, hops: int) -> _Sound:
        """So many hops of sound of anybody but who is seen: that might match."""
        parts = [self._sounds[self._stranger(number)] for _ in range(3)]
        while sum(len(part.audio) for part in parts) < hops:
            parts.append(self._sounds[self._stranger(number)])
        audio = np.concatenate([part.audio for part in parts])[:hops]
        return _Sound(audio, np.concatenate([part.sounding for part in parts])[:hops])
