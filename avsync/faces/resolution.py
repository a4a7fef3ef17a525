"""How large pictures must be decoded: no larger than the crops of the faces in them call for.

Large pictures cost most of the time that a file takes. A look at a few of them, spread over the
file, tells how large its faces are; they are then decoded so small that the crops of those faces
are still cut from at least as many pixels as they have.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from avsync.faces.crops import CropGeometry
from avsync.faces.detectors import FaceDetector
from avsync.faces.tracking import SMALL_SIDE, find_faces
from avsync.media.decode import MAX_SIDE
from avsync.media.recording import Recording

SECONDS_PER_STILL = 15
FEWEST_STILLS, MOST_STILLS = 3, 9
SIDE_MULTIPLE = 64  # pixels; sizes between make no difference
SMALLEST_SHARE = 0.5  # of the largest face; what is smaller is taken for background


def side_needed(recording: Recording, detector: FaceDetector, geometry: CropGeometry) -> int:
    """Larger side in pixels at which pictures must be had; 1280 where that cannot be told.

    Parameters
    ----------
    recording : Recording
        A few stills of which are looked at.
    detector : FaceDetector
        Finds faces in them.
    geometry : CropGeometry
        Of the crops of those faces.
    """
    side = min(MAX_SIDE, max(recording.size))
    if side <= SMALL_SIDE or not recording.duration_seconds:
        return MAX_SIDE
    smallest = min(_faces(recording, detector, recording.duration_seconds), default=None)
    if smallest is None:
        return MAX_SIDE
    needed = geometry.pixels / geometry.side / smallest  # larger sides of a picture's
    return min(MAX_SIDE, max(SMALL_SIDE, SIDE_MULTIPLE * round(needed / SIDE_MULTIPLE + 0.5)))


def _faces(recording: Recording, detector: FaceDetector, seconds: float) -> Iterator[float]:
    """Larger sides of the faces in some stills, in larger sides of the picture."""
    count = min(MOST_STILLS, max(FEWEST_STILLS, round(seconds / SECONDS_PER_STILL)))
    places = [seconds * (k + 0.5) / count for k in range(count)]
    with ThreadPoolExecutor(FEWEST_STILLS, "still") as pool:
        stills = list(pool.map(lambda place: recording.still(place, SMALL_SIDE), places))
    for picture in stills:
        if picture is None:
            continue
        sides = [max(box.width, box.height) for box in find_faces(picture, detector, SMALL_SIDE)]
        large = [side for side in sides if side >= SMALLEST_SHARE * max(sides)]
        yield from (side / max(picture.shape[:2]) for side in large)
