"""Layers, frames and rolling captions: what is said once is shown once, at its time."""

from __future__ import annotations

import pytest

from gptasr_subs.cues.lint import lint
from gptasr_subs.cues.repair import fix_cues
from gptasr_subs.types import Cue
from tests.support.cue_maker import words_of

SPEECH = [
    Cue(1.0, 3.0, ("Where are we now?",)),
    Cue(3.5, 5.5, ("I do not know yet.",)),
    Cue(6.0, 8.5, ("Somewhere in the north.",)),
    Cue(9.0, 12.0, ("Let us get off here.",)),
]


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_a_long_sign_in_layers_does_not_move_speech(layers: int) -> None:
    sign = [Cue(2.0, 8.0, ("CENTRAL STATION, 1956",), 8)] * layers
    fixed = fix_cues([*SPEECH, *sign])
    assert [cue for cue in fixed if cue.position == 2] == SPEECH
    assert [cue for cue in fixed if cue.position == 8] == sign[:1]


def test_a_sign_of_many_frames_is_one_cue() -> None:
    frames = [Cue(2.0 + 0.04 * k, 2.0 + 0.04 * (k + 1), ("EXIT",), 8) for k in range(100)]
    fixed = fix_cues([*SPEECH, *frames])
    (sign,) = [cue for cue in fixed if cue.position == 8]
    assert (sign.start, sign.end) == (2.0, pytest.approx(6.0))
    assert [cue for cue in fixed if cue.position == 2] == SPEECH


def test_layers_that_differ_a_little_in_time_are_one() -> None:
    cues = [Cue(1.0, 3.0, ("EXIT",)), Cue(1.2, 3.4, ("<b>EXIT</b>",))]
    assert fix_cues(cues) == [Cue(1.0, 3.4, ("EXIT",))]
    assert lint(cues).rules() == {"double": 1}


def test_what_is_said_twice_stays_twice() -> None:
    cues = [
        Cue(1.0, 2.0, ("No.",)),
        Cue(2.0 + 2 / 24, 3.0, ("No.",)),
        Cue(3.0 + 2 / 24, 4.0, ("No.",)),
    ]
    assert words_of(fix_cues(cues)) == ["No.", "No.", "No."]
    assert "rolling" not in lint(cues).rules()


def test_two_places_at_one_time_are_no_fault() -> None:
    cues = [Cue(1.0, 3.0, ("Myra?",)), Cue(1.0, 3.0, ("CITY HALL",), 8)]
    assert lint(cues).violations == () and fix_cues(cues) == cues


def test_a_long_cue_is_seen_over_all_that_it_covers() -> None:
    cues = [Cue(2.0, 8.6, ("CENTRAL STATION",)), *SPEECH[1:3]]
    assert [
        violation.cue for violation in lint(cues).violations if violation.rule == "overlap"
    ] == [1, 3]


ROLLING = {
    "with holds": [
        (0.2, 3.4, ("so do your kids",)),
        (3.4, 3.41, ("so do your kids",)),
        (3.41, 5.7, ("so do your kids", "think it is cool")),
        (5.7, 5.71, ("think it is cool",)),
        (5.71, 8.2, ("think it is cool", "well they do not mind")),
    ],
    "two lines": [
        (0.2, 3.4, ("so do your kids",)),
        (3.4, 5.7, ("so do your kids", "<i>think it is cool</i>")),
        (5.7, 8.2, ("<i>think it is cool</i>", "well they do not mind")),
    ],
    "three lines": [
        (0.2, 3.4, ("so do your kids", "think")),
        (3.4, 5.7, ("so do your kids", "think", "it is cool")),
        (5.7, 8.2, ("think", "it is cool", "well they do not mind")),
    ],
    "word by word": [
        (0.2, 1.0, ("so do",)),
        (1.0, 2.0, ("so do your kids",)),
        (2.0, 3.0, ("so do your kids think it",)),
        (3.0, 4.5, ("so do your kids think it is cool",)),
        (4.5, 8.2, ("well they do not mind",)),
    ],
}


@pytest.mark.parametrize("kind", ROLLING)
def test_rolling_captions_show_each_word_once(kind: str) -> None:
    cues = [Cue(*fields) for fields in ROLLING[kind]]
    assert lint(cues).rules()["rolling"] == 1
    fixed = fix_cues(cues)
    assert words_of(fixed) == [
        "so",
        "do",
        "your",
        "kids",
        "think",
        "it",
        "is",
        "cool",
        "well",
        "they",
        "do",
        "not",
        "mind",
    ]
    assert lint(fixed).errors == 0 and "rolling" not in lint(fixed).rules()
    assert fix_cues(fixed) == fixed
    assert fixed[-1].end <= 8.2 + 0.5
