"""Names that an output's encoding cannot spell: escaped, and no line is lost."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from talking_face import write_talking_face

NAMES = ("żółć", "\u03c0 \U0001f399", os.fsdecode(b"caf\xe9"), "plain")
ENCODINGS = ("cp1252", "ascii", "latin-1", "utf-16")


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A clip under a name that few encodings can spell, and files that are not there."""
    folder = tmp_path_factory.mktemp("names")
    paths = [folder / f"{name}.mp4" for name in NAMES]
    write_talking_face(paths[0], seconds=2.4, sound_early_ms=-120.0, size=(416, 234))
    return paths


def _told_in(encoding: str) -> dict[str, Any]:
    """How to run a command whose outputs have an encoding, and to read them."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return {"env": environment, "encoding": encoding, "errors": "strict"}


def _spelt(path: Path, encoding: str) -> str:
    return str(path).encode(encoding, "backslashreplace").decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_file_has_its_line(avsync: Command, names: list[Path], encoding: str) -> None:
    argv = ("detect", *names, "--csv", "--ordered", "--jobs", "1")
    done = avsync(*argv, **_told_in(encoding))
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["path"] for row in rows] == [_spelt(path, encoding) for path in names]
    assert [row["status"] for row in rows] == ["ok", "error", "error", "error"]
    missing = [f"avsync: {_spelt(p, encoding)}: no such file; check the name" for p in names[1:]]
    assert done.stderr.splitlines() == missing and done.returncode == 1


@pytest.mark.parametrize("options", [(), ("--verbose",), ("--json",)])
def test_a_file_alone(avsync: Command, names: list[Path], options: tuple[str, ...]) -> None:
    argv = ("detect", names[0], *options)
    done = avsync(*argv, **_told_in("cp1252"))
    assert done.returncode == 0, done.stderr
    if "--json" in options:
        assert json.loads(done.stdout)["path"] == str(names[0])
    else:
        assert done.stdout.startswith(_spelt(names[0], "cp1252"))
    assert ("status=ok" in done.stderr) == ("--verbose" in options)


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--csv",)])
def test_fixes_are_told(
    avsync: Command, names: list[Path], tmp_path: Path, options: tuple[str, ...]
) -> None:
    output = tmp_path / "żółć.mp4"
    argv = ("fix", names[0], "-o", output, "--offset", "80", "--cropped", *options)
    done = avsync(*argv, **_told_in("ascii"))
    assert done.returncode == 0, done.stderr
    assert _spelt(output, "ascii") in done.stdout and done.stderr == ""
    assert output.exists() == ("--dry-run" not in options)


def test_errors_of_commands_are_told(avsync: Command, names: list[Path], tmp_path: Path) -> None:
    for argv in (
        ("features", names[1], "-o", tmp_path / "a.npz"),
        ("detect", names[0], "--weights", names[1]),
        ("evaluate", names[1]),
    ):
        done = avsync(*argv, **_told_in("cp1252"))
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
        assert _spelt(names[1], "cp1252") in done.stderr


def test_an_error_is_one_line_whatever_the_name(avsync: Command, tmp_path: Path) -> None:
    done = avsync("features", tmp_path / "two\nlines.mp4", "-o", tmp_path / "a.npz")
    assert done.returncode == 1
    assert done.stderr == f"avsync: {tmp_path}/two\\nlines.mp4: no such file; check the name\n"


@pytest.mark.parametrize("name", ["żółć", "a [/b] :smile: [red]c"])
def test_tables_are_told(name: str) -> None:
    """Of a model under such a name, or one that rich would take for a command."""
    code = (
        "import sys\n"
        "from avsync.cli import app\n"
        "from avsync.cli.tables import write_words\n"
        "from avsync.words.evaluate import WordShare, WordsEvaluation\n"
        "try: app(['weights', 'list'])\n"
        "except SystemExit: pass\n"
        "one = WordShare(sys.argv[1], 2, 1)\n"
        "write_words([WordsEvaluation(sys.argv[1], 'test', {}, 1, 2, 0.5, 1.0, (one,), {}, ())])\n"
    )
    argv = [sys.executable, "-c", code, name]
    done = subprocess.run(argv, capture_output=True, **_told_in("ascii"))
    assert done.returncode == 0, done.stderr
    spelt = _spelt(Path(name), "ascii")
    assert f"{spelt}, easiest: {spelt} 1/2" in done.stdout
    assert any(line.startswith("|") and spelt in line for line in done.stdout.splitlines())
