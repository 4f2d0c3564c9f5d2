"""Cues are without errors whatever the words, and read well on ordinary ones."""

from __future__ import annotations

import itertools
import math
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs import formats
from gptasr_subs.cues.norms import BBC, NETFLIX, PRESETS, SOCIAL, Norms
from gptasr_subs.cues.shaping import cheapest_runs, shape_cues
from gptasr_subs.errors import UsageError
from gptasr_subs.types import Cue, Word
from tests.support.cue_maker import (
    EPS,
    any_norms,
    assert_hard_rules,
    patiently,
    presets,
    speak,
    spoken_words,
    wild_words,
)

GOLDEN = Path(__file__).parents[1] / "golden"


def texts(cues: list[Cue]) -> list[str]:
    return [" / ".join(cue.lines) for cue in cues]


@patiently
@given(wild_words(), any_norms())
def test_hard_rules_hold_whatever_the_words(words: list[Word], norms: Norms) -> None:
    cues = shape_cues(words, norms)
    assert_hard_rules(cues, words, norms)
    assert shape_cues(words, norms) == cues


@patiently
@given(
    spoken_words(),
    st.one_of(
        presets,
        st.sampled_from([Norms(fps=25), Norms(min_gap=1.0, gap_frames=0), Norms(long_pause=0.3)]),
    ),
)
def test_cues_follow_the_voice(words: list[Word], norms: Norms) -> None:
    cues = shape_cues(words, norms)
    assert_hard_rules(cues, words, norms)
    assert len({cue.start for cue in cues} - {word.start for word in words}) <= crowded(words, cues)
    ahead = iter(words)
    for cue, following in itertools.zip_longest(cues, cues[1:]):
        own = list(itertools.islice(ahead, len(" ".join(cue.lines).split())))
        limit = following.start - norms.gap if following else math.inf
        assert_times(cue, own, limit, norms)


def test_a_cue_that_may_not_last_until_the_next_one_does_not_linger() -> None:
    starts = [
        0.0,
        1.0,
        2.0,
        2.5,
        3.0,
        3.75,
        4.5,
        5.25,
        6.125,
        7.125,
        8.125,
        9.125,
        10.125,
        11.125,
        12.125,
        13.125,
    ]
    ends = [*starts[1:9], 6.375, *starts[10:], 14.125]
    words = [Word("a", start, end) for start, end in zip(starts, ends, strict=True)]
    first, second = shape_cues(words, Norms(gap_frames=0, min_gap=1.0))
    # its lead-out; 7 s would be neither that nor closed
    assert (first.end, second.start) == (6.875, 7.125)


def crowded(words: list[Word], cues: list[Cue]) -> int:
    """How many words are so short that a cue of them alone could not be seen before the next."""
    return sum(word.end - word.start < 4 / 24 for word in words) if len(cues) > 1 else 0


def assert_times(cue: Cue, own: list[Word], limit: float, norms: Norms) -> None:
    """A cue starts with the speech and ends soon after it, never across a long pause."""
    pauses = [b.start - a.end for a, b in itertools.pairwise(own)]
    assert not pauses or max(pauses) < norms.long_pause + EPS
    assert cue.end >= min(own[-1].end, limit, cue.start + norms.max_seconds) - EPS
    assert len(own) == 1 or own[-1].end - own[0].start <= norms.max_seconds
    shortest_wanted = max(norms.min_seconds, norms.min_seconds_per_word * len(own))
    shortest = min(shortest_wanted, limit - cue.start, norms.max_seconds)
    assert cue.end - cue.start >= shortest - EPS
    lingers = cue.end - max(own[-1].end + norms.lead_out, cue.start + shortest_wanted)
    if lingers > EPS:
        assert cue.end == pytest.approx(limit)
        assert limit + norms.gap - own[-1].end < norms.long_pause
    gap = limit + norms.gap - cue.end
    if norms.gap + EPS < gap < norms.min_gap - EPS:
        # to close the gap the cue would last too long
        out_of_reach = limit > cue.start + norms.max_seconds - EPS
        assert limit + norms.gap - own[-1].end >= norms.long_pause - EPS or out_of_reach


def test_no_words_make_no_cues() -> None:
    assert shape_cues([]) == []
    assert shape_cues([Word(" ", 1.0, 2.0)]) == []


@pytest.mark.parametrize("room", [(0, 2), (42, 0)])
def test_a_cue_without_room_is_refused(room: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="room"):
        shape_cues(speak("one"), max_chars=room[0], max_lines=room[1])


