"""The README tells of every command, option and file there is, and of no other."""

import os
import re
import textwrap

import pytest
import typer.main
from conftest import REPOSITORY, Command

import avsync
from avsync.cli import app

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
FIGURE = re.compile(r"\d+(?:\.\d+)?")
GROUP = typer.main.get_command(app)
COMMANDS = {
    **GROUP.commands,  # type: ignore[attr-defined]
    **GROUP.commands["weights"].commands,  # type: ignore[attr-defined]
    **{f"words {n}": c for n, c in GROUP.commands["words"].commands.items()},  # type: ignore[attr-defined]
}
LONG = (
    "detect",
    "fix",
    "report",
    "preview",
    "prepare",
    "train",
    "evaluate",
    "features",
    "score",
    "words train",
    "words evaluate",
)


def test_the_first_output_is_what_the_program_prints(avsync: Command) -> None:
    """Word by word; figures may differ from processor to processor by what they are rounded to."""
    shown, told = README.split("    avsync detect docs/talking.mp4\n\n")[1].split("\n\n")[:2]
    assert told.startswith("That is all the set-up")
    offline = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    done = avsync("detect", "docs/talking.mp4", cwd=REPOSITORY, env={**os.environ, **offline})
    assert done.returncode == 0 and done.stderr == ""
    printed = textwrap.indent(done.stdout.rstrip("\n"), " " * 4)
    assert FIGURE.sub("#", printed) == FIGURE.sub("#", shown)
    for ours, theirs in zip(FIGURE.findall(printed), FIGURE.findall(shown), strict=True):
        assert float(ours) == pytest.approx(float(theirs), abs=1 if "." not in theirs else 0.1)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained(name: str) -> None:
    assert f"`avsync {name}`" in README or f"`{name}`" in README
    assert COMMANDS[name].help


@pytest.mark.parametrize("name", LONG)
def test_every_option_is_explained(name: str) -> None:
    section = README.split(f"### `avsync {name}`\n")[1].split("\n##")[0]
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert any(f"`{option}" in section for option in parameter.opts), parameter.opts
            assert parameter.help, parameter.opts


def test_no_option_is_invented() -> None:
    known = {option for command in COMMANDS.values() for p in command.params for option in p.opts}
    known |= {o for command in COMMANDS.values() for p in command.params for o in p.secondary_opts}
    known |= {"--version", "--install-completion", "--nproc-per-node"}  # the last: torchrun's
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", README)) <= known


def test_the_map_is_the_folder() -> None:
    listed = set(re.findall(r"^      (\w+(?:\.py|/)) ", README, re.MULTILINE))
    here = [path for path in (REPOSITORY / "avsync").iterdir() if not path.name.startswith("__")]
    modules = {path.name for path in here if path.suffix == ".py"}
    folders = {f"{path.name}/" for path in here if (path / "__init__.py").is_file()}
    assert listed == modules | folders


def test_public_names_are_those_of_all() -> None:
    assert avsync.__all__ == sorted(avsync.__all__)
    for name in avsync.__all__:
        assert getattr(avsync, name) is not None


def test_the_version_is_the_packages() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == avsync.__version__
