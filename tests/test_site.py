"""The site: it builds, its links hold, it asks nobody for anything, and all is in it."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import typer.main
from browser import browser, complaints, show
from conftest import REPOSITORY

import avsync
from avsync.cli import app
from avsync.remux.report import FixReport
from avsync.report import SyncReport
from avsync.schema import schema_of

pytestmark = pytest.mark.slow
LOADED = {"script": "src", "img": "src", "link": "href", "source": "src", "iframe": "src"}
WIDTHS = (1280, 390)


class Links(HTMLParser):
    """What a page links to, what it loads, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        if tag == "a" and (there := given.get("href")):
            self.links.append(there)
        if (where := given.get(LOADED.get(tag, ""))) and given.get("rel") != "canonical":
            self.loads.append(where)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the checks do."""
    if importlib.util.find_spec("material") is None:
        pytest.skip("mkdocs-material is not here: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"},
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    """All pages of the site, read."""
    found = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(found) > 40
    return found


def _broken(site: Path, pages: dict[Path, Links]) -> Iterator[str]:
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            # Whoever is shown a page that is not there may be anywhere: its links are absolute.
            base = site if parts.path.startswith("/") else path.parent
            there = base / unquote(parts.path).lstrip("/") if parts.path else path
            there = there.resolve()
            there = there / "index.html" if there.is_dir() else there
            if not there.exists():
                yield f"{path.relative_to(site)}: {link}"
            elif parts.fragment and unquote(parts.fragment) not in pages[there].anchors:
                yield f"{path.relative_to(site)}: {link} (no such place)"


def test_links_and_anchors_hold(site: Path, pages: dict[Path, Links]) -> None:
    assert list(_broken(site, pages)) == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    """No script, style, font or picture of another host, in pages or in styles."""
    for path, page in pages.items():
        foreign = [link for link in page.loads if urlsplit(link).netloc]
        assert foreign == [], path
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", style.read_text(encoding="utf-8"))


def test_every_option_has_an_entry(site: Path) -> None:
    def leaves(group: object, *names: str) -> Iterator[tuple[str, list[str]]]:
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            if hasattr(command, "commands"):
                yield from leaves(command, *names, name)
            else:
                options = [p for p in command.params if p.param_type_name == "option"]
                flags = [f for p in options for f in (*p.opts, *p.secondary_opts)]
                yield "-".join((*names, name)), flags

    for slug, flags in leaves(typer.main.get_command(app)):
        text = (site / "reference" / "commands" / f"{slug}.html").read_text(encoding="utf-8")
        entries = " ".join(re.findall(r"<td><code>(.*?)</code></td>", text))
        told = set(re.findall(r"(?<![\w-])--?[\w-]+", entries))
        assert set(flags) <= told, slug


def test_every_public_name_has_an_entry(site: Path, pages: dict[Path, Links]) -> None:
    anchors = pages[site / "reference" / "api.html"].anchors
    assert {f"avsync.{name}" for name in avsync.__all__} <= anchors


def test_every_field_of_the_reports_has_an_entry(site: Path) -> None:
    text = (site / "reference" / "report.html").read_text(encoding="utf-8")
    for report in (SyncReport, FixReport):
        schema = schema_of(report)
        for part in (schema, *schema["$defs"].values()):
            for name in part["properties"]:
                assert f"<td><code>{name}</code></td>" in text


def test_every_document_is_in_the_navigation(site: Path, pages: dict[Path, Links]) -> None:
    """Also those that mkdocs.yml does not name."""
    start = pages[site / "index.html"]
    there = {urlsplit(link).path for link in start.links}
    for document in (REPOSITORY / "docs").rglob("*.md"):
        page = document.relative_to(REPOSITORY / "docs").with_suffix(".html").as_posix()
        assert page in there, page


def test_pages_fit_and_complain_of_nothing(site: Path, pages: dict[Path, Links]) -> None:
    """At the width of a desk and of a pocket, light and dark, without a network."""
    with browser() as driver:
        for path in sorted(set(pages) - {site / "404.html"}):  # whose links are a server's
            for width in WIDTHS:
                show(driver, path, width, dark=width < 500)
                wide = driver.execute_script("return document.documentElement.scrollWidth")
                assert wide <= width, (path.name, width)
        assert complaints(driver) == []
