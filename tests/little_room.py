"""An ffmpeg that cannot write much, as on a full disk."""

import shlex
from pathlib import Path


def with_little_room(ffmpeg: str, folder: Path, kilobytes: int) -> Path:
    """A program that runs ffmpeg, which gets an error where a file becomes larger than that."""
    program = folder / "ffmpeg-with-little-room"
    program.write_text(
        f"#!/bin/sh\ntrap '' XFSZ\nulimit -f {2 * kilobytes}\n"  # blocks of 512 bytes
        f'exec {shlex.quote(ffmpeg)} "$@"\n'
    )
    program.chmod(0o755)
    return program
