"""Completion in real shells, and manual pages."""

import os
import re
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "docs" / "hooks"))

from manual import write
from program import commands

OPTIONS = "avsync detect --max"
FILES = "avsync detect take"
NAMES = "avsync we"
# What each shell is asked, and what must be among its answers.
ASKED = {
    OPTIONS: {"--max-offset", "--max-abs-offset"},
    NAMES: {"weights"},
    FILES: {"take one.mp4", "take two.mp4"},
}
BASH = """
shopt -s progcomp; source completion
line=$1; read -ra COMP_WORDS <<<"$line"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
complete -p avsync | grep -q 'default' && files=1
$(complete -p avsync | sed 's/.*-F \\([^ ]*\\).*/\\1/') avsync "${COMP_WORDS[COMP_CWORD]}" detect
printf '%s\\n' "${COMPREPLY[@]}"
if [[ ${#COMPREPLY[@]} == 0 && -n $files ]]; then compgen -f -- "${COMP_WORDS[COMP_CWORD]}"; fi
"""
# zsh completes at a prompt only, so one is opened in a terminal of its own. What is typed before
# its prompt is there would be lost.
ZSH = (
    "PS1=is-\\ready; unsetopt beep zle_bracketed_paste; autoload -Uz compinit; compinit -u -D;"
    "source ./completion; LISTMAX=0\n"
)
FISH = "source completion; complete --do-complete $argv[1]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With two videos and the command."""
    for name in ("take one.mp4", "take two.mp4"):
        (tmp_path / name).touch()
    program = tmp_path / "bin" / "avsync"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m avsync "$@"\n')
    program.chmod(0o755)
    return tmp_path


def _environment(folder: Path) -> dict[str, str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    kept = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY), "HOME": str(folder)}
    return {**kept, "TERM": "dumb", "COLUMNS": "300"}


def _printed(folder: Path, *argv: str) -> str:
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        timeout=60,
        env=_environment(folder),
    )
    return done.stdout


def _at_a_prompt(folder: Path, line: str, wanted: set[str]) -> str:
    """What zsh lists at Ctrl-D behind a line."""
    terminal, inner = os.openpty()
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        cwd=folder,
        env=_environment(folder),
        start_new_session=True,
    )
    try:
        os.write(terminal, ZSH.encode())
        _read(terminal, {"is-ready"})
        os.write(terminal, f"{line}\x04".encode())
        return _read(terminal, wanted)
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
        os.close(inner)


def _read(terminal: int, wanted: set[str], seconds: float = 30.0) -> str:
    """What a terminal shows until all that is wanted was seen, or nothing came for so long."""
    seen = ""
    while not all(word in seen.replace("\\ ", " ") for word in wanted):
        if not select.select([terminal], [], [], seconds)[0]:
            break
        seen += os.read(terminal, 4096).decode(errors="replace")
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("line", ASKED)
def test_the_shell_completes(shell: str, line: str, folder: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not here")
    show = f"_AVSYNC_COMPLETE=source_{shell} avsync"
    script = _printed(folder, "bash", "-c", show)
    assert "avsync" in script
    (folder / "completion").write_text(script)
    if shell == "zsh":
        answer = _at_a_prompt(folder, line, ASKED[line])
    elif shell == "bash":
        answer = _printed(folder, "bash", "--norc", "-c", BASH, "bash", line)
    else:
        answer = _printed(folder, "fish", "--no-config", "-c", FISH, line)
    for name in ASKED[line]:
        assert name in answer.replace("\\ ", " "), answer


def test_every_command_and_option_is_in_the_manual(tmp_path: Path) -> None:
    pages = {path.stem: path.read_text(encoding="utf-8") for path in write(tmp_path)}
    main = pages["avsync"].replace("\\-", "-")
    for command in commands():
        assert f"avsync {command.name}\n" in main
        page = pages[f"avsync-{command.slug}"].replace("\\-", "-")
        entries = " ".join(re.findall(r"^\.B (.*)$", page, re.MULTILINE))
        assert set(command.flags) <= set(re.findall(r"(?<![\w-])--?[\w-]+", entries))
    assert "AVSYNC_FFMPEG" in main and "EXIT STATUS" in main


def test_roff_complains_of_nothing(tmp_path: Path) -> None:
    if not shutil.which("man") or not shutil.which("groff"):
        pytest.skip("man or groff is not here")
    for page in write(tmp_path):
        argv = ["man", "--warnings", "--local-file", str(page)]
        environment = {**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(argv, capture_output=True, text=True, env=environment, timeout=60)
        assert done.returncode == 0 and done.stderr == "", page
        assert "OPTIONS" in done.stdout
