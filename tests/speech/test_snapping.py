"""First and last words of a stretch of speech get its edges; order and length are kept."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gptasr_subs.speech.snapping import snap_words
from gptasr_subs.types import Span, Word


def word(start: float, end: float, text: str = "word", confidence: float = 0.5) -> Word:
    return Word(text, start, end, confidence)


def times(words: list[Word]) -> list[tuple[float, float]]:
    return [(w.start, w.end) for w in words]


def snapped(
    words: list[tuple[float, float]], *speech: tuple[float, float], radius: float = 1.0
) -> list[tuple[float, float]]:
    return times(
        snap_words([word(*edges) for edges in words], [Span(*edges) for edges in speech], radius)
    )


def test_the_first_word_begins_and_the_last_ends_with_the_speech() -> None:
    assert snapped([(1.2, 1.5), (1.6, 1.9), (2.0, 2.4)], (1.0, 2.7)) == [
        (1.0, 1.5),
        (1.6, 1.9),
        (2.0, 2.7),
    ]


def test_edges_that_radius_into_silence_move_inwards() -> None:
    assert snapped([(0.8, 1.5), (2.0, 2.9)], (1.0, 2.7)) == [(1.0, 1.5), (2.0, 2.7)]


def test_each_stretch_has_its_own_first_and_last_word() -> None:
    found = snapped([(1.1, 1.4), (1.5, 1.8), (3.2, 3.5), (3.6, 3.8)], (1.0, 2.0), (3.0, 4.0))
    assert found == [(1.0, 1.4), (1.5, 2.0), (3.0, 3.5), (3.6, 4.0)]


def test_a_word_that_only_touches_the_fringe_of_speech_keeps_its_times() -> None:
    assert snapped([(1.98, 2.5)], (1.0, 2.0)) == [(1.98, 2.5)]


def test_a_word_belongs_to_stretches_that_hold_half_of_what_the_first_one_holds() -> None:
    assert snapped([(0.5, 1.7)], (0.0, 1.0), (1.5, 2.2)) == [(0.0, 1.0)]  # 0.5 and 0.2 s
    assert snapped([(0.5, 1.8)], (0.0, 1.0), (1.5, 2.2)) == [(0.0, 2.2)]  # 0.5 and 0.3 s


def test_a_lone_word_takes_the_whole_stretch() -> None:
    assert snapped([(1.3, 1.4)], (1.0, 1.9)) == [(1.0, 1.9)]


def test_an_edge_out_of_radius_stays() -> None:
    assert snapped([(2.5, 2.8), (3.0, 3.2)], (1.0, 3.4)) == [(2.5, 2.8), (3.0, 3.4)]
    assert snapped([(2.5, 2.8)], (2.2, 3.4), radius=0.4) == [(2.2, 2.8)]


def test_a_burst_before_the_word_attracts_nothing() -> None:
    assert snapped([(2.1, 2.5)], (1.2, 1.3), (2.0, 2.6)) == [(2.0, 2.6)]


def test_a_word_barely_inside_a_stretch_does_not_belong_there() -> None:
    found = snapped([(1.0, 1.9), (1.98, 3.5)], (1.0, 2.0), (2.8, 4.0))
    assert found == [(1.0, 2.0), (2.8, 4.0)]


def test_a_word_across_a_pause_leaves_the_next_stretch() -> None:
    found = snapped([(3.9, 5.4), (5.9, 6.1)], (3.6, 4.7), (5.2, 9.5))
    assert found == [(3.6, 4.7), (5.2, 6.1)]  # the end of the speech is beyond the radius


def test_a_word_across_two_stretches_spans_both() -> None:
    assert snapped([(1.2, 3.5)], (1.0, 2.0), (3.0, 3.8)) == [(1.0, 3.8)]


def test_a_word_in_silence_keeps_its_times() -> None:
    assert snapped([(5.0, 5.4)], (1.0, 2.0), (6.0, 7.0)) == [(5.0, 5.4)]
    assert snapped([(5.0, 5.4)]) == [(5.0, 5.4)]


def test_a_short_word_is_not_cut_to_nothing() -> None:
    assert snapped([(0.98, 1.1)], (1.04, 2.0)) == [(0.98, 2.0)]


def test_text_and_confidence_stay() -> None:
    (found,) = snap_words([word(1.2, 1.4, "Oh", 0.3)], [Span(1.0, 1.5)])
    assert found == Word("Oh", 1.0, 1.5, 0.3)


@pytest.mark.parametrize("radius", [0.0, 0.3, 1.0])
def test_snapping_twice_changes_nothing_more(radius: float) -> None:
    edges, speech = [(1.2, 1.5), (1.6, 1.9), (2.8, 3.4)], [(1.0, 2.2), (2.5, 3.0)]
    once = snapped(edges, *speech, radius=radius)
    assert snapped(once, *speech, radius=radius) == once


@st.composite
def intervals(draw: st.DrawFn, least: float) -> list[tuple[float, float]]:
    """Edges in order, one interval after the other, each at least so long."""
    found, now = [], 0.0
    for gap, length in draw(
        st.lists(st.tuples(st.floats(0, 1.5), st.floats(least, 1.5)), max_size=12)
    ):
        start = now + gap
        now = start + length
        found.append((start, now))
    return found


@given(intervals(0.0), intervals(0.01), st.floats(0, 2))
# its begin goes back, for there is a word before
@example([(7.2, 7.2), (7.6, 8.6)], [(7.0, 7.66)], 1.0)
def test_no_word_crosses_another_goes_far_or_loses_its_length(
    edges: list[tuple[float, float]], speech: list[tuple[float, float]], radius: float
) -> None:
    found = snapped(edges, *speech, radius=radius)
    assert len(found) == len(edges)
    assert all(left[1] <= right[0] for left, right in pairwise(found))
    for (start, end), (old_start, old_end) in zip(found, edges, strict=True):
        assert max(abs(start - old_start), abs(end - old_end)) <= radius + 1e-9
        assert end - start >= min(0.08, old_end - old_start) - 1e-9