@pytest.mark.parametrize("value", [0.0, math.nan])
@pytest.mark.parametrize(
    "norm",
    [
        "min_seconds",
        "max_seconds",
        "max_chars_per_second",
        "max_words_per_minute",
        "fps",
        "long_pause",
    ],
)
def test_norms_that_no_cue_can_keep_are_refused(norm: str, value: float) -> None:
    with pytest.raises(UsageError):
        replace(NETFLIX, **{norm: value})  # type: ignore[arg-type]


def test_a_talk_is_shaped_as_a_person_would() -> None:
    words = speak((GOLDEN / "valley.txt").read_text(encoding="utf-8"))
    shaped = formats.render(formats.Document(tuple(shape_cues(words))), "srt")
    assert shaped == (GOLDEN / "valley.srt").read_text(encoding="utf-8")


def test_without_punctuation_pauses_part_the_sentences() -> None:
    words = speak(
        "he should go home now [0.5] i really liked that account [0.5]"
        " it is what you want so [0.6] i say no"
    )
    assert texts(shape_cues(words)) == [
        "he should go home now",
        "i really liked that account",
        "it is what you want so",
        "i say no",
    ]


def test_a_long_pause_is_never_bridged() -> None:
    first, second = shape_cues(speak("the [1.2] house"))
    assert (first.lines, second.lines) == (("the",), ("house",))
    assert second.start - first.end >= NETFLIX.min_gap


def test_a_cue_starts_with_its_first_word_and_leads_out_into_silence() -> None:
    words = speak("we went home early", start=3.0)
    (cue,) = shape_cues(words)
    assert cue.start == 3.0
    assert cue.end == pytest.approx(words[-1].end + 0.5)


def test_a_short_word_stays_long_enough() -> None:
    (cue,) = shape_cues([Word("No.", 5.0, 5.1)])
    assert cue.end - cue.start == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("pause", "gap"),
    [(0.0, 2 / 24), (0.3, 2 / 24), (0.55, 2 / 24), (0.7, 0.5), (0.9, 0.5), (1.0, 0.5), (1.3, 0.8)],
)
def test_gaps_are_closed_or_long_enough_to_see(pause: float, gap: float) -> None:
    sentence = "They found a broad river that was full of fish and of birds and of frogs."
    first, second = shape_cues(speak(f"{sentence} [{pause}] {sentence}"))
    assert second.start - first.end == pytest.approx(gap)


def test_reading_speed_may_be_counted_in_words() -> None:
    # 19 words: 6.3 s at the BBC's speed
    sentence = "I do so as we go on to it or up to it if it is up to us."
    words = speak(f"{sentence} [1.4] {sentence}")
    first, second = shape_cues(words, BBC)
    # spoken in 4 s, it stays for all the time there is
    assert first.end == pytest.approx(second.start)
    first, _ = shape_cues(words, NETFLIX)
    assert first.end == pytest.approx(words[18].end + 0.5)


def test_each_word_may_need_its_time() -> None:
    (cue,) = shape_cues(speak("so did all of us do it", char_seconds=0.02), BBC)
    assert cue.end - cue.start == pytest.approx(7 * 0.3)


def test_a_cue_spoken_too_fast_stays_until_the_next_one() -> None:
    sentence = "They found a broad river that was full of fish and of birds and of frogs."
    first, second = shape_cues(speak(f"{sentence} [0.9] {sentence}", char_seconds=0.03))
    assert second.start - first.end == pytest.approx(2 / 24)


def test_the_gap_follows_the_frame_rate() -> None:
    sentence = "They found a broad river that was full of fish and of birds and of frogs."
    first, second = shape_cues(speak(f"{sentence} {sentence}"), Norms(fps=50))
    assert second.start - first.end == pytest.approx(2 / 50)


@pytest.mark.parametrize("fps", [1 / 30, 0.1, 1.0, 5.0])
def test_frames_that_stand_for_seconds_make_no_gaps_of_seconds(fps: float) -> None:
    words = speak(
        "They found a broad river that was full of fish and of birds and of frogs. [0.2] " * 6
    )
    slow, usual = shape_cues(words, Norms(fps=fps)), shape_cues(words)
    assert [cue.lines for cue in slow] == [cue.lines for cue in usual]
    assert [cue.start for cue in slow] == pytest.approx([cue.start for cue in usual])
    assert [cue.end for cue in slow] == pytest.approx([cue.end for cue in usual], abs=0.1)


