"""Make docs/talking.mp4, the clip of the README's example: sound that is 120 ms late."""

from pathlib import Path

from talking_face import AAC, write_talking_face

DEMO = Path(__file__).parent.parent / "docs" / "talking.mp4"


def main() -> None:
    """Write the clip: 8 s, 640x360, 25 fps, under 400 KB."""
    DEMO.parent.mkdir(exist_ok=True)
    options = (*AAC, "-b:a", "64k", "-crf", "23", "-movflags", "+faststart")
    write_talking_face(DEMO, seconds=8.0, sound_early_ms=-120, options=options)


if __name__ == "__main__":
    main()
