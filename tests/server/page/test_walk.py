"""A film from the drop to the download: with the mouse, and with the keyboard alone.

Every request that is not to the server fails the test.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from gptasr_subs.cues.lint import lint
from gptasr_subs.formats import read
from tests.support.films import make_film
from tests.support.served import Served

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect

_FOCUSED = "document.activeElement.closest('a, button, summary')?.textContent ?? ''"
_DROP = """([text, name]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  document.querySelector("main").dispatchEvent(
    new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def drop(page: Any, film: bytes, name: str) -> Any:
    """Drop the film under a name and return its row."""
    page.evaluate(_DROP, [base64.b64encode(film).decode(), name])
    return page.locator("li.film", has_text=name)


def is_clean(path: Path) -> bool:
    return lint(read(path)).violations == ()


def test_with_the_mouse(page: Any, film: bytes, tmp_path: Path) -> None:
    row = drop(page, film, "mouse.mp4")
    expect(row).to_contain_text("Done", timeout=180_000)
    row.get_by_role("link", name="Review and edit").click()
    page.get_by_role("tab", name="Review").click()
    expect(page.locator("#bill")).to_contain_text("wrong word")
    expect(page.locator("#stop-sentence mark")).to_have_text("one")
    page.get_by_label("What is said instead").fill("once")
    page.keyboard.press("Enter")
    expect(page.locator("#stop-sentence mark")).not_to_have_text("once")
    page.get_by_role("tab", name="Edit").click()
    page.get_by_role("option").first.click()
    expect(page.locator("#cue-text")).to_have_value("once two three")
    page.locator("#cue-text").fill("Once upon a time")
    page.locator("#cue-text").evaluate("(text) => text.setSelectionRange(5, 5)")
    page.get_by_role("button", name="Split at the word").click()
    expect(page.get_by_role("option")).to_have_count(3)
    page.locator("#do-undo").click()
    expect(page.get_by_role("option")).to_have_count(2)
    expect(page.locator("#fault-count")).to_have_text("0 faults")
    download(page, tmp_path / "mouse.srt", lambda: page.get_by_label("Download").click())
    assert "Once upon a time" in (tmp_path / "mouse.srt").read_text()
    assert is_clean(tmp_path / "mouse.srt")


def download(page: Any, path: Path, open_menu: Any) -> None:
    """Open the menu of downloads and take the first format."""
    open_menu()
    with page.expect_download() as started:
        page.get_by_role("link", name="SRT").press("Enter")
    started.value.save_as(path)


def test_with_the_keyboard_alone(page: Any, film: bytes, tmp_path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        tab_to(page, "Choose files …")
        page.keyboard.press("Enter")
    file = tmp_path / "by keyboard.mp4"
    file.write_bytes(film)
    chooser.value.set_files(file)
    expect(page.locator("li.film", has_text="by keyboard.mp4").first).to_contain_text(
        "Done", timeout=180_000
    )
    tab_to(page, "Review and edit")
    page.keyboard.press("Enter")
    expect(page.locator("#saved")).to_have_text("Saved")
    page.keyboard.press("F2")
    expect(page.locator("#stop-sentence mark")).to_have_text("one")
    page.keyboard.type("once")
    page.keyboard.press("Tab")
    expect(page.locator("#stop-sentence mark")).not_to_have_text("once")
    page.keyboard.press("F2")
    expect(page.locator("#cue-text")).to_be_focused()
    for key in ("Escape", "Home", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#cue-text")).to_have_value("once two three")
    page.keyboard.press("Control+End")
    page.keyboard.type(" four")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#cue-title")).to_contain_text("Subtitle 2")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Merge with the next")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    expect(page.locator("#saved")).to_have_text("Saved")
    download(page, tmp_path / "keys.srt", lambda: open_menu_by_keys(page))
    assert "once two three four" in (tmp_path / "keys.srt").read_text()
    assert is_clean(tmp_path / "keys.srt")


def test_an_upload_goes_on_after_a_lost_connection(page: Any, film: bytes) -> None:
    lost: list[str] = []

    def lose_first(route: Any) -> None:
        if route.request.method == "PATCH" and not lost:
            lost.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/uploads/*", lose_first)
    row = drop(page, film, "lost.mp4")
    expect(row).to_contain_text("Done", timeout=180_000)
    assert len(lost) == 1


def test_cancelled_and_tried_again(page: Any, server: Served, tmp_path: Path) -> None:
    new = make_film(tmp_path / "again.mp4", [(1.0, "three"), (2.0, "one")])  # in no journal yet
    server.close_gate()
    row = drop(page, new.read_bytes(), "again.mp4")
    expect(row).to_contain_text("Is being written", timeout=180_000)
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelled")
    server.open_gate()
    row.get_by_role("button", name="Try again").click()
    expect(row).to_contain_text("Done", timeout=180_000)


def open_menu_by_keys(page: Any) -> None:
    """Open the menu of downloads."""
    tab_to(page, "Download")
    page.keyboard.press("Enter")


def tab_to(page: Any, words: str) -> None:
    """Press Tab until something with these words has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if words in page.evaluate(_FOCUSED):
            return
    raise AssertionError(f"Tab never reaches {words!r}")
