"""Subtitles of other cuts come back part by part; what is right, or hardly recognised, stays."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.subtitle_breaks import read_true_cues, score_many, with_break
from gptasr_subs.align import parts
from gptasr_subs.align.known_text import CtcEmissions, compute_emissions
from gptasr_subs.align.parts import Evidence, find_stretches
from gptasr_subs.align.retiming import Timed, align_cues
from gptasr_subs.formats import read, write
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.types import Cue
from tests.support.ended import Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import REFERENCE_TALK as TALK
from tests.support.films import make_film
from tests.support.planted import said

LINES = [
    "one for the money and the gold", "two for the show tonight", "three to make ready now",
    "and four to go home", "a winter without any snow", "letters that nobody opened",
    "he burnt them in the yard", "seven years went by", "the boat lies under trees",
    "white birds near the water", "they come back every spring", "thank you for watching",
]  # fmt: skip


@pytest.fixture(scope="module")
def film() -> CtcEmissions:
    emissions, _ = said(LINES)
    return replace(emissions, seconds=float(emissions.times[-1]) + 1.0)


@pytest.fixture(scope="module")
def true() -> list[Cue]:
    """The lines when they are said."""
    return [
        Cue(span.start, span.end, (line,)) for line, span in zip(LINES, said(LINES)[1], strict=True)
    ]


def late(cues: list[Cue], *seconds: float) -> list[Cue]:
    """Each cue late by its own number of seconds."""
    return [
        replace(cue, start=cue.start + s, end=cue.end + s)
        for cue, s in zip(cues, seconds, strict=True)
    ]


def starts(timed: Timed) -> dict[str, float]:
    return {cue.text: cue.start for cue in timed.cues}


def assert_true(timed: Timed, true: list[Cue], near: float = 0.05) -> None:
    assert [cue.text for cue in timed.cues] == [cue.text for cue in true]
    assert [cue.start for cue in timed.cues] == pytest.approx([cue.start for cue in true], abs=near)


@pytest.mark.parametrize(
    "seconds",
    [
        [0.0] * 6 + [30.0] * 6,  # a break that the film has not
        [0.0] * 9 + [17.5] * 3,
        [-1.0] * 3 + [30.0] * 9,
        [2.0] * 4 + [20.0] * 4 + [45.0] * 4,  # three acts
        [0.0] * 4 + [12.0] * 3 + [0.0] * 5,  # a scene that was put elsewhere and back
        [0.0] * 5 + [1.2] * 7,
        [40.0] * 2 + [0.0] * 10,
        [3.0, *[60.0] * 11],  # a part of one cue
    ],
)
def test_each_part_comes_back_by_its_own_shift(
    film: CtcEmissions, true: list[Cue], seconds: list[float]
) -> None:
    timed = align_cues(late(true, *seconds), film)
    assert_true(timed, true)
    assert len(timed.parts) == sum(a != b for a, b in itertools.pairwise(seconds)) + 1
    for cue, was, off in zip(timed.cues, true, seconds, strict=True):
        assert off or cue == was


@pytest.mark.parametrize("place", [2, 6, 10])
def test_a_break_that_only_the_film_has(film: CtcEmissions, true: list[Cue], place: int) -> None:
    longer = with_break(film, (true[place - 1].end + true[place].start) / 2, 25.0)
    timed = align_cues(true, longer)
    assert_true(timed, late(true, *[0.0] * place, *[25.0] * (len(true) - place)))
    assert list(timed.cues[:place]) == true[:place] and timed.parts[0].is_right


def test_a_speed_and_a_break_at_once(film: CtcEmissions, true: list[Cue]) -> None:
    slow = [replace(cue, start=25 / 24 * cue.start, end=25 / 24 * cue.end) for cue in true]
    timed = align_cues(late(slow, *[0.0] * 6, *[30.0] * 6), film)
    assert_true(timed, true, near=0.15)
    assert {round(part.shift.ratio, 3) for part in timed.parts} == {0.96}


def test_what_is_right_is_left_as_it_was(film: CtcEmissions, true: list[Cue]) -> None:
    for off in (0.0, 0.08, -0.1):
        cues = late(true, *[off] * len(true))
        timed = align_cues(cues, film)
        assert list(timed.cues) == cues and all(part.is_right for part in timed.parts)


@pytest.mark.parametrize("number", [0, 5, 11])
def test_one_cue_a_little_off_makes_no_part(
    film: CtcEmissions, true: list[Cue], number: int
) -> None:
    cues = late(true, *(0.6 * (k == number) for k in range(len(true))))
    assert list(align_cues(cues, film).cues) == cues


def test_a_cue_that_is_heard_elsewhere_is_told(film: CtcEmissions, true: list[Cue]) -> None:
    cues = late(true, *(5.0 * (k == 3) for k in range(len(true))))
    cues[3] = replace(cues[3], lines=("to go home",))
    timed = align_cues(cues, film)
    assert list(timed.cues) == cues and timed.astray == ("to go home",)
    assert align_cues(true, film).astray == ()


def test_as_a_whole_there_are_no_parts(film: CtcEmissions, true: list[Cue]) -> None:
    timed = align_cues(late(true, *[2.0] * 7, *[30.0] * 5), film, each=False)
    assert timed.shift.offset == pytest.approx(-2.0, abs=0.05) and len(timed.parts) == 1


# What falls outside the film, and what it has not

STRANGE = ["nobody saw this ship again", "we shall be back she said", "very cold it was"]


@pytest.mark.parametrize("begin", [-60.0, -9.0])
def test_an_intro_that_the_film_has_not_is_left_out(
    film: CtcEmissions, true: list[Cue], begin: float
) -> None:
    intro = [
        Cue(60.3 + begin + 3 * k, 62.3 + begin + 3 * k, (text,)) for k, text in enumerate(STRANGE)
    ]
    timed = align_cues([*intro, *late(true, *[60.0] * len(true))], film)
    assert timed.outside == tuple(STRANGE)
    assert_true(timed, true)


def test_credits_after_the_end_are_left_out(film: CtcEmissions, true: list[Cue]) -> None:
    credits = [
        Cue(film.seconds + 5 + 3 * k, film.seconds + 7 + 3 * k, (text,))
        for k, text in enumerate(STRANGE)
    ]
    timed = align_cues([*true, *credits], film)
    assert timed.outside == tuple(STRANGE) and list(timed.cues) == true


def test_a_cue_that_reaches_over_an_edge_of_the_film_ends_there(
    film: CtcEmissions, true: list[Cue]
) -> None:
    early = replace(true[0], start=true[0].start - 0.5, end=true[0].end)
    last = replace(true[-1], end=film.seconds + 3.0)
    cues = late([early, *true[1:-1], last], *[5.0] * len(true))
    timed = align_cues(cues, film)
    assert timed.outside == () and timed.cues[0].start == 0.0
    assert timed.cues[0].end == pytest.approx(true[0].end, abs=0.05)
    assert timed.cues[-1].end == film.seconds


@pytest.mark.parametrize("offset", [-30.0, -1.0, 5.0, 100.0])
def test_no_cue_is_left_without_time(film: CtcEmissions, true: list[Cue], offset: float) -> None:
    extra = [Cue(0.2 * k, 0.2 * k + 0.15, ("abracadabra",)) for k in range(8)]
    timed = align_cues([*extra, *late(true, *[max(2.0, offset)] * 12)], film)
    assert all(0 <= cue.start < cue.end <= film.seconds for cue in timed.cues)


def test_a_scene_that_the_film_has_not_is_told_and_left_out(
    film: CtcEmissions, true: list[Cue]
) -> None:
    scene = [
        Cue(true[5].end + 1 + 4 * k, true[5].end + 4 + 4 * k, (text,))
        for k, text in enumerate(STRANGE)
    ]
    timed = align_cues([*true[:6], *scene, *late(true[6:], *[20.0] * 6)], film)
    assert timed.unplaced == tuple(STRANGE)
    assert_true(timed, true)


def test_an_unheard_cue_stays_on_its_side_of_the_break(film: CtcEmissions, true: list[Cue]) -> None:
    longer = with_break(film, (true[5].end + true[6].start) / 2, 25.0)
    cough = Cue(true[5].end + 0.02, true[5].end + 0.4, ("[coughs]",))
    timed = align_cues([*true[:6], cough, *late(true[6:], *[40.0] * 6)], longer)
    assert starts(timed)["[coughs]"] == cough.start and not timed.unplaced


# A shift made of nothing


@pytest.mark.parametrize("count", [1, 2])
def test_few_clear_words_say_nothing(film: CtcEmissions, true: list[Cue], count: int) -> None:
    cues = [replace(cue, lines=(" ".join(cue.text.split()[-1:]),)) for cue in true[-count:]]
    cues = late(cues, *[8.0] * count)
    timed = align_cues(cues, film)
    assert list(timed.cues) == cues and timed.parts == ()


@pytest.mark.parametrize("seconds", [8.0, 3.0, -1.0, 200.0])
@pytest.mark.parametrize("numbers", [(0,), (3, 8), (4, 5, 6, 7, 8)])
def test_a_few_cues_move_without_a_speed(
    film: CtcEmissions, true: list[Cue], seconds: float, numbers: tuple[int, ...]
) -> None:
    some = [true[number] for number in numbers]
    timed = align_cues(late(some, *[seconds] * len(some)), film)
    assert_true(timed, some, near=0.15)
    assert timed.shift.ratio == 1


@settings(deadline=None)
@given(st.integers(1, 5), st.floats(-60, 60), st.integers(0, 99))
def test_few_cues_that_scatter_tell_no_speed(count: int, offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    written = np.cumsum(rng.uniform(2, 9, count))
    spoken = written + offset + rng.uniform(-0.2, 0.2, count)
    for stretch in find_stretches(Evidence(written, spoken, np.full(count, 2.0))):
        assert stretch.shift.ratio == 1 and stretch.margin > 0.03


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, 5.0, 30.0]), min_size=2, max_size=6), st.integers(0, 99))
def test_no_other_way_to_part_them_is_cheaper(lates: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    written = np.cumsum(rng.uniform(2, 9, len(lates)))
    evidence = Evidence(written, written + lates, weights=rng.uniform(0.1, 2, len(lates)))
    cheapest, _, path = parts.best_path(evidence, 1.0, penalty=0.0, breaks=True)
    scatter = parts.scatter_seconds(evidence)

    def cost(way: tuple[float, ...]) -> float:
        misses = np.minimum(np.abs(np.array(lates) - way) / scatter, parts.OUTLIER)
        jumps = [
            parts.break_penalties(np.array(pair))[0, 1]
            for pair in itertools.pairwise(way)
            if pair[0] != pair[1]
        ]
        return float((evidence.weights * misses).sum() + sum(jumps))

    assert cheapest == pytest.approx(
        min(cost(way) for way in itertools.product(sorted(set(lates)), repeat=len(lates)))
    )
    assert cheapest == pytest.approx(cost(tuple(path.tolist())))


def test_fifteen_hundred_cues_take_a_moment() -> None:
    rng = np.random.default_rng(3)
    written = np.cumsum(rng.uniform(2, 6, 1500))
    lates = np.repeat([0.0, 120.0, 240.5], 500)
    spoken = (
        written
        - lates
        + rng.normal(0, 0.15, 1500)
        + (rng.random(1500) < 0.1) * rng.uniform(-9, 9, 1500)
    )
    found = find_stretches(Evidence(written, spoken, np.full(1500, 1.0)))
    assert [stretch.first for stretch in found] == pytest.approx([0, 500, 1000], abs=3)
    assert [stretch.shift.offset for stretch in found] == pytest.approx([0, -120, -240.5], abs=0.03)


# The program


def test_the_program_tells_each_part(
    program: Program, fake: FakeRecognizer, tmp_path: Path
) -> None:
    names = ["one", "two", "three", "four", "Five.", "Six."]
    rng = np.random.default_rng(2)
    spoken = [[names[k] for k in rng.permutation(6)] for _ in range(8)]
    words = [
        (1.0 + 5 * k + 0.5 * j, word)
        for k, line in enumerate(spoken)
        for j, word in enumerate(line)
    ]
    video = make_film(tmp_path / "talk.mp4", words, seconds=42.0)
    cues = [Cue(1.0 + 5 * k, 4.0 + 5 * k, (" ".join(line),)) for k, line in enumerate(spoken)]
    logo = Cue(0.0, 0.9, ("[a logo]",))
    write(
        tmp_path / "tv.srt",
        [logo, *late(cues, *[0.0] * 4, *[30.0] * 4), Cue(90.0, 92.0, ("Subtitles by me",))],
    )
    ended = program("align", video, tmp_path / "tv.srt", "-o", tmp_path / "mended.srt")
    assert ended.code == 0, ended.err
    assert "part 1 (subtitles 1 to 5), is neither early nor late; left as it was" in ended.err
    assert (
        "part 2 (subtitles 6 to 10), begins 30.0" in ended.err
        and "mended, give or take 0." in ended.err
    )
    assert "before or after the video: “Subtitles by me”" in ended.err
    mended = read(tmp_path / "mended.srt")
    assert [cue.start for cue in mended] == pytest.approx(
        [0.0, *(cue.start for cue in cues)], abs=0.1
    )
    assert list(mended[1:5]) == cues[:4]
    write(tmp_path / "thin.srt", [Cue(30.0, 31.0, (names[0],))])
    ended = program("align", video, tmp_path / "thin.srt", "-o", tmp_path / "thin.out.srt")
    assert ended.code == 0 and "Too little of" in ended.err and "left as it was" in ended.err
    assert read(tmp_path / "thin.out.srt") == read(tmp_path / "thin.srt")


@pytest.mark.slow
@pytest.mark.skipif(not TALK.exists(), reason="the reference film is not at hand")
@pytest.mark.parametrize("breaks", [1, 2, 3])
def test_real_voices_come_back_from_random_cuts(model: GptAsrRecognizer, breaks: int) -> None:
    emissions = compute_emissions(TALK, model)
    found = score_many(emissions, read_true_cues(TALK.with_name("talk.truth.json")), breaks)
    assert np.mean(np.array(found.off) <= 0.25) >= 0.95 and max(found.moved) <= 0.1
