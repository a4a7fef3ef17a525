"""Pages of the site that are made from the program, and files of the repository shown as pages.

Called by mkdocs (see `hooks` in mkdocs.yml). What can be asked of the program is not typed again:

* a line `[program: NAME]` becomes the usage, arguments and options of that command;
* a line `[schema: NAME]` becomes the fields of that report, from its JSON schema;
* `[suffixes]` becomes those by which videos are found, `[groups]` the accuracy by group of the
  weights' card;
* `reference/api.md` has an entry for each name that `avsync` exports.
"""

import importlib
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from program import Rows, commands, main_options  # noqa: E402

import avsync  # noqa: E402
from avsync.media.search import MEDIA_NAME  # noqa: E402
from avsync.metrics import LipSyncError  # noqa: E402
from avsync.remux.report import FixReport  # noqa: E402
from avsync.report import SyncReport  # noqa: E402
from avsync.schema import schema_of  # noqa: E402

# Files of the repository, by the page that shows them.
SHOWN = {
    "index.md": "README.md",
    "limits/weights.md": "weights/README.md",
    "measurements/benchmarks.md": "benchmarks/README.md",
    "project/changelog.md": "CHANGELOG.md",
    "project/contributing.md": "CONTRIBUTING.md",
}
LINK = re.compile(r"(?<=\])\((?!\w+:|#)([^)#\s]+)")
DIRECTIVE = re.compile(r"^\[(program|schema): ([\w -]+)\]$", re.MULTILINE)
REPORTS = {"SyncReport": SyncReport, "FixReport": FixReport}
MORE = "More"  # the part of the navigation for pages that it does not name


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """A page of docs/ that the navigation does not name is put at the end of it."""
    named = set(re.findall(r"[\w/-]+\.md", str(config.nav)))
    folder = Path(config.docs_dir)
    left = [p.relative_to(folder).as_posix() for p in sorted(folder.rglob("*.md"))]
    left = [name for name in left if name not in named and not name.startswith("hooks/")]
    if left and config.nav is not None:
        config.nav.append({MORE: left})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made here."""
    made = {name: _shown(name, source) for name, source in SHOWN.items()}
    made["reference/api.md"] = _api()
    for name, text in made.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what the program says of itself."""
    made = {"program": _program, "schema": _schema}
    markdown = DIRECTIVE.sub(lambda found: made[found[1]](found[2]), markdown)
    return markdown.replace("[suffixes]", _suffixes()).replace("[groups]", _groups())


def _suffixes() -> str:
    names = re.findall(r"[\w?]+", MEDIA_NAME.pattern.removeprefix("\\."))
    return " ".join(f"`.{name.replace('e?', '(e)')}`" for name in names)


def _groups() -> str:
    """The table by group in the weights' card."""
    card = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    table = re.search(r"^\| whole clips \|.*?\n\n", card, re.MULTILINE | re.DOTALL)
    assert table
    return table[0].strip()


def _shown(page: str, source: str) -> str:
    """A file of the repository, with links that hold on the site."""
    text = (ROOT / source).read_text(encoding="utf-8")
    pages = {there: here for here, there in SHOWN.items()}

    def on_the_site(link: re.Match[str]) -> str:
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        here = pages.get(there, there.removeprefix("docs/"))
        return "(" + posixpath.relpath(here, posixpath.dirname(page) or ".")

    return LINK.sub(on_the_site, text)


def _program(name: str) -> str:
    if name == "avsync":
        rows = tuple(
            (f"avsync {c.name}", f"[{c.summary}](commands/{c.slug}.md)") for c in commands()
        )
        return f"{_table('Command', rows)}\n\n{_table('Option', main_options())}"
    command = next(command for command in commands() if command.name == name)
    parts = [f"    {command.usage}"]
    parts += [_table("Argument", command.arguments)] if command.arguments else []
    return "\n\n".join((*parts, _table("Option", command.options)))


def _table(heading: str, rows: Rows) -> str:
    lines = (f"| `{name}` | {said.replace('|', chr(92) + '|')} |" for name, said in rows)
    return "\n".join((f"| {heading} | |", "|---|---|", *lines))


def _schema(name: str) -> str:
    """Fields of a report, and of what it holds."""
    schema = schema_of(REPORTS[name])
    parts = [_fields(schema)]
    for part, inner in sorted(schema["$defs"].items()):
        said = inner.get("description", "")
        parts.append(
            f"### {part} {{ #{name.lower()}-{part.lower()} }}\n\n{said}\n\n{_fields(inner)}"
        )
    return "\n\n".join(parts).replace("#/$defs/", f"#{name.lower()}-")


def _fields(schema: dict[str, Any]) -> str:
    rows = [
        f"| `{name}` | {_type(field)} | {field.get('description', '')} |"
        for name, field in schema["properties"].items()
    ]
    return "\n".join(("| field | type | |", "|---|---|---|", *rows))


def _type(field: dict[str, Any]) -> str:
    """A JSON schema's type in a word or two."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#/$defs/{name.lower()})"
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = field.get("type", "")
    if kind == "array" and "items" in field and field["items"]:
        return f"list of {_type(field['items'])}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _api() -> str:
    """An entry for each public name, by the docstring of what it stands for."""
    parts = [
        "# Python\n\nWhat `import avsync` gives, and the metric of `avsync.metrics`. Arrays are "
        "NumPy's; importing avsync changes nothing of the process that does.\n"
    ]
    for name in avsync.__all__:
        if name != "__version__":
            parts.append(_entry(f"avsync.{name}", getattr(avsync, name)))
    parts.append("## Version\n\n::: avsync.__version__\n    options: {show_root_heading: true}\n")
    parts.append(_entry("avsync.metrics.LipSyncError", LipSyncError))
    collector = importlib.import_module("avsync.pipeline.details").Collector
    parts.append(_entry("avsync.pipeline.details.Collector", collector))
    return "\n".join(parts)


def _entry(name: str, value: Any) -> str:
    anchor = f"## `{name}` {{ #{name} }}\n\n" if name != _where(value) else f"## `{name}`\n\n"
    return f"{anchor}::: {_where(value)}\n"


def _where(value: Any) -> str:
    return f"{value.__module__}.{value.__qualname__}"
