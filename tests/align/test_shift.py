"""Offset and speed of a subtitle, and where they change, are found from where its words lie."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.align.parts import Evidence, find_stretches
from gptasr_subs.align.shift import SPEEDS, Floats, Shift
from gptasr_subs.types import Cue

RNG = np.random.default_rng(1)
STARTS = np.cumsum(RNG.uniform(2, 9, 200))
RATIOS = {"as it is": 1.0, **SPEEDS}


def evidence(written: Floats, spoken: Floats, weight: float = 1.0) -> Evidence:
    return Evidence(np.asarray(written), np.asarray(spoken), np.full(len(written), weight))


def one_shift(written: Floats, spoken: Floats) -> Shift:
    """The shift that explains most, as if there were no breaks."""
    (stretch,) = find_stretches(evidence(written, spoken), breaks=False)
    return stretch.shift


@settings(deadline=None)
@given(
    st.sampled_from(list(RATIOS.values())),
    st.floats(-60, 60),
    st.floats(0, 0.3),
    st.integers(0, 99),
)
def test_words_tell_the_shift_though_some_were_found_elsewhere(
    ratio: float, offset: float, wrong: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    written = ratio * STARTS + offset
    spoken = (
        STARTS
        + rng.normal(0, 0.05, len(STARTS))
        + (rng.random(len(STARTS)) < wrong) * rng.uniform(-30, 30, len(STARTS))
    )
    shift = one_shift(written, spoken)
    assert shift.ratio == pytest.approx(1 / ratio)
    assert shift.ratio * written + shift.offset == pytest.approx(STARTS, abs=0.06)
    assert shift.confidence > 0.9 - wrong


def test_a_speed_that_nobody_uses_is_found_too() -> None:
    shift = one_shift(1.02 * STARTS + 2, STARTS)
    assert shift.ratio == pytest.approx(1 / 1.02) and shift.offset == pytest.approx(
        -2 / 1.02, abs=0.05
    )


@pytest.mark.parametrize(
    ("shift", "words"),
    [
        (Shift(23.976 / 25, -3.2 * 23.976 / 25), "runs slow by 25/23.976 and begins 3.20 s late"),
        (Shift(25 / 24, 0.0), "runs fast by 24/25"),
        (Shift(1.0, 1.5), "begins 1.50 s early"),
        (Shift(1 / 1.02, 0.0), "runs slow by 2.00 %"),
        (Shift(), "is neither early nor late"),
    ],
)
def test_it_says_what_was_wrong(shift: Shift, words: str) -> None:
    assert str(shift) == words


def test_cues_keep_their_text_and_do_not_begin_before_the_film() -> None:
    assert Shift(1.0, -5.0).moved(Cue(2.0, 7.0, ("a", "b"))) == Cue(0.0, 2.0, ("a", "b"))
