"""Errors at the words of a glossary, apart from the others."""

from __future__ import annotations

import pytest

from gptasr_subs.evaluation.biased import BiasedErrors, count_biased_errors, words_of
from gptasr_subs.evaluation.wer import WordErrors
from gptasr_subs.glossary.files import parse_glossary

LISTED = {"picard", "data"}


@pytest.mark.parametrize(
    ("said", "written", "listed", "others", "false_accepts"),
    [
        ("picard saw data", "picard saw data", (2, 0, 0, 0), (1, 0, 0, 0), 0),
        ("picard saw data", "pickard saw", (2, 1, 1, 0), (1, 0, 0, 0), 0),
        ("he saw a date", "he saw a data", (0, 0, 0, 0), (4, 1, 0, 0), 1),
        ("he saw", "he saw data now", (0, 0, 0, 1), (2, 0, 0, 1), 1),
        ("", "data", (0, 0, 0, 1), (0, 0, 0, 0), 1),
        ("data", "", (1, 0, 1, 0), (0, 0, 0, 0), 0),
        ("", "", (0, 0, 0, 0), (0, 0, 0, 0), 0),
    ],
)
def test_an_error_belongs_to_the_word_that_is_said_or_inserted(
    said: str, written: str, listed: tuple[int, ...], others: tuple[int, ...], false_accepts: int
) -> None:
    found = count_biased_errors(said, written, LISTED)
    assert found == BiasedErrors(WordErrors(*listed), WordErrors(*others), false_accepts)


def test_sums_add_up() -> None:
    one = count_biased_errors("picard saw data", "picard saw date", LISTED)
    assert (one + one).listed == WordErrors(4, 2)


def test_the_words_of_a_glossary_are_compared_as_wer_compares() -> None:
    assert words_of(parse_glossary("Jean-Luc Picard\nZoë", "x")) == {"jean", "luc", "picard", "zoe"}
