"""axe finds nothing on any page, in neither theme, neither narrow nor wide.

axe is found through NODE_PATH:
``npm install --prefix DIR axe-core; export NODE_PATH=DIR/node_modules``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import window
from tests.support.page_films import PageFilm
from tests.support.served import Served

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_CHECK = """async (rules) => {
  const { violations } = await axe.run(document, { runOnly: rules });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary}`));
}"""
LOOKS = [("light", 1440), ("dark", 360)]


@pytest.fixture(scope="module")
def axe() -> str:
    """The script."""
    for folder in os.environ.get("NODE_PATH", "").split(os.pathsep):
        script = Path(folder, "axe-core", "axe.min.js")
        if folder and script.is_file():
            return script.read_text()
    pytest.skip("needs axe-core of npm in NODE_PATH")


def violations(page: Any, axe: str) -> list[str]:
    """What axe finds on a page as it is now."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(_CHECK, _RULES)
    return found


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_films(
    browser: Any, server: Served, talk: PageFilm, axe: str, theme: str, width: int
) -> None:
    look = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    with window(browser, server.url, **look) as page:
        page.goto(f"{server.url}/")
        expect(page.locator("li.film").first).to_be_visible()
        assert violations(page, axe) == []
        page.get_by_label("Download").first.click()
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Folders of the server").click()
        page.locator("#folder-list button").last.click()
        expect(page.locator("#folder-list input").first).to_be_visible()
        assert violations(page, axe) == []


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_editor(
    browser: Any, server: Served, talk: PageFilm, axe: str, theme: str, width: int
) -> None:
    look = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    with window(browser, server.url, **look) as page:
        page.goto(f"{server.url}/films/{talk.number}")
        page.locator("#cue-text").fill(
            "A line that is far too long for any norm of readable subtitles"
        )
        expect(page.locator("#fault-count")).to_contain_text("fault")
        expect(page.locator("#saved")).to_have_text("Saved")
        for keys in ("", "Control+f", "F1", "F2"):
            if keys:
                page.keyboard.press("Escape")
                page.keyboard.press(keys)
            assert violations(page, axe) == [], keys
        page.keyboard.press("Escape")
        page.locator("#do-versions").click()
        expect(page.locator("#versions-list li").first).to_be_visible()
        assert violations(page, axe) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in(browser: Any, server: Served, axe: str, theme: str) -> None:
    with window(browser, server.url, color_scheme=theme) as page:
        page.goto(f"{server.url}/sign-in")
        assert violations(page, axe) == []
