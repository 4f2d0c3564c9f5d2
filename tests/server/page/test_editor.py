"""The editor: what the glossary changes, edges that are dragged, films that no browser plays."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.support.page_films import PageFilm, events_of

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect

_SHOWN = 12.0  # seconds that the waveform shows at first


def offer_changes(page: Any, film: PageFilm) -> Any:
    """Let the review of a film offer what a term changes elsewhere, and return the dialog."""
    film.post("glossary", json={"term": "Tao | two"})
    page.goto(f"{film.server.url}/films/{film.number}?review")
    expect(page.locator("#stop-sentence mark")).to_have_text("one")
    page.keyboard.type("once")
    page.keyboard.press("Alt+g")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 place would read otherwise")
    return dialog


def test_what_the_glossary_changes_is_shown_before_it_is_taken(page: Any, talk: PageFilm) -> None:
    dialog = offer_changes(page, talk)
    expect(dialog.locator("del")).to_have_text("two")
    expect(dialog.locator("ins")).to_have_text("Tao")
    expect(page.locator("#messages")).not_to_contain_text("is read again")
    assert talk.cues[0]["text"] == "once two three"
    dialog.get_by_role("button", name="Take what is ticked").click()
    expect(page.locator("#cues [role=option]").first).to_contain_text("once Tao three")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert talk.cues[0]["text"] == "once Tao three"


def test_what_is_not_ticked_stays(page: Any, talk: PageFilm) -> None:
    dialog = offer_changes(page, talk)
    dialog.get_by_role("checkbox").uncheck()
    dialog.get_by_role("button", name="Take what is ticked").click()
    expect(dialog).to_be_hidden()
    assert talk.cues[0]["text"] == "once two three"


def test_an_edge_is_dragged_and_snaps_to_a_word(page: Any, talk: PageFilm) -> None:
    document = talk.get("document").json()
    page.goto(f"{talk.server.url}/films/{talk.number}")
    expect(page.locator("#wave[data-peaks=all]")).to_be_visible()
    word = document["words"][0]["start"]
    drag_edge(page, document["cues"][0]["start"], 0.6)
    expect(page.locator("#cue-start")).to_have_value("0:00.600")
    drag_edge(page, 0.6, word + 0.03)
    expect(page.locator("#cue-start")).to_have_value(f"0:0{word:.3f}")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert talk.cues[0]["start"] == word
    page.keyboard.press("Control+z")
    expect(page.locator("#cue-start")).to_have_value("0:00.600")


def drag_edge(page: Any, start: float, end: float) -> None:
    """Drag what lies in the waveform at one time to another."""
    box = page.locator("#wave").bounding_box()
    height = box["y"] + box["height"] / 2
    x, target = (round(box["x"] + box["width"] * time / _SHOWN) for time in (start, end))
    page.mouse.move(x, height)
    page.mouse.down()
    page.mouse.move(target - 3, height)
    page.mouse.move(target, height)
    page.mouse.up()


def test_a_film_that_browsers_cannot_play(page: Any, talk: PageFilm) -> None:
    old = talk.path.with_name("old codecs.avi")
    command = ["ffmpeg", "-v", "error", "-i", talk.path, "-c:v", "mpeg4", "-c:a", "ac3", old]
    subprocess.run(command, check=True)
    number = talk.server.post("/jobs", json={"path": str(old)}).json()["id"]
    assert events_of(talk.server, number)[-1][1]["state"] == "done"
    page.goto(f"{talk.server.url}/films/{number}")
    expect_copy(page, number)


def test_a_film_that_this_browser_cannot_play(page: Any, talk: PageFilm) -> None:
    page.route("**/media", lambda route: route.fulfill(body=b"no film", content_type="video/mp4"))
    page.goto(f"{talk.server.url}/films/{talk.number}")
    expect_copy(page, talk.number)
    expect(page.locator(".player-note")).to_have_count(0)


def expect_copy(page: Any, number: int) -> None:
    """Wait until the copy of a film plays."""
    video = page.locator("#video")
    expect(video).to_have_attribute("src", f"{page.url.split('/films')[0]}/jobs/{number}/proxy")
    expect(video).to_have_js_property("error", None)
    expect(video).to_have_js_property("videoHeight", 48)
    page.keyboard.press("F5")
    expect(page.locator("#caption")).to_have_text("one two three")


def test_what_is_found_is_replaced(page: Any, talk: PageFilm) -> None:
    page.goto(f"{talk.server.url}/films/{talk.number}")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.keyboard.press("Control+f")
    page.keyboard.type("FOUR")
    expect(page.locator("#cue-title")).to_have_text("Subtitle 2 of 2")
    page.get_by_label("Replace with").fill("for")
    page.keyboard.press("Enter")
    expect(page.locator("#messages")).to_contain_text("that was the last place")
    expect(page.locator("#find-count")).to_have_text("not found")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_text("Saved")
    assert talk.cues[1]["text"] == "for Five."
