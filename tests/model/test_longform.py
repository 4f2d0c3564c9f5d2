"""Words planted in a long row of frames are found where they were planted, and no others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.model import ctc
from gptasr_subs.model.alignment.longform import Penalties, find_words
from gptasr_subs.model.ctc import normalize_text
from gptasr_subs.types import FloatArray
from tests.support.planted import planted

WORDS = normalize_text(
    "When shall we three meet again? In thunder, lightning or rain? Hurly-burly done, battle lost"
).split()


def spelled(words: list[str]) -> list[list[int]]:
    return [ctc.encode(word) for word in words]


def speak(words: list[str], pause: int = 3) -> tuple[FloatArray, list[int]]:
    """Log-probabilities in which the words follow one another, and the first frame of each."""
    firsts = np.cumsum([5, *(2 * len(word) + pause for word in words)]).tolist()
    return planted(firsts[-1] + 5, *zip(firsts, words, strict=False)), firsts[:-1]


def test_words_are_found_at_their_frames() -> None:
    log_probs, firsts = speak(WORDS)
    found = find_words(log_probs, spelled(WORDS))
    assert [place and place.first for place in found] == firsts
    assert [place and place.last for place in found] == [
        f + 2 * len(w) - 2 for f, w in zip(firsts, WORDS, strict=True)
    ]
    assert all(place and place.posterior == pytest.approx(0.95, abs=0.01) for place in found)


def test_words_that_are_not_said_are_not_found() -> None:
    log_probs, firsts = speak(WORDS)
    text = [*WORDS[:4], "abracadabra", "zebra", *WORDS[4:], "finis"]
    found = find_words(log_probs, spelled(text))
    assert [place is None for place in found] == [word not in WORDS for word in text]
    assert [place.first for place in found if place] == firsts


def test_what_is_said_beside_the_text_is_passed_over() -> None:
    log_probs, firsts = speak([*WORDS[:5], "bubble", "cauldron", *WORDS[5:]])
    found = find_words(log_probs, spelled(WORDS))
    assert [place and place.first for place in found] == [*firsts[:5], *firsts[7:]]


def test_a_text_far_longer_than_the_band_is_followed() -> None:
    text = [WORDS[index * index % len(WORDS)] for index in range(300)]
    log_probs, firsts = speak(text)
    found = find_words(log_probs, spelled(text), Penalties(band=100))
    assert [place and place.first for place in found] == firsts


def test_words_without_letters_are_not_found_and_do_no_harm() -> None:
    log_probs, _ = speak(WORDS)
    found = find_words(log_probs, [[], *spelled(WORDS[:3]), [], *spelled(WORDS[3:]), []])
    assert [index for index, place in enumerate(found) if place is None] == [0, 4, len(WORDS) + 2]


def test_no_sound_or_no_text_finds_nothing() -> None:
    assert find_words(np.zeros((0, ctc.CLASSES), np.float32), spelled(["oh", "no"])) == [None, None]
    assert find_words(planted(9, (2, "oh")), []) == []


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(["a", "aa", "to", "tot", "otto"]), max_size=12),
    st.integers(1, 40),
    st.integers(0, 99),
)
def test_whatever_is_heard_words_keep_their_order(words: list[str], frames: int, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(size=(frames, ctc.CLASSES)).astype(np.float32)
    found = find_words(
        noise - np.log(np.exp(noise).sum(1, keepdims=True)), spelled(words), Penalties(band=6)
    )
    places = [place for place in found if place]
    assert len(found) == len(words)
    assert all(place.first <= place.last < frames and 0 <= place.posterior <= 1 for place in places)
    assert all(left.last < right.first for left, right in itertools.pairwise(places))
