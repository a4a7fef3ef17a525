"""The manual pages of avsync, from the program and the site's own tables.

    python docs/hooks/manual.py build/man

writes avsync.1 and one page for each command; the wheel's build does the same.
"""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from program import Command, Rows, commands, main_options

from avsync import __version__

REFERENCE = Path(__file__).parent.parent / "reference"
ROW = re.compile(r"^\| (\S.*?) \| (.*) \|$", re.MULTILINE)
LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def main() -> None:
    """Write all pages into the folder that is named."""
    for path in write(Path(sys.argv[1])):
        print(path)


def write(folder: Path) -> list[Path]:
    """Write all pages; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {"avsync": _main_page(), **{f"avsync-{c.slug}": _page(c) for c in commands()}}
    paths = [folder / f"{name}.1" for name in pages]
    for path, page in zip(paths, pages.values(), strict=True):
        path.write_text(page, encoding="utf-8")
    return paths


def _main_page() -> str:
    listed = tuple((f"avsync {command.name}", command.summary) for command in commands())
    return "".join(
        (
            _head("avsync", "find by how many milliseconds sound and lips are out of step"),
            ".SH SYNOPSIS\n.B avsync\n.I COMMAND\n[OPTIONS] ...\n",
            *(".SH COMMANDS\n", _list(listed)),
            *(".SH OPTIONS\n", _list(main_options())),
            *(".SH EXIT STATUS\n", _list(_table("exit-statuses.md"))),
            *(".SH ENVIRONMENT\n", _list(_table("environment.md"))),
            *(".SH SEE ALSO\n", ", ".join(f"avsync-{c.slug}(1)" for c in commands()), "\n"),
        )
    )


def _page(command: Command) -> str:
    paragraphs = [command.summary, *command.description.split("\n\n")]
    return "".join(
        (
            _head(f"avsync-{command.slug}", command.summary.rstrip(".")),
            f".SH SYNOPSIS\n{_escaped(command.usage)}\n",
            *(".SH DESCRIPTION\n", "\n.PP\n".join(map(_escaped, filter(None, paragraphs))), "\n"),
            *((".SH ARGUMENTS\n", _list(command.arguments)) if command.arguments else ()),
            *(".SH OPTIONS\n", _list(command.options)),
            ".SH SEE ALSO\navsync(1)\n",
        )
    )


def _head(name: str, said: str) -> str:
    title = f'.TH {name.upper()} 1 "" "avsync {__version__}" "User Commands"\n'
    return f"{title}.SH NAME\n{_escaped(name)} \\- {_escaped(said)}\n"


def _list(rows: Rows) -> str:
    return "".join(f".TP\n.B {_escaped(name)}\n{_escaped(said)}\n" for name, said in rows)


def _table(name: str) -> Rows:
    """The first table of a page, less its heading."""
    rows = ROW.findall((REFERENCE / name).read_text(encoding="utf-8"))[1:]
    return tuple((_plain(name), _plain(said)) for name, said in rows)


def _plain(text: str) -> str:
    return LINK.sub(r"\1", text).replace("`", "").replace("*", "")


def _escaped(text: str) -> str:
    """As roff wants it: what begins a line with a dot or a quote is no request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


if __name__ == "__main__":
    main()
