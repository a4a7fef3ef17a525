"""The documents' own examples: what they say is typed, and what they say is printed.

A block marked `console` holds commands behind `$ ` and what they print below; all blocks of a
page are run one after another in one folder. A block marked `sh` is for other machines or data: it
is not run, but its commands must be such as there are. `python` is run, too.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
DEMO = REPOSITORY / "docs" / "talking.mp4"
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NOWHERE = "http://127.0.0.1:9"
# These change the machine, and are not run.
INSTALLS = ("python3 -m venv ", "pip ", "pipx ", "uv ", "apt ", "docker ")


@dataclass(frozen=True, slots=True)
class Step:
    """A command with what it prints."""

    command: str
    printed: str


def blocks(text: str, kind: str) -> list[str]:
    """What stands in blocks of a kind, less the indentation."""
    found = [(match[1], match[3]) for match in BLOCK.finditer(text) if match[2] == kind]
    return [re.sub(f"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def steps(block: str) -> Iterator[Step]:
    """The commands of a console block; lines behind `> ` continue one."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *rest = part.rstrip("\n").split("\n")
        while rest and rest[0].startswith("> "):
            command += "\n" + rest.pop(0)[2:]
        yield Step(command, "\n".join(rest))


def is_run(command: str) -> bool:
    """Whether a command is tried: all but those that install something."""
    return not command.startswith(INSTALLS)


def furnish(folder: Path) -> None:
    """What the guides' examples find in their folder: videos, and an environment to activate."""
    names = ("talk.mp4", "docs/talking.mp4", "rushes/monday.mp4", "rushes/tuesday.mp4")
    names += ("generated/anna.mp4", "generated/ben.mp4", "real/anna.mp4", "real/ben.mp4")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(DEMO, folder / name)
    activate = folder / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()


def run(command: str, folder: Path, *, last: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command as it is typed, without a network; stdout and stderr as a terminal shows them.

    `last` is what `$?` has of the command before.
    """
    scripts = folder / ".scripts"
    if not scripts.exists():
        scripts.mkdir()
        for name, module in (("avsync", "-m avsync"), ("python", "")):
            (scripts / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
            (scripts / name).chmod(0o755)
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "http_proxy": NOWHERE, "https_proxy": NOWHERE}
    environment |= {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"}
    return subprocess.run(
        ["bash", "-c", f"(exit {last}); {command}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=folder,
        env=environment,
        timeout=600,
    )
