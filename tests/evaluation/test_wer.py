"""WER is what it says, and its interval is honest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.errors import UsageError
from gptasr_subs.evaluation.wer import WordErrors, confidence_interval, count_errors, normalize

sentences = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("said", "written", "expected"),
    [
        ("the cat sat", "the cat sat", WordErrors(3, 0, 0, 0)),
        ("the cat sat", "the bat sat", WordErrors(3, 1, 0, 0)),
        ("the cat sat", "the sat", WordErrors(3, 0, 1, 0)),
        ("the cat sat", "the big cat sat", WordErrors(3, 0, 0, 1)),
        ("the cat sat", "", WordErrors(3, 0, 3, 0)),
        ("", "you you", WordErrors(0, 0, 0, 2)),
        ("", "", WordErrors(0, 0, 0, 0)),
    ],
)
def test_each_kind_of_error_is_counted_as_such(
    said: str, written: str, expected: WordErrors
) -> None:
    assert count_errors(said, written) == expected


def test_the_rate_is_over_the_words_said() -> None:
    assert WordErrors(8, 1, 1, 2).wer == 50.0
    assert WordErrors().wer == 0.0
    assert WordErrors(insertions=1).wer == 100.0  # text over silence never counts as right


def test_tallies_add_up() -> None:
    assert WordErrors(3, 1, 0, 1) + WordErrors(2, 0, 1, 0) == WordErrors(5, 1, 1, 1)


def test_case_punctuation_and_spelling_of_titles_do_not_count() -> None:
    assert normalize("Mr. O'Neil — 'well-known'?") == "mister o'neil well known"
    assert normalize("Café, naïve") == "cafe naive"


@given(sentences, sentences)
def test_errors_are_zero_only_for_equal_texts_and_lengths_add_up(said: str, written: str) -> None:
    found = count_errors(said, written)
    assert (found.errors == 0) == (said == written)
    assert found.words == len(said.split())
    assert found.words - found.deletions + found.insertions == len(written.split())


def test_the_interval_holds_the_rate_and_narrows_with_more_clips() -> None:
    few = [WordErrors(10, errors % 4, 0, 0) for errors in range(20)]
    low, high = confidence_interval(few)
    assert low < sum(few, WordErrors()).wer < high
    narrow_low, narrow_high = confidence_interval(few * 10)
    assert narrow_high - narrow_low < (high - low) / 2


def test_the_interval_is_repeatable() -> None:
    clips = [WordErrors(10, errors, 0, 0) for errors in range(6)]
    assert confidence_interval(clips) == confidence_interval(clips)
    assert confidence_interval([WordErrors(10, 2, 0, 0)] * 5) == (20.0, 20.0)


def test_nothing_to_score_is_said() -> None:
    with pytest.raises(UsageError, match="nothing to score"):
        confidence_interval([])
