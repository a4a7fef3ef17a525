"""A face in a picture as one box, whichever detector drew it.

The canonical box is YuNet's: brow to chin, cheek to cheek. Crops are cut by it alone, so that they
mean the same everywhere.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """A face in a picture, in pixels, origin at the top left.

    Attributes
    ----------
    x, y : float
        Of its centre.
    width, height : float
        From edge to edge.

    Examples
    --------
    >>> Box(10, 10, 4, 4).overlap(Box(12, 10, 4, 4))
    0.3333333333333333
    """

    x: float
    y: float
    width: float
    height: float

    def scaled(self, factor: float) -> "Box":
        """The same box in a picture `factor` times as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    def overlap(self, other: "Box") -> float:
        """Intersection over union."""
        x = min(self.x + self.width / 2, other.x + other.width / 2) - max(
            self.x - self.width / 2, other.x - other.width / 2
        )
        y = min(self.y + self.height / 2, other.y + other.height / 2) - max(
            self.y - self.height / 2, other.y - other.height / 2
        )
        shared = max(0.0, x) * max(0.0, y)
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, slots=True)
class BoxCorrection:
    """How a detector's box differs from the canonical one.

    Attributes
    ----------
    width, height : float
        Of its box, in those of the canonical one.
    dx, dy : float
        From the canonical centre to its own, in canonical widths and heights.
    """

    width: float = 1.0
    height: float = 1.0
    dx: float = 0.0
    dy: float = 0.0

    def canonical(self, box: Box) -> Box:
        """The canonical box of a detector's own."""
        width, height = box.width / self.width, box.height / self.height
        return Box(box.x - self.dx * width, box.y - self.dy * height, width, height)
