"""What differs between two recognitions, and between two versions."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.server.page.changes import changed_texts, changed_words, standing_words
from gptasr_subs.types import Cue, Word

TEXTS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=12)


def spoken(texts: list[str]) -> list[Word]:
    return [Word(text, 0.5 * i, 0.5 * i + 0.4) for i, text in enumerate(texts)]


@settings(deadline=None, max_examples=50)
@given(TEXTS, TEXTS)
def test_changes_make_the_one_recognition_of_the_other(one: list[str], other: list[str]) -> None:
    words = list(one)
    for change in reversed(changed_words(spoken(one), spoken(other))):
        numbers = change.words
        assert change.before == " ".join(one[i] for i in numbers)
        place = numbers[0] if numbers else None
        if place is not None:
            words[place : numbers[-1] + 1] = change.after.split()
        else:
            assert change.after
    inserted = [c for c in changed_words(spoken(one), spoken(other)) if not c.words]
    if not inserted:
        assert words == other


def test_a_long_film_is_compared_in_stretches() -> None:
    before = spoken([f"word{i}" for i in range(3000)])
    after = [replace(w, text="other") if i in (7, 1500, 2999) else w for i, w in enumerate(before)]
    changes = changed_words(before, after)
    assert [(c.before, c.after) for c in changes] == [
        ("word7", "other"),
        ("word1500", "other"),
        ("word2999", "other"),
    ]


def test_only_texts_count_between_versions() -> None:
    before = [Cue(0, 2, ("one two", "three")), Cue(3, 5, ("four",)), Cue(6, 7, ("five",))]
    split = [Cue(0, 1, ("one",)), Cue(1, 2, ("<i>two three</i>",)), *before[1:]]
    assert changed_texts(before, before) == changed_texts(before, split) == []
    mended = [before[0], Cue(3, 5.5, ("for",))]
    found = changed_texts(before, mended)
    assert [(c.start, c.end, c.before, c.after) for c in found] == [
        (3, 5.5, "four", "for"),
        (6, 7, "five", ""),
    ]


def test_words_that_still_stand() -> None:
    words = spoken(["One,", "two", "three"])
    cues = [Cue(0, 1, ("one", "2")), Cue(1, 2, ("Three!",)), Cue(9, 10, ("two",))]
    assert standing_words(words, cues) == {0, 2}
