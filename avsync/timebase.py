"""Rates, exact conversions between them, and the sign of an offset.

`offset_ms` is positive when the SOUND IS EARLY (it leads the picture); the cure is to delay
the sound by `offset_ms`. This is SyncNet's "AV offset" and the lead of ITU-R BT.1359,
EBU R37 and ATSC IS-191. No other module decides on a sign.
"""


def exact_div(numerator: int, denominator: int) -> int:
    """Divide two integers that must divide without remainder.

    Raises
    ------
    ValueError
        Where they do not.
    """
    quotient, remainder = divmod(numerator, denominator)
    if remainder:
        raise ValueError(f"{numerator} is not a multiple of {denominator}")
    return quotient


FRAMES_PER_SECOND = 25
SAMPLE_RATE = 16_000  # Hz
HOP_SAMPLES = 160  # between two MFCC vectors
HOPS_PER_SECOND = exact_div(SAMPLE_RATE, HOP_SAMPLES)  # 100 MFCC vectors a second
HOP_MS = exact_div(1000, HOPS_PER_SECOND)  # 10 ms: the grid of the search
FRAME_MS = exact_div(1000, FRAMES_PER_SECOND)  # 40 ms
HOPS_PER_FRAME = exact_div(HOPS_PER_SECOND, FRAMES_PER_SECOND)  # 4

WINDOW_FRAMES = 5  # what one video embedding sees: 0.2 s
WINDOW_HOPS = WINDOW_FRAMES * HOPS_PER_FRAME  # 20 MFCC vectors: what one audio embedding hears


def offset_ms_of_shift(shift_hops: float) -> float:
    """Offset that a shift of the best matching sound tells.

    Sound that comes later than its picture is late, so its offset is negative.

    Parameters
    ----------
    shift_hops : float
        How many hops of 10 ms after the picture its matching sound lies.

    Examples
    --------
    >>> offset_ms_of_shift(12)
    -120
    """
    return -shift_hops * HOP_MS


def drift_ms_per_minute(stretch: float) -> float:
    """How fast the offset grows; positive: the sound gets earlier and earlier.

    Parameters
    ----------
    stretch : float
        How many times as long the sound must become.

    Examples
    --------
    >>> round(drift_ms_per_minute(1.001))
    60
    """
    return 60_000 * (1 - 1 / stretch)


def stretch_of_drift(ms_per_minute: float) -> float:
    """How many times as long the sound must become to cure a drift."""
    return 1 / (1 - ms_per_minute / 60_000)


def offset_frames(offset_ms: float) -> float:
    """The same offset counted in frames of 40 ms, as SyncNet reports it.

    Examples
    --------
    >>> offset_frames(-120)
    -3.0
    """
    return offset_ms / FRAME_MS


def offset_in_words(offset_ms: float) -> str:
    """Say an offset so that nobody needs to know a sign convention.

    Examples
    --------
    >>> offset_in_words(-120.4)
    'sound is 120 ms late'
    """
    rounded = round(offset_ms)
    if rounded == 0:
        return "sound is in step (0 ms)"
    return f"sound is {abs(rounded)} ms {'early' if rounded > 0 else 'late'}"


def timecode(seconds: float) -> str:
    """A time as people and WebVTT write it.

    Examples
    --------
    >>> timecode(3725.04)
    '01:02:05.040'
    """
    total, milliseconds = divmod(round(1000 * seconds), 1000)
    minutes, second = divmod(total, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}.{milliseconds:03}"
