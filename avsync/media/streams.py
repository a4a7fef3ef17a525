"""A stream of a container, as ffmpeg describes it in words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

# As ffmpeg prints them, behind the description of a stream; its options want them with underscores.
DISPOSITIONS = frozenset(
    (
        *("default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "captions"),
        *("hearing impaired", "visual impaired", "clean effects", "attached pic", "metadata"),
        *("timed thumbnails", "non-diegetic", "descriptions", "dependent", "still image"),
    )
)
_SIZE = re.compile(r"[ ,](\d{1,5})x(\d{1,5})[ ,\[]")
_PIXEL_ASPECT = re.compile(r"SAR (\d+):(\d+)")
_ROTATION = re.compile(r"rotation of (-?[\d.]+) degrees")
_TAG = re.compile(r"\((\S+) / 0x[0-9A-F]{8}\)")
_RATE, _KILOBITS = re.compile(r"(\d+) Hz"), re.compile(r"(\d+) kb/s")
_FRAME_RATE = re.compile(r"([\d.]+) tbr\b")
MOST_FRAMES_PER_SECOND = 300  # more is a clock, not a rate of pictures
ROUNDING = Fraction(1, 100)  # of rates, in ffmpeg's words
_MONO = re.compile(r" Hz, (?:mono|1 channels)\b")


@dataclass(frozen=True, slots=True)
class VideoStream:
    """A moving picture as it is shown: upright, with square pixels.

    Attributes
    ----------
    index : int
        Of the stream in the container.
    width, height : int
        Pixels.
    """

    index: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AudioStream:
    """The sound track that is heard.

    Attributes
    ----------
    index : int
        Of the stream in the container.
    channels : int
        1 or 2: more are mixed to 2.
    """

    index: int
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a container.

    Attributes
    ----------
    index : int
        Its place, from 0.
    number : int
        By which the container knows it, else the index.
    kind : str
        Video, Audio, Subtitle, Data, Attachment or Unknown.
    words : str
        In which ffmpeg describes it.
    tags : dict of str to str
        Metadata.
    side_data : list of str
        Lines of it, as ffmpeg prints them.
    """

    index: int
    number: int
    kind: str
    words: str
    tags: dict[str, str] = field(default_factory=dict)
    side_data: list[str] = field(default_factory=list)

    @property
    def codec(self) -> str:
        """As ffmpeg calls it."""
        found = re.match(r"\w*", self.words)
        return found[0] if found else ""

    @property
    def tag(self) -> str:
        """Four letters by which the container calls the codec; empty where it does not."""
        found = _TAG.search(self.words)
        return found[1] if found else ""

    @property
    def dispositions(self) -> tuple[str, ...]:
        """What it is for."""
        said = re.findall(r"\(([a-z -]+)\)", self.words)
        return tuple(name for name in said if name in DISPOSITIONS)

    @property
    def sample_rate(self) -> int | None:
        """Of sound, in Hz."""
        found = _RATE.search(self.words)
        return int(found[1]) if found else None

    @property
    def bits_per_second(self) -> int | None:
        """None where the container does not say."""
        found = _KILOBITS.search(self.words)
        return 1000 * int(found[1]) if found else None

    @property
    def frames_per_second(self) -> Fraction | None:
        """Of a picture, as its stamps lie at least apart; None where they tell of no rate."""
        found = _FRAME_RATE.search(self.words)
        if found is None or not 0 < float(found[1]) <= MOST_FRAMES_PER_SECOND:
            return None
        of_film = Fraction(round(1.001 * float(found[1])) * 1000, 1001)
        said = Fraction(found[1])
        return of_film if said != round(said) and abs(of_film - said) < ROUNDING else said

    @property
    def is_mono(self) -> bool:
        """Whether sound has one channel."""
        return bool(_MONO.search(self.words))

    @property
    def is_cover(self) -> bool:
        """Whether it is a still picture that belongs to the file, not a film."""
        return "attached pic" in self.dispositions

    @property
    def picture(self) -> VideoStream | None:
        """The picture as it is shown; None where no size is said."""
        size = _SIZE.search(self.words)
        if size is None:
            return None
        width, height = int(size[1]), int(size[2])
        aspects = _PIXEL_ASPECT.findall(self.words)  # the codec's, then the container's, which wins
        if aspects and all(map(int, aspects[-1])):
            width = round(width * Fraction(*map(int, aspects[-1])))
        rotation = _ROTATION.search("\n".join(self.side_data))
        if rotation and round(float(rotation[1])) % 180 == 90:
            width, height = height, width
        return VideoStream(self.index, width, height)


def disposition_option(names: Iterable[str]) -> str:
    """The value of ffmpeg's -disposition."""
    return "+".join(re.sub(r"[ -]", "_", name) for name in names) or "0"
