"""The modules of the page by themselves: words behind the text of cues, and edits of cues."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="needs playwright")

_PRELUDE = """
  const at = (name) => import(new URL(`static/${name}.js`, document.baseURI));
  const [W, E, F] = await Promise.all(["words", "edits", "format"].map(at));
  const heard = "do you see the too wide birds".split(" ").map((text, place) => (
    { text, start: place, end: place + 0.8, confidence: place === 4 ? 0.3 : 0.9, readings: [] }));
  const words = new W.Words(heard);
  const film = { words, gap: 0.1 };
  const cue = { id: 1, start: 0, end: 7, text: "Do you see\\nthe two wide birds?" };
  const cues = [cue, { id: 2, start: 8, end: 9, text: "No." }];
"""


@pytest.fixture
def run(page: Any) -> Any:
    """Run a script with the modules in the page and return its answer."""
    return lambda script: page.evaluate(f"async () => {{ {_PRELUDE} {script} }}")


def test_words_stand_behind_the_text_that_was_edited(run: Any) -> None:
    assert run("return words.of(cue).words") == [0, 1, 2, 3, 4, 5, 6]
    shorter = "{ ...cue, text: 'You see <i>birds</i>' }"
    assert run(f"return words.of({shorter}).words") == [1, 2, 6]
    assert run(f"return words.of({shorter}).tokens.map((token) => token.text)") == [
        "You",
        "see",
        "birds",
    ]
    assert run("return [words.isUnsure(4, 'Too,'), words.isUnsure(4, 'two')]") == [True, False]


def test_a_split_has_the_times_of_its_words(run: Any) -> None:
    first, second, third = run("return E.split(cues, 0, 12, film)")
    assert (first["text"], first["start"], first["end"]) == ("Do you see", 0, 2.9)
    assert (second["text"], second["start"], second["end"]) == ("the two wide birds?", 3, 7)
    assert first["id"] == 1 and second["id"] != 1 and third["id"] == 2
    assert run("return E.split(cues, 0, 0, film)") is None


def test_a_merge_is_the_inverse_of_a_split(run: Any) -> None:
    (one, _) = run("return E.merge(E.split(cues, 0, 12, film), 0, 24)")
    assert (one["id"], one["start"], one["end"]) == (1, 0, 7)
    assert one["text"].replace("\n", " ") == "Do you see the two wide birds?"
    assert max(map(len, one["text"].split("\n"))) <= 24
    assert run("return E.merge(cues, 1, 42)") is None


def test_a_reading_keeps_capitals_and_punctuation(run: Any) -> None:
    (one, _) = run("return E.takeReading(cues, words, [0, 6], 'words')")
    assert one["text"] == "Words you see\nthe two wide words?"


def test_a_second_reading_changes_what_it_was_about(run: Any) -> None:
    change = (
        "{ start: 0, end: 7, before: 'see the too wide birds', after: 'see the two white birds' }"
    )
    (one, _) = run(f"return E.takeChange(cues, words, {change})")
    assert one["text"] == "Do you see\nthe two white birds?"  # "two" was mended by hand before


def test_times_never_cross(run: Any) -> None:
    assert run("return E.setTime(cues, 0, 'start', 99)[0].start") == 6.9
    assert run("return E.setTime(cues, 1, 'start', 0).map((each) => each.id)") == [1, 2]
    assert run("return E.insertAt(cues, 7.5, words).cues.map((each) => each.end)") == [7, 8, 9]


def test_clocks(run: Any) -> None:
    times = [0, 59.96, 3723.4567]
    assert run(f"return {times}.map((time) => F.clock(time))") == ["0:00.0", "1:00.0", "1:02:03.5"]
    assert run("return ['1:02:03,5', '12:03', '7.25', '1:x', ''].map(F.parseClock)") == [
        3723.5,
        723,
        7.25,
        None,
        None,
    ]
