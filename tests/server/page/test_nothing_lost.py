"""Reloads, a server that is killed, and two windows: nothing that was acknowledged is lost."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import window
from tests.support.page_films import PageFilm, begin_film
from tests.support.served import served, start

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect


def edit(page: Any, film: PageFilm) -> Any:
    """Open a film and return its text field."""
    page.goto(f"{film.server.url}/films/{film.number}")
    text = page.locator("#cue-text")
    expect(text).to_have_value("one two three")
    return text


def test_a_reload_in_mid_edit(page: Any, talk: PageFilm) -> None:
    edit(page, talk).fill("Saved at once")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.locator("#cue-text").press_sequentially(", and this is not")
    page.on("dialog", lambda dialog: dialog.accept())  # leave all the same
    page.reload()
    expect(page.locator("#cue-text")).to_have_value("Saved at once, and this is not")
    page.keyboard.press("Control+z")
    expect(page.locator("#cue-text")).to_have_value("Saved at once")


def test_undo_reaches_earlier_visits(page: Any, talk: PageFilm) -> None:
    for text in ("A first visit", "A second visit"):
        page.goto(f"{talk.server.url}/films/{talk.number}")
        page.locator("#cue-text").fill(text)
        page.keyboard.press("Control+s")
        expect(page.locator("#saved")).to_have_text("Saved")
    page.reload()
    expect(page.locator("#cue-text")).to_have_value("A second visit")
    for text in ("A first visit", "one two three"):
        page.keyboard.press("Control+z")
        expect(page.locator("#cue-text")).to_have_value(text)
    page.keyboard.press("Control+y")
    expect(page.locator("#cue-text")).to_have_value("A first visit")


def test_two_windows(browser: Any, page: Any, talk: PageFilm) -> None:
    edit(page, talk)
    with window(browser, talk.server.url) as other:
        edit(other, talk).fill("From the other window")
        other.keyboard.press("Control+s")
        expect(other.locator("#saved")).to_have_text("Saved")
        page.locator("#cue-text").fill("From this window")
        expect(page.get_by_role("dialog")).to_contain_text("From the other window")
        page.get_by_role("button", name="Mine").click()
        expect(page.locator("#saved")).to_have_text("Saved")
        assert talk.cues[0]["text"] == "From this window"
        other.locator("#cue-text").fill("Once more from the other")
        other.get_by_role("button", name="Those of the other").click()
        expect(other.locator("#cue-text")).to_have_value("From this window")
    assert talk.cues[0]["text"] == "From this window"
    kept = [
        talk.get(f"versions/{facts['version']}").json()["cues"][0]["text"]
        for facts in talk.get("versions").json()["versions"]
    ]
    assert {"From the other window", "Once more from the other"} < set(kept)


def test_a_server_that_is_killed(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    with served(tmp_path, "--root", tmp_path / "films") as server:
        film = begin_film(server, tmp_path / "films" / "talk.mkv")
        with window(browser, server.url) as page:
            edit(page, film).fill("Acknowledged")
            page.keyboard.press("Control+s")
            expect(page.locator("#saved")).to_have_text("Saved")
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            page.locator("#cue-text").press_sequentially(" and more")
            server.process = start(tmp_path, server.listener, "--root", tmp_path / "films")
            expect(page.locator("#saved")).to_have_text("Saved")
            assert film.cues[0]["text"] == "Acknowledged and more"


def test_an_answer_that_is_lost(page: Any, talk: PageFilm) -> None:
    text = edit(page, talk)
    lost: list[int] = []

    def lose_first(route: Any) -> None:
        if route.request.method == "PUT" and not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.route("**/document", lose_first)
    text.fill("Saved, but nobody said so")
    expect(page.locator("#saved")).to_contain_text("does not answer")
    expect(page.locator("#saved")).to_have_text("Saved")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert lost == [200] and talk.cues[0]["text"] == "Saved, but nobody said so"
    assert len(talk.get("versions").json()["versions"]) == 2
