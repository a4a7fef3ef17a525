"""How long jobs tell how far they are."""

from collections.abc import Callable

Progress = Callable[[str, float, float | None], None]  # (what, done, total or None if unknown)


def silent(what: str, done: float, total: float | None) -> None:
    """The progress callable of those who do not want any."""
