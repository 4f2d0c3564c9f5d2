"""axe finds nothing on any page, in neither theme, neither narrow nor wide."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.page.test_editor import offer_changes
from tests.support.accessibility import violations
from tests.support.browser import window
from tests.support.page_films import PageFilm
from tests.support.served import Served

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect

LOOKS = [
    ("light", 1440),
    ("dark", 360),
    *(
        pytest.param(theme, width, marks=pytest.mark.slow)
        for theme, width in [("light", 360), ("dark", 1440), ("light", 2560), ("dark", 2560)]
    ),
]


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_films(browser: Any, server: Served, talk: PageFilm, theme: str, width: int) -> None:
    look = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    with window(browser, server.url, **look) as page:
        page.goto(f"{server.url}/")
        expect(page.locator("li.film").first).to_be_visible()
        assert violations(page) == []
        page.get_by_label("Download").first.click()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Folders of the server").click()
        page.locator("#folder-list button").last.click()
        expect(page.locator("#folder-list input").first).to_be_visible()
        assert violations(page) == []


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_editor(browser: Any, server: Served, talk: PageFilm, theme: str, width: int) -> None:
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
            assert violations(page) == [], keys
        page.keyboard.press("Escape")
        page.locator("#do-versions").click()
        expect(page.locator("#versions-list li").first).to_be_visible()
        assert violations(page) == []


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_choices(browser: Any, server: Served, talk: PageFilm, theme: str, width: int) -> None:
    look = {"color_scheme": theme, "viewport": {"width": width, "height": 900}}
    with window(browser, server.url, **look) as page:
        assert offer_changes(page, talk).locator("del").count() == 1
        assert violations(page) == []
        page.get_by_role("button", name="Change nothing").click()
        page.keyboard.press("F2")
        expect(page.locator("#saved")).to_have_text("Saved")
        assert talk.put(talk.cues, talk.get("document").json()["version"]).status_code == 200
        page.locator("#cue-text").fill("Changed here, too")
        expect(page.get_by_role("dialog")).to_contain_text("another window")
        assert violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sign_in(browser: Any, server: Served, theme: str) -> None:
    with window(browser, server.url, color_scheme=theme) as page:
        page.goto(f"{server.url}/sign-in")
        assert violations(page) == []
