"""The documentation site builds without a warning, and every link of it leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import ecgfoundry

ROOT = Path(__file__).resolve().parents[2]


class _Page(HTMLParser):
    """The anchors of a page, where its links lead, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif "src" in values:
            self.loaded.append(values["src"])
        elif tag == "link" and values.get("rel") == "stylesheet":
            self.loaded.append(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("zensical", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("zensical is not installed")
    copy = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "docs", copy / "docs", ignore=shutil.ignore_patterns("reference"))
    shutil.copy(ROOT / "zensical.toml", copy)
    (copy / "src").symlink_to(ROOT / "src")
    environment = os.environ | {"NO_COLOR": "1", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "docs/build_site.py"],
        cwd=copy, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    return copy / "build" / "site"


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    named = set(re.findall(r'= "([\w/-]+\.md)"', text))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    written = {page for page in pages if not page.startswith(("training-logs/", "decisions/"))}
    assert named >= written
    assert {page for page in named if not page.startswith("reference/")} <= written


def _pages(site: Path) -> Iterator[tuple[Path, _Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path, _Page(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_page_is_there_and_every_link_leads_somewhere(site: Path) -> None:
    pages = {path.resolve(): page for path, page in _pages(site)}
    assert len(pages) > 35
    broken: list[str] = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto") or link.startswith("javascript"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            known = pages.get(target)
            anchor = unquote(parts.fragment)
            lost = known is not None and anchor and anchor not in known.anchors
            if not target.exists() or lost:
                broken.append(f"{path.name}: {link}")
    assert broken == []


@pytest.mark.slow
def test_the_notebooks_are_pages_with_what_they_show(site: Path) -> None:
    first = (site / "reference" / "notebook-first-ecg.html").read_text(encoding="utf-8")
    assert "299/374 ms" in first and "heart rate 117/min (limit &gt; 100/min)" in first
    assert first.count('class="ecg-paper"') == 2
    for name in ("own-model", "holter"):
        assert 'class="shown"' in (site / "reference" / f"notebook-{name}.html").read_text()


@pytest.mark.slow
def test_it_loads_nothing_from_elsewhere(site: Path) -> None:
    for path, page in _pages(site):
        foreign = [one for one in page.loaded if urlsplit(one).netloc]
        assert foreign == [], path


@pytest.mark.slow
def test_the_references_know_every_command_and_every_public_name(site: Path) -> None:
    commands = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    for words in ("diagnose", "stream follow", "labs train", "models export", "--publish"):
        assert words in commands
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in set(ecgfoundry.__all__) - {"__version__"}:
        assert f"ecgfoundry.{name}" in text, name
