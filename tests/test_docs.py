"""What the documents show is what the program does; they tell of no option that is not there."""

import contextlib
import io
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import typer.main
from conftest import REPOSITORY
from console import Step, blocks, furnish, is_run, run, steps

import avsync
from avsync.cli import app

README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").rglob("*.md"))]
TYPED = [page for page in PAGES if blocks(page.read_text(), "console")]
SCRIPTED = [page for page in PAGES if blocks(page.read_text(), "python")]
FIGURE = re.compile(r"\d+(?:\.\d+)?")
SPACE = re.compile(r"  +")
GROUP = typer.main.get_command(app)
MOST_LINES = 150  # of the README
OTHERS = {"--nproc-per-node", "--index-url", "--rm", "--strict", "--head", "--port", "--address"}
OTHERS |= {"--python", "--without-pip"}
OTHERS |= {"--torch-backend", "--audio-delay", "--audio-desync", "--sync", "--no-deps"}
OTHERS |= {
    "--rival",
    "--score",
    "--limits",
    "--scenes",
    "--choose",
    "--page",
    "--name",
    "--least-seconds",
    "--o",
    "--from",
    "--write",
}


def _name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.slow
@pytest.mark.parametrize("page", TYPED, ids=_name)
def test_commands_print_what_the_page_shows(page: Path, tmp_path: Path) -> None:
    """Word by word; figures may differ from processor to processor by what they are rounded to."""
    found = [step for block in blocks(page.read_text(), "console") for step in steps(block)]
    for program in ("jq",):
        if any(program in step.command for step in found) and not shutil.which(program):
            pytest.skip(f"{program} is not here")
    furnish(tmp_path)
    last = 0
    for step in filter(lambda step: is_run(step.command), found):
        done = run(step.command, tmp_path, last=last)
        last = done.returncode
        assert last in (0, 3, 4), done.stdout
        _compare(step, done.stdout.rstrip("\n"))


def _compare(step: Step, printed: str) -> None:
    ours, theirs = (SPACE.sub("  ", text) for text in (printed, step.printed))
    assert FIGURE.sub("#", ours) == FIGURE.sub("#", theirs), step.command
    for one, other in zip(FIGURE.findall(ours), FIGURE.findall(theirs), strict=True):
        assert float(one) == pytest.approx(float(other), abs=1 if "." not in other else 0.6)


@pytest.mark.slow
@pytest.mark.parametrize("page", SCRIPTED, ids=_name)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "guide"}
    script = "\n".join(blocks(page.read_text(), "python"))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(script, str(page), "exec"), names)
    assert printed.getvalue().count("\n") >= script.count("print(")


def _typed() -> list[tuple[str, list[str]]]:
    """Every command line of avsync in the documents, with the page it is on."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        said = [step.command for block in blocks(text, "console") for step in steps(block)]
        said += [line for block in blocks(text, "sh") for line in block.splitlines()]
        said += re.findall(r"^    (avsync .*)$", text, re.MULTILINE)
        for line in said:
            for part in re.split(r"[|;]|&&", line.split("  #")[0]):
                words = part.split()
                if words[:1] == ["avsync"]:
                    with contextlib.suppress(ValueError):  # a quote that holds a pipe
                        found.append((f"{_name(page)}: {part}", shlex.split(part, comments=True)))
    return found


@pytest.mark.parametrize(("line", "words"), _typed(), ids=lambda value: str(value)[:70])
def test_command_lines_are_such_as_there_are(line: str, words: list[str]) -> None:
    """Each option belongs to the command that it is shown with."""
    command, rest = GROUP, words[1:]
    while hasattr(command, "commands") and rest and rest[0] in command.commands:
        command, rest = command.commands[rest[0]], rest[1:]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    known |= {"--install-completion", "--version"} if command is GROUP else set()
    assert {word.split("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_option_is_invented(page: Path) -> None:
    commands = [*GROUP.commands.values()]  # type: ignore[attr-defined]
    commands += [c for group in commands for c in getattr(group, "commands", {}).values()]
    known = {o for c in commands for p in c.params for o in (*p.opts, *p.secondary_opts)}
    known |= {"--version", "--install-completion", "--help", *OTHERS}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8"))) <= known


def test_the_readme_is_short_and_names_every_command() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES
    for name, command in GROUP.commands.items():  # type: ignore[attr-defined]
        assert f"`avsync {name}`" in text
        for inner in getattr(command, "commands", ()):
            assert f"`{inner}`" in text


def test_the_readmes_checks_are_those_of_ci() -> None:
    """Who follows the README tests as the continuous integration does."""
    (line,) = (x for x in README.read_text().splitlines() if x.startswith("$ pip") and "dev]" in x)
    install, test = line.removeprefix("$ ").split(" && ")
    pip, _, what = install.partition(" install ")
    script = (REPOSITORY / ".ci" / "run").read_text().replace('"', "'")
    assert f"-m {pip})" in script and f"install --quiet {what}" in script
    assert re.search(rf"^(?:AVSYNC_TEST_FFMPEGS=\S+ )?{test}$", script, re.MULTILINE)


def test_the_map_is_the_folder() -> None:
    page = REPOSITORY / "docs" / "how" / "index.md"
    listed = set(re.findall(r"^      (\w+(?:\.py|/)) ", page.read_text(), re.MULTILINE))
    here = [path for path in (REPOSITORY / "avsync").iterdir() if not path.name.startswith("__")]
    modules = {path.name for path in here if path.suffix == ".py"}
    folders = {f"{path.name}/" for path in here if (path / "__init__.py").is_file()}
    assert listed == modules | folders


def test_public_names_are_those_of_all() -> None:
    assert avsync.__all__ == sorted(avsync.__all__)
    for name in avsync.__all__:
        assert getattr(avsync, name) is not None


def test_the_version_is_the_packages() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == avsync.__version__
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {avsync.__version__}\n" in citation


def test_environment_variables_are_told() -> None:
    """Those that avsync asks for, and no others of its own."""
    sources = "".join(path.read_text() for path in (REPOSITORY / "avsync").rglob("*.py"))
    asked = set(re.findall(r'environ(?:\.get\(|\.setdefault\(|\[)"(\w+)"', sources))
    page = (REPOSITORY / "docs" / "reference" / "environment.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`(\w+)`", page))
    assert {name for name in asked if name.startswith("AVSYNC")} <= told
    assert {"TORCH_HOME", "TMPDIR"} <= asked & told
    tests = "".join(path.read_text() for path in (REPOSITORY / "tests").glob("*.py"))
    assert all(name in sources + tests for name in told if name.startswith("AVSYNC"))
