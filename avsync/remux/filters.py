"""Filters that shift and stretch decoded sound, as ffmpeg spells them."""

import numpy as np

HIGHEST_RATE = 192_000  # Hz, of intermediate samples
FILL = "aresample=async=1:min_hard_comp=0.02"  # silence where time stamps jump
EXACT = 1e-9  # a ratio this near is the ratio


def sound_filter(
    delay_ms: float,
    stretch: float,
    rate: int,
    picture_start_seconds: float = 0.0,
    keep_pitch: bool = False,
) -> str:
    """A filter chain that makes sound `stretch` times as long, then delays it.

    What comes out starts with the picture, with silence in front or cut to it, so that players
    that ignore start times and edit lists show it right, too. `rate` in Hz, in and out.
    """
    first = round(picture_start_seconds * rate)
    shifted = f"asetpts=PTS+({delay_ms / 1000:.6f})/TB,{FILL}:first_pts={first}"
    if stretch == 1.0:
        return shifted
    # Times count from the start of the container: fill up to there before anything is stretched.
    return f"{FILL}:first_pts=0,{_stretched(stretch, rate, keep_pitch)},{shifted}"


def _stretched(stretch: float, rate: int, keep_pitch: bool) -> str:
    if keep_pitch:
        return f"atempo={1 / stretch:.9f}"
    given, taken = rate_pair(1 / stretch, rate)
    before = "" if given == rate else f"aresample={given},"
    return f"{before}asetrate={taken},aresample={rate}"


def rate_pair(ratio: float, rate: int) -> tuple[int, int]:
    """Two sample rates, neither much below `rate`, whose quotient taken / given is the ratio.

    Whole rates near 48 kHz alone would miss a ratio by up to 10 ppm, 37 ms an hour.
    """
    given = np.arange(rate, max(HIGHEST_RATE, 2 * rate))
    taken = np.rint(given * ratio)
    error = np.abs(taken / given / ratio - 1)
    exact = np.flatnonzero(error < EXACT)
    best = int(exact[0]) if len(exact) else int(np.argmin(error))
    return int(given[best]), int(taken[best])
