"""The order of the stops, and the bill."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptasr_subs.server.page.review import chance_wrong, plan_review
from gptasr_subs.types import Word

PARTS = st.tuples(
    st.sampled_from(["one", "One,", "two", "three", "—"]),
    st.sampled_from([0.0, 0.1, 0.7, 5.0]),  # seconds of silence before it
    st.sampled_from([0.02, 0.3, 0.9]),
    st.floats(0, 1),
)


def words_of(parts: list[tuple[str, float, float, float]]) -> list[Word]:
    words = []
    end = 0.0
    for text, pause, seconds, confidence in parts:
        start = end + pause
        end = start + seconds
        words.append(Word(text, start, end, confidence))
    return words


FILMS = st.lists(PARTS, max_size=25).map(words_of)  # of any confidence
quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(FILMS, st.sets(st.integers(0, 24)), st.floats(0, 200))
def test_the_stops_of_a_budget(words: list[Word], settled: set[int], seconds: float) -> None:
    review = plan_review(words, settled, seconds)
    open_words = set(range(len(words))) - settled
    assert review.expected == pytest.approx(sum(chance_wrong(words[i]) for i in open_words))
    assert sum(stop.seconds for stop in review.stops) <= seconds + 1e-9
    heard: set[int] = set()
    for stop in review.stops:
        run = set(range(stop.first, stop.last + 1))
        assert stop.word in run <= open_words - heard
        assert stop.start <= words[stop.first].start and words[stop.last].end <= stop.end
        assert stop.expected == pytest.approx(sum(chance_wrong(words[i]) for i in run))
        assert stop.seconds >= stop.end - stop.start
        heard |= run
    assert review.covered == pytest.approx(sum(chance_wrong(words[i]) for i in heard))
    pays = [stop.expected / stop.seconds for stop in review.stops]
    assert all(before >= after - 1e-9 for before, after in pairwise(pays))


@quick
@given(FILMS)
def test_without_a_budget_every_unsure_word_is_heard(words: list[Word]) -> None:
    review = plan_review(words)
    heard = {i for stop in review.stops for i in range(stop.first, stop.last + 1)}
    missed = [word for i, word in enumerate(words) if i not in heard]
    assert all(chance_wrong(word) < 0.03 for word in missed)
    assert plan_review(words, heard).stops == ()


@quick
@given(FILMS)
def test_a_larger_budget_finds_at_least_as_much(words: list[Word]) -> None:
    covered = [plan_review(words, seconds=seconds).covered for seconds in (0, 5, 50, 500)]
    assert covered == sorted(covered)


def test_the_same_unsure_word_elsewhere() -> None:
    words = [
        Word("Siobhan", 1.0, 1.5, 0.2),
        Word("said", 10.0, 10.4, 0.999),
        Word("siobhan,", 20.0, 20.5, 0.3),
        Word("Siobhan", 30.0, 30.5, 0.999),  # sure
    ]
    stops = plan_review(words).stops
    assert [(stop.word, stop.same) for stop in stops] == [(0, (2,)), (2, (0,))]


def test_less_sure_words_are_likelier_wrong() -> None:
    chances = [chance_wrong(Word("x", 0, 1, confidence)) for confidence in (0, 0.3, 0.9, 1)]
    assert chances == sorted(chances, reverse=True) and chances[0] > chances[-1]


def test_neighbours_that_are_likely_wrong_share_a_stop() -> None:
    sure = [0.9, 0.2, 0.3, 0.9, 0.2, 0.2]
    words = [Word("x", i, i + (0.9 if i < 4 else 0.2), c) for i, c in enumerate(sure)]
    stops = {(stop.first, stop.last): stop.word for stop in plan_review(words).stops}
    assert stops == {(0, 0): 0, (1, 2): 1, (3, 3): 3, (4, 4): 4, (5, 5): 5}
