"""The site builds strictly, asks nothing of other hosts, and has every page and every name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

import gptasr_subs
from tests.support.accessibility import violations
from tests.support.browser import launched
from tests.support.file_server import serving
from tests.support.pages import REPOSITORY

# What a browser fetches by itself
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)[^>]* src=\"?(https?:[^\" >]+)|url\((https?:[^)]+)"
)


def build(repository: Path, site: Path) -> subprocess.CompletedProcess[str]:
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", site],
        cwd=repository,
        env={**os.environ, "PYTHONPATH": str(repository), "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_builds_and_asks_nothing_of_others(tmp_path: Path) -> None:
    ended = build(REPOSITORY, tmp_path / "site")
    assert ended.returncode == 0, ended.stderr
    pages = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    assert {"index.html", "page.html", "MODEL_CARD.html", "LOG.html"} <= set(pages)
    styles = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.css")]
    assert [found for text in [*pages.values(), *styles] for found in FETCHED.findall(text)] == []
    assert "fonts.g" not in "".join(pages.values())
    headings = re.findall(r'<h\d id="gptasr_subs\.[\w.]*?(\w+)"', pages["reference.html"])
    assert set(gptasr_subs.__all__) <= set(headings)


@pytest.mark.slow
def test_an_unlisted_page_and_a_broken_link_fail_it(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY, tmp_path / "tree", ignore=shutil.ignore_patterns(".*", "tests"))
    (tmp_path / "tree" / "docs" / "new.md").write_text(
        "# New\n\n[gone](gone.md) [x](cli.md#gone)\n"
    )
    ended = build(tmp_path / "tree", tmp_path / "site")
    assert ended.returncode != 0
    assert 'not included in the "nav"' in ended.stderr
    assert "gone.md" in ended.stderr and "#gone" in ended.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The addresses of its pages."""
    folder = tmp_path_factory.mktemp("site")
    assert build(REPOSITORY, folder).returncode == 0
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with serving(handler) as home:
        yield [f"{home}/{page.relative_to(folder).as_posix()}" for page in folder.rglob("*.html")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    with launched() as it:
        yield it


@pytest.mark.slow
@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 360)])
def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(
    site: list[str], browser: Any, theme: str, width: int
) -> None:
    look = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    page = browser.new_page(**look)
    for address in site:
        page.goto(address)
        scheme = page.evaluate("document.body.dataset.mdColorScheme")
        assert scheme == {"light": "default", "dark": "slate"}[theme]
        assert violations(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
    page.close()
