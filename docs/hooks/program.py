"""What the program says of itself: its commands and their options, as `--help` has them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
import typer.main

from avsync.cli import app

VALUE = re.compile(r"<(?:list\[)?(\w+)\]?>")

Rows = tuple[tuple[str, str], ...]  # name, meaning


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the program.

    Attributes
    ----------
    name : str
        Less the program's: `detect`, `words train`.
    usage : str
        One line.
    summary : str
        One sentence.
    description : str
        What else its help says, in paragraphs.
    arguments, options : tuple of (str, str)
        Names, with what follows them; meaning, with the default.
    flags : tuple of str
        All spellings of all options.
    """

    name: str
    usage: str
    summary: str
    description: str
    arguments: Rows
    options: Rows
    flags: tuple[str, ...]

    @property
    def slug(self) -> str:
        """The name as a file's."""
        return self.name.replace(" ", "-")


def commands() -> tuple[Command, ...]:
    """All commands that do something, in the order of `avsync --help`."""
    root = typer.main.get_command(app)
    return tuple(_described(name, command) for name, command in _leaves(root))


def main_options() -> Rows:
    """The options of the program itself."""
    root = typer.main.get_command(app)
    return _records(root, "option", typer.Context(root, info_name="avsync"))


def _leaves(group: Any, *before: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(command, *before, name)
        else:
            yield " ".join((*before, name)), command


def _described(name: str, command: Any) -> Command:
    context = typer.Context(command, info_name=f"avsync {name}")
    summary, _, description = (command.help or "").partition("\n\n")
    options = [p for p in command.get_params(context) if p.param_type_name == "option"]
    return Command(
        name,
        command.get_usage(context).removeprefix("Usage: "),
        " ".join(summary.split()),
        description.strip(),
        _records(command, "argument", context),
        _records(command, "option", context),
        tuple(flag for option in options for flag in (*option.opts, *option.secondary_opts)),
    )


def _records(command: Any, kind: str, context: Any) -> Rows:
    """Name and meaning of parameters, those that must be given first."""
    found = [p for p in command.get_params(context) if p.param_type_name == kind]
    found.sort(key=lambda parameter: not parameter.required)
    records = (parameter.get_help_record(context) for parameter in found)
    return tuple((VALUE.sub(_kind, " ".join(name.split())), said.strip()) for name, said in records)


def _kind(value: re.Match[str]) -> str:
    """What follows an option: `TEXT` for `<str>`."""
    return {"str": "TEXT"}.get(value[1], value[1].upper())
