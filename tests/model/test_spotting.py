"""A word spotter finds the letters that a CTC head reads, and says how far others are from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.model import ctc
from gptasr_subs.model.decoding.spotting import TermSpotter, pack, sounds_of, unpack
from gptasr_subs.types import FloatArray
from tests.support.cue_maker import patiently

SURE = -0.01
LIKELY = -1.0
NEVER = -20.0


def read(text: str, other: str = "") -> FloatArray:
    """What a head says that reads ``text``, with blanks between, and less surely ``other``."""
    log_probs = np.full((2 * len(text), ctc.CLASSES), NEVER, dtype=np.float32)
    log_probs[1::2, ctc.BLANK] = SURE
    for index, character in enumerate(text):
        log_probs[2 * index, ctc.ALPHABET.index(character)] = SURE
    for index, character in enumerate(other):
        if character != text[index]:
            log_probs[2 * index, ctc.ALPHABET.index(character)] = LIKELY
    return log_probs


def scores(log_probs: FloatArray, *terms: str) -> list[float]:
    found: list[float] = (
        TermSpotter([(term, 1.0) for term in terms]).scores(sounds_of(log_probs)).tolist()
    )
    return found


def test_what_is_read_differs_in_nothing() -> None:
    assert scores(read("we saw picard there"), "Picard", "saw Picard", "we") == [0.0, 0.0, 0.0]


def test_other_letters_cost_what_the_head_says_of_them() -> None:
    one_letter = scores(read("we saw bicard", "we saw picard"), "Picard")
    assert one_letter == pytest.approx([(LIKELY - SURE) / len("picard")], abs=0.01)
    assert scores(read("we saw bicard"), "Picard")[0] == pytest.approx((NEVER - SURE) / 6, rel=0.01)


def test_only_terms_that_score_enough_are_heard_and_weigh_by_their_score() -> None:
    spotter = TermSpotter([("Picard", 2.0), ("Worf", 1.0), ("we", 0.5)], min_score=-1.0)
    assert spotter.spot(sounds_of(read("we saw picard"))) == [("Picard", 2.0), ("we", 0.5)]
    ((term, weight),) = spotter.spot(sounds_of(read("so bicard", "so picard")))
    assert term == "Picard" and weight == pytest.approx(2.0 * (1 + (LIKELY - SURE) / 6), abs=0.02)


def test_sounds_that_are_kept_are_those_that_are_heard() -> None:
    sounds = sounds_of(read("we saw picard  "))
    assert sounds.shape == (len("we saw picard  "), ctc.CLASSES)  # no frame of a blank
    assert np.array_equal(unpack(pack(sounds)), sounds)
    assert unpack(pack(sounds)[:-9]) is None and unpack(b"") is None
    silence = unpack(pack(sounds_of(read(""))))
    assert silence is not None and silence.shape == (0, ctc.CLASSES)


@patiently
@given(st.lists(st.text(max_size=6), max_size=5), st.integers(0, 6))
def test_any_terms_and_any_length_have_scores(terms: list[str], letters: int) -> None:
    found = scores(read("picard"[:letters]), *terms)
    for term, score in zip(terms, found, strict=True):
        assert score <= 0.0
        assert bool(ctc.letters_of(term)) or score == -np.inf
