"""What ffmpeg would be asked to do, for a shell."""

import shlex

from avsync.media import ffmpeg, programs
from avsync.remux.containers import COVER
from avsync.remux.move import Move, steps
from avsync.remux.plan import OUTPUT, cover_arguments


def shell_commands(move: Move, *, force: bool) -> tuple[str, ...]:
    """Commands for a shell; without --force they replace nothing, either."""
    commands = []
    for planned, path, output in steps(move):
        pictures = {f"{COVER}{index}": f"{output}.cover{index}" for index in planned.covers}
        replaced = {OUTPUT: ffmpeg.input_url(output), "-y": "-y" if force else "-n"}
        for index, picture in zip(planned.covers, pictures.values(), strict=True):
            into = {OUTPUT: ffmpeg.input_url(picture)}
            commands.append([into.get(part, part) for part in cover_arguments(path, index)])
        commands.append([(replaced | pictures).get(part, part) for part in planned.arguments])
    program = [programs.ffmpeg_for(ffmpeg.input_url(move.inventory.path)), "-nostdin"]
    return tuple(shlex.join([*program, *arguments]) for arguments in commands)
