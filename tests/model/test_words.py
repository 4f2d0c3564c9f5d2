"""Planted words come back with their times, in order and inside the clip whatever goes in."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gptasr_subs.model import ctc
from gptasr_subs.model.alignment.words import (
    align_words,
    alignable_words,
    combine_confidences,
    spread_words,
    voiced_span,
    word_confidences,
    words_without_ctc,
)
from gptasr_subs.types import Span, Word
from tests.support.planted import planted

FRAME = 0.03


def test_words_are_found_where_they_were_planted() -> None:
    log_probs = planted(60, (10, "hello"), (40, "man"))
    hello, man = align_words("Hello, man!", log_probs, FRAME, seconds=1.8)
    assert (hello.text, man.text) == ("Hello,", "man!")
    assert (hello.start, hello.end) == pytest.approx((10 * FRAME, 19 * FRAME))
    assert (man.start, man.end) == pytest.approx((40 * FRAME, 45 * FRAME))
    assert hello.confidence == pytest.approx(0.95, abs=1e-3)


def test_confidence_is_low_where_other_words_are_heard() -> None:
    log_probs = planted(60, (10, "hello"), (40, "man"))
    hello, cat = align_words("hello cat", log_probs, FRAME, seconds=1.8)
    assert hello.confidence > 0.9 > 0.5 > cat.confidence


def test_offsets_move_edges_but_neighbours_meet_in_the_middle() -> None:
    log_probs = planted(60, (10, "oh"), (14, "no"), (40, "man"))
    oh, no, man = align_words(
        "oh no man", log_probs, FRAME, seconds=1.8, start_offset=-0.06, end_offset=0.1
    )
    assert oh.start == pytest.approx(10 * FRAME - 0.06)
    assert oh.end == no.start == pytest.approx((13 * FRAME + 0.1 + 14 * FRAME - 0.06) / 2)
    assert (no.end, man.start) == pytest.approx((17 * FRAME + 0.1, 40 * FRAME - 0.06))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yes — no", ["yes —", "no"]),
        ("— Hello …", ["— Hello …"]),
        ("in 1995 he", ["in 1995", "he"]),
        ("by the river. 2. Two birds", ["by", "the", "river.", "2. Two", "birds"]),
        ('"No." - "Yes."', ['"No."', '- "Yes."']),
        ("it ends. 3", ["it", "ends. 3"]),
        ("well-known", ["well-known"]),
        ("... 5", []),
        ("", []),
    ],
)
def test_words_without_letters_hang_on_a_neighbour(text: str, words: list[str]) -> None:
    assert alignable_words(text) == words


def test_a_word_of_two_spellings_is_one_word() -> None:
    log_probs = planted(60, (5, "well"), (20, "known"), (40, "man"))
    words = align_words("well-known man", log_probs, FRAME, seconds=1.8)
    assert [(w.text, round(w.start / FRAME), round(w.end / FRAME)) for w in words] == [
        ("well-known", 5, 29),
        ("man", 40, 45),
    ]


@pytest.mark.parametrize("text", ["far too many words for this", "...", ""])
def test_what_cannot_be_aligned_gives_no_words(text: str) -> None:
    assert align_words(text, planted(8), FRAME, seconds=0.24) == []


def assert_in_order(words: list[Word], seconds: float) -> None:
    assert all(0 <= word.start <= word.end <= seconds for word in words)
    assert all(left.end <= right.start for left, right in pairwise(words))
    assert all(0 <= word.confidence <= 1 for word in words)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "I'd", "hello,", "—", "7", "well-known", "no"]), max_size=8),
    st.integers(0, 100),
    st.floats(-0.3, 0.3),
    st.floats(-0.3, 0.3),
)
@example(["well-known"] * 8, 0, 0.0, 0.0)
def test_times_are_in_order_and_in_the_clip(
    texts: list[str], seed: int, start: float, end: float
) -> None:
    frames = 100  # the longest text needs 95
    noise = np.random.default_rng(seed).normal(size=(frames, ctc.CLASSES)).astype(np.float32)
    log_probs = noise - np.log(np.exp(noise).sum(1, keepdims=True))
    seconds = frames * FRAME
    words = align_words(
        " ".join(texts), log_probs, FRAME, seconds=seconds, start_offset=start, end_offset=end
    )
    assert_in_order(words, seconds)
    if any(ctc.encode(text) for text in texts):
        assert " ".join(word.text for word in words) == " ".join(texts)


def test_spread_words_share_the_voiced_part_by_length() -> None:
    words = spread_words("abcd ef gh", [0.5, 0.6, 0.7], Span(1.0, 3.0))
    assert words == [
        Word("abcd", 1.0, 2.0, 0.5),
        Word("ef", 2.0, 2.5, 0.6),
        Word("gh", 2.5, 3.0, 0.7),
    ]
    assert spread_words("", [], Span(0.0, 1.0)) == []


def test_token_probabilities_become_word_confidences() -> None:
    confidences = word_confidences(
        [" He", "llo", "", " the"], [math.log(0.9), math.log(0.4), 0.0, math.log(0.5)]
    )
    assert confidences == pytest.approx([(0.9**2 * 0.4**3) ** (1 / 5), 0.5])


def test_ctc_and_gpt_agree_on_a_confidence() -> None:
    by_ctc = [Word("Oh", 0, 1, 0.9), Word("yes —", 1, 2, 0.4)]
    found = combine_confidences(by_ctc, [0.4, 0.5, 0.3])
    assert [(word.text, word.start, word.end) for word in found] == [
        (word.text, word.start, word.end) for word in by_ctc
    ]
    assert [word.confidence for word in found] == pytest.approx([0.6, 0.4])


def test_voiced_span_is_where_the_sound_is() -> None:
    rate = 8000
    samples = np.zeros(2 * rate, np.float32)
    samples[6000:12000] = np.sin(np.arange(6000, dtype=np.float32))
    samples += 0.001
    span = voiced_span(samples, rate)
    assert (span.start, span.end) == pytest.approx((0.75, 1.5), abs=0.02)
    assert voiced_span(np.zeros(rate, np.float32), rate) == Span(0.0, 1.0)
    assert voiced_span(np.zeros(3, np.float32), rate) == Span(0.0, 3 / rate)


def test_words_without_ctc_fill_the_voiced_part_in_order() -> None:
    samples = np.zeros(8000, np.float32)
    samples[2000:6000] = 1.0
    words = words_without_ctc(["Oh", " ", "no", "!"], [-0.1, -0.2, -0.3, -0.4], samples, 8000)
    assert [word.text for word in words] == ["Oh", "no!"]
    assert (words[0].start, words[-1].end) == pytest.approx((0.24, 0.76), abs=0.02)
    assert_in_order(words, 1.0)