@pytest.mark.parametrize(
    "norms", [NETFLIX, Norms(fps=0.1), Norms(gap_frames=500), Norms(max_chars=6, max_lines=1)]
)
def test_no_cue_is_pushed_on_without_end(norms: Norms) -> None:
    at_once = [Word("voices", 3.0, 3.1)] * 400 + [Word("Then", 30.0, 31.0)]
    cues = shape_cues(at_once, norms)
    assert_hard_rules(cues, at_once, norms)
    assert cues[-1].start == 30.0 and all(3.0 <= cue.start <= 5.0 + EPS for cue in cues[:-1])


def test_a_crowd_in_one_place_leaves_the_others_alone() -> None:
    early, late = speak("We went home early."), speak("So did they.", start=60.0)
    crowd = [Word("voices", 20.0, 20.1)] * 400
    cues = shape_cues([*early, *crowd, *late])
    assert cues[0] == shape_cues(early)[0] and cues[-1] == shape_cues(late)[0]


def test_nothing_stands_longer_than_seven_seconds() -> None:
    assert [cue.end - cue.start for cue in shape_cues([Word("Oooh", 0.0, 12.0)])] == [7.0]
    slow = [Word("slow", float(i), i + 0.9) for i in range(30)]
    for cue in shape_cues(slow):
        assert 0.9 * len(cue.text.split()) <= cue.end - cue.start <= 7.0


def test_words_out_of_order_by_a_hair_keep_their_order() -> None:
    words = [
        Word("one", 1.0, 1.4),
        Word("two", 0.98, 1.5),
        Word("three", 1.45, 1.45),
        Word("four", 1.4, 1.9),
    ]
    (cue,) = shape_cues(words)
    assert (cue.start, cue.lines) == (1.0, ("one two three four",))
    assert cue.end == pytest.approx(2.4)


def test_a_word_that_overlaps_the_next_counts_as_ended_there() -> None:
    words = speak((GOLDEN / "valley.txt").read_text(encoding="utf-8"))
    longer = [Word(word.text, word.start, word.end + 5.0) for word in words[:-1]] + words[-1:]
    touching = [Word(a.text, a.start, b.start) for a, b in itertools.pairwise(words)] + words[-1:]
    assert shape_cues(longer) == shape_cues(touching)


def test_a_text_of_several_words_may_be_broken_like_any() -> None:
    sentence = "They found a broad river that was full of fish and of birds"
    (whole,) = shape_cues([Word(sentence, 1.0, 4.0)])
    assert whole.lines == ("They found a broad river", "that was full of fish and of birds")


def test_a_word_longer_than_a_line_stays_whole() -> None:
    word = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk"
    cues = shape_cues(speak(f"the {word} is closed"))
    assert word in [line for cue in cues for line in cue.lines]


def test_cues_on_one_short_line_for_small_screens() -> None:
    words = speak((GOLDEN / "valley.txt").read_text(encoding="utf-8"))
    assert_hard_rules(shape_cues(words, SOCIAL), words, SOCIAL)
    assert shape_cues(words, max_chars=24, max_lines=1) == shape_cues(
        words, Norms(max_chars=24, max_lines=1)
    )


@patiently
@given(st.lists(st.lists(st.floats(0, 9), min_size=4, max_size=4), min_size=1, max_size=8))
def test_no_other_sequence_of_cues_is_cheaper(costs: list[list[float]]) -> None:
    n, table = len(costs), np.array([[math.inf] * 4, *costs])

    def price(runs: list[tuple[int, int]]) -> float:
        return float(sum(table[i + d, d - 1] for i, d in runs))

    def all_runs(i: int) -> list[list[tuple[int, int]]]:
        if i == n:
            return [[]]
        return [[(i, d), *rest] for d in range(1, min(4, n - i) + 1) for rest in all_runs(i + d)]

    assert price(cheapest_runs(table)) == pytest.approx(min(map(price, all_runs(0))))


@pytest.mark.parametrize("preset", PRESETS)
def test_ten_thousand_words_take_less_than_a_second(preset: str) -> None:
    rng = random.Random(7)
    vocabulary = (GOLDEN / "valley.txt").read_text(encoding="utf-8").split()
    words = speak(" ".join(rng.choice(vocabulary) for _ in range(11_800)))[:10_000]
    assert len(words) == 10_000
    times = []
    for _ in range(3):
        begun = time.process_time()  # of this process alone, however busy the machine is
        shape_cues(words, PRESETS[preset])
        times.append(time.process_time() - begun)
    assert min(times) < 1.0
