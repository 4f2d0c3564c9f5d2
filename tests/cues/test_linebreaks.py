"""Where lines may end, and that the lines found are the best there are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.cues.linebreaks import (
    BEFORE_LINK,
    CLAUSE_END,
    INSIDE_PHRASE,
    PLAIN,
    SENTENCE_END,
    Layouts,
    break_penalties,
    ends_sentence,
)


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("We left. | Then", SENTENCE_END),
        ("“We left.” | Then", SENTENCE_END),
        ("we left, | then", CLAUSE_END),
        ("we left | because", BEFORE_LINK),
        ("the house | near", BEFORE_LINK),
        ("a safe | and", BEFORE_LINK),
        ("where he came from | and", BEFORE_LINK),
        ("he was | in", PLAIN),
        ("dogs | bark", PLAIN),
        ("saw the | house", INSIDE_PHRASE),
        ("a beautiful | house", INSIDE_PHRASE),
        ("then she | laughed", INSIDE_PHRASE),
        ("they have | gone", INSIDE_PHRASE),
        ("they didn’t | go", INSIDE_PHRASE),
        ("out of | town", INSIDE_PHRASE),
        ("left because | it", INSIDE_PHRASE),
        ("met Anna | Maria", INSIDE_PHRASE),
        ("met Mr. | Smith", INSIDE_PHRASE),
        ("some 20 | men", INSIDE_PHRASE),
    ],
)
def test_a_gap_costs_what_grammar_says(text: str, points: float) -> None:
    before, after = text.split("|")
    words = [*before.split(), after.strip()]
    assert break_penalties(words)[len(words) - 1] == points


def test_a_capital_at_the_start_of_a_sentence_is_no_first_name() -> None:
    assert break_penalties(["Yesterday", "Anna", "sang"])[1] == PLAIN
    assert break_penalties(["He", "left.", "Yesterday", "Anna", "sang"])[3] == PLAIN


def test_text_in_capitals_has_no_names() -> None:
    assert break_penalties(["DOGS", "BARK", "LOUDLY"])[2] == PLAIN


@pytest.mark.parametrize("word", ["left.", "left?”", "left!)", "left…", "left...", "左。"])
def test_sentences_end(word: str) -> None:
    assert ends_sentence(word)


@pytest.mark.parametrize("word", ["left", "left,", "Mr.", "J.", "(e.g.", ""])
def test_sentences_go_on(word: str) -> None:
    assert not ends_sentence(word)


def lay_out(text: str, max_chars: int = 42, max_lines: int = 2) -> tuple[str, ...]:
    words = text.split()
    layouts = Layouts(
        words,
        break_penalties(words),
        max_chars=max_chars,
        max_lines=max_lines,
        max_words=len(words),
    )
    return layouts.lines(0, len(words))


def test_text_that_fits_takes_one_line() -> None:
    assert lay_out("the best emetic is that which is at hand") == (
        "the best emetic is that which is at hand",
    )


def test_lines_break_before_a_conjunction_rather_than_in_the_middle() -> None:
    text = "from the high mountains every night and shook the doors of the little houses"
    assert lay_out(text)[1].startswith("and shook")


def test_lines_are_even_where_grammar_does_not_mind() -> None:
    assert lay_out("aaaa bbbb cccc dddd eeee ffff", max_chars=24) == (
        "aaaa bbbb cccc",
        "dddd eeee ffff",
    )


def test_three_lines_are_used_only_when_two_do_not_do() -> None:
    assert len(lay_out("aaaa bbbb cccc dddd", max_chars=9, max_lines=3)) == 2
    assert len(lay_out("aaaa bbbb cccc dddd eeee", max_chars=9, max_lines=3)) == 3


def test_a_word_longer_than_a_line_stands_alone_and_whole() -> None:
    assert (
        lay_out("see electroencephalography now", max_chars=10, max_lines=3)[1]
        == "electroencephalography"
    )


@settings(deadline=None)
@given(
    st.lists(st.text("ab", min_size=1, max_size=8), min_size=1, max_size=8),
    st.integers(1, 3),
    st.lists(st.sampled_from([0.0, 0.25, 1.0, 5.0]), min_size=9, max_size=9),
)
def test_no_other_lines_are_better(words: list[str], max_lines: int, points: list[float]) -> None:
    max_chars, n = 10, len(words)
    layouts = Layouts(
        words, np.array(points[: n + 1]), max_chars=max_chars, max_lines=max_lines, max_words=n
    )
    costs = {}
    for turns in (
        set_ for m in range(max_lines) for set_ in itertools.combinations(range(1, n), m)
    ):
        edges = [0, *turns, n]
        lines = [" ".join(words[a:b]) for a, b in itertools.pairwise(edges)]
        if all(len(line) <= max_chars or " " not in line for line in lines):
            mean = sum(map(len, lines)) / len(lines)
            ragged = sum((len(line) - mean) ** 2 for line in lines) / max_chars**2
            costs[tuple(lines)] = (len(lines), 0.5 * sum(points[k] for k in turns) + 2.0 * ragged)
    if layouts.longest < n or not np.isfinite(layouts.cost[n][0]):
        assert not costs or max(map(len, words)) > max_chars
    else:
        chosen = costs[layouts.lines(0, n)]
        fewest, least = min(costs.values())
        assert chosen[0] == fewest
        assert chosen[1] == pytest.approx(least)
        assert layouts.cost[n][0] == pytest.approx(least)
