"""What is built, shipped and run elsewhere agrees with what is here."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

yaml = pytest.importorskip("yaml")

CI = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEMPLATES = REPOSITORY / ".github" / "ISSUE_TEMPLATE"
# What both install, less who calls pip how.
HEADLESS = 'opencv-python-headless==$version"'
PINNED = 'version=$(sed -n "s/^opencv-python==//p" constraints.txt)'


def _pinned(name: str) -> bool:
    constraints = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    return re.search(rf"^{re.escape(name)}==", constraints, re.MULTILINE) is not None


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=]", requirement)[0].lower().replace("_", "-")


def _loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_image_is_made_as_the_checks_are() -> None:
    """It cannot be built by the tests: its steps are those that .ci/run takes on any machine."""
    steps = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    for shared in (PINNED, HEADLESS, "uninstall --quiet --yes opencv-python", "-c constraints.txt"):
        assert shared in steps and shared in CI, shared
    assert "apt-get -qq install --no-install-recommends ffmpeg" in steps and (
        "apt-get -qq install --no-install-recommends ffmpeg" in CI
    )
    assert _pinned("torch"), "the image takes torch's version from constraints.txt"
    base = re.search(r"^FROM python:(\d+\.\d+)-", steps, re.MULTILINE)
    assert base and f"python{base[1]}" in CI
    assert re.search(r"^COPY \. \.$", steps, re.MULTILINE)
    for ignored in (REPOSITORY / ".dockerignore").read_text().split():
        assert ignored not in ("avsync", "weights", "docs", "constraints.txt", "README.md")


def test_the_workflow_runs_the_checks_on_what_they_know() -> None:
    job = _loaded(REPOSITORY / ".github" / "workflows" / "checks.yml")["jobs"]["checks"]
    assert {"run": "bash .ci/run"} in job["steps"]
    versions = job["strategy"]["matrix"]["python"]
    (names,) = re.findall(r"^for name in (.*); do$", CI, re.MULTILINE)
    assert {f"python{version}" for version in versions} <= set(names.split())
    assert f">={versions[0]}" == PROJECT["requires-python"]


def test_issues_ask_for_what_is_needed() -> None:
    forms = [path for path in TEMPLATES.glob("*.yml") if path.name != "config.yml"]
    assert len(forms) >= 2
    for form in forms:
        asked = {part["id"]: str(part) for part in _loaded(form)["body"]}
        assert "avsync doctor" in asked["doctor"]
        assert "--json" in "".join(asked.values())


def test_hooks_before_a_commit_are_checks_of_ci() -> None:
    (local,) = _loaded(REPOSITORY / ".pre-commit-config.yaml")["repos"]
    for hook in local["hooks"]:
        assert re.search(rf"^{re.escape(hook['entry'])}$", CI, re.MULTILINE), hook


def test_whatever_is_tested_is_pinned() -> None:
    named = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    named += PROJECT["optional-dependencies"]["docs"]
    assert [name for name in map(_name, named) if not _pinned(name)] == []


def test_the_citation_is_readable() -> None:
    citation = _loaded(REPOSITORY / "CITATION.cff")
    assert citation["title"] == PROJECT["name"] and citation["license"] == PROJECT["license"]
    assert citation["preferred-citation"]["year"] == 2019
