"""Signs, layers and doubles: dialogue keeps its times, no word is lost, twice changes nothing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.cues.lint import lint
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.repair import fix_cues
from gptasr_subs.types import Cue
from tests.support.cue_maker import patiently, presets, words_of

_FARTHEST = 0.3  # seconds
_SIGNS = ["CENTRAL STATION", "CITY HALL, 1956", "EXIT", "NO SMOKING IN THE LIFT"]


@st.composite
def dialogue(draw: st.DrawFn) -> list[Cue]:
    """Lines each of which has words of its own, some too fast, some touching, some overlapping,
    some of no time at all.
    """
    cues: list[Cue] = []
    now = draw(st.floats(0, 5))
    for index in range(draw(st.integers(1, 12))):
        words = [f"word{index}x{k}" for k in range(draw(st.integers(1, 12)))]
        seconds = draw(st.sampled_from([0.0, 0.2, 1.0, 2.0, 3.0, 5.0, 9.0]))
        half = (len(words) + 1) // 2
        lines = (
            [" ".join(words)]
            if len(words) < 4
            else [" ".join(words[:half]), " ".join(words[half:])]
        )
        cues.append(Cue(now, now + seconds, tuple(lines)))
        now += max(0.0, seconds + draw(st.sampled_from([-0.5, -0.1, 0.0, 2 / 24, 0.3, 1.0, 3.0])))
    return cues


@st.composite
def signs(draw: st.DrawFn, place: int) -> list[Cue]:
    """Signs in several layers, in frames, of no time, or longer than anybody needs to read them."""
    cues = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.floats(0, 40))
        text = draw(st.sampled_from(_SIGNS))
        if draw(st.booleans()):
            frames = draw(st.integers(1, 20))
            cues += [
                Cue(start + 0.04 * k, start + 0.04 * (k + 1), (text,), place) for k in range(frames)
            ]
        else:
            seconds = draw(st.one_of(st.just(0.0), st.floats(0.1, 20)))
            cues += [Cue(start, start + seconds, (text,), place)] * draw(st.integers(1, 4))
    return cues


@st.composite
def files(draw: st.DrawFn) -> list[Cue]:
    """Dialogue, some of it doubled, with signs at the top and amid it and cues of no time."""
    said = draw(dialogue())
    doubles = [cue for cue in said if draw(st.integers(0, 7)) == 0]
    moments = [
        Cue(cue.start, cue.start, (f"moment{index}",))
        for index, cue in enumerate(said)
        if draw(st.integers(0, 7)) == 0
    ]
    cues = [*moments, *said, *doubles, *draw(signs(8)), *draw(signs(2))]
    return sorted(cues, key=lambda cue: cue.start)


def right_ones(cues: list[Cue], norms: Norms) -> list[Cue]:
    """The cues that have no part in any fault."""
    lane = {
        place: [cue for cue in cues if cue.position == place]
        for place in {c.position for c in cues}
    }
    right = []
    for own in lane.values():
        violations = lint(own, norms).violations
        faulty = {v.cue - 1 + i for v in violations for i in range(1 + v.pair)}
        doubled = {
            own[v.cue - 1].lines for v in violations if v.rule == "double"
        }  # with the other one
        right += [cue for i, cue in enumerate(own) if i not in faulty and cue.lines not in doubled]
    return right


@patiently
@given(files(), presets)
def test_what_breaks_no_rule_does_not_move(cues: list[Cue], norms: Norms) -> None:
    fixed = fix_cues(cues, norms)
    for cue in right_ones(cues, norms):
        assert any(stays(cue, other) for other in fixed), cue


def stays(cue: Cue, other: Cue) -> bool:
    """Whether another cue shows the text of this one, alone or not, at its time and place."""
    near = max(abs(other.start - cue.start), abs(other.end - cue.end)) <= _FARTHEST
    words = " ".join(words_of([cue]))
    return near and other.position == cue.position and words in " ".join(words_of([other]))


@patiently
@given(files(), presets)
def test_no_word_is_lost_and_nothing_is_an_error(cues: list[Cue], norms: Norms) -> None:
    fixed = fix_cues(cues, norms)
    for place in {cue.position for cue in cues}:
        there = [cue for cue in fixed if cue.position == place]
        assert set(words_of(there)) == set(words_of([cue for cue in cues if cue.position == place]))
    assert lint(fixed, norms).errors == 0


@patiently
@given(files(), presets)
def test_twice_changes_nothing(cues: list[Cue], norms: Norms) -> None:
    fixed = fix_cues(cues, norms)
    assert fix_cues(fixed, norms) == fixed


@patiently
@given(dialogue(), signs(8))
def test_signs_in_another_place_change_nothing_of_dialogue(said: list[Cue], top: list[Cue]) -> None:
    both = fix_cues([*said, *top])
    assert [cue for cue in both if cue.position == 2] == fix_cues(said)


@patiently
@given(dialogue(), st.integers(2, 4))
def test_layers_are_as_if_there_was_one(said: list[Cue], layers: int) -> None:
    said = [replace(cue, end=cue.start + max(0.5, cue.end - cue.start)) for cue in said]
    assert fix_cues([cue for cue in said for _ in range(layers)], NETFLIX) == fix_cues(
        said, NETFLIX
    )
