"""Single pictures of a file, from where they cost little."""

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from avsync.errors import MediaError
from avsync.media import ffmpeg
from avsync.media.decode import decoded_size
from avsync.media.probe import MediaInfo


def read_still(info: MediaInfo, seconds: float, max_side: int) -> NDArray[np.uint8] | None:
    """A picture near some time after time zero, (height, width, 3) BGR; None: there is none.

    It is the one from which decoding can begin, so that it costs little wherever it lies.
    """
    video = info.require_video()
    width, height = decoded_size(video, max_side)
    # Decoding key frames alone is quicker, but of the last of them some decoders say nothing.
    for only_keys in ({"skip_frame": "nokey"}, {}):
        place = {"ss": f"{seconds:.3f}", "noaccurate_seek": None, "threads": 1, **only_keys}
        stream = (
            ffmpeg.builder()
            .input(ffmpeg.INPUT, **place)[str(video.index)]
            .filter("setpts", "N")  # what is stamped before the place would be dropped
            .filter("scale", width, height, flags="area" if width < video.width else "bilinear")
            .output("pipe:", format="rawvideo", pix_fmt="bgr24", **{"frames:v": 1})
        )
        with suppress(MediaError):
            for chunk in ffmpeg.read_chunks(stream, width * height * 3, info.path):
                if len(chunk) == width * height * 3:
                    return np.frombuffer(chunk, np.uint8).reshape(height, width, 3)
    return None
