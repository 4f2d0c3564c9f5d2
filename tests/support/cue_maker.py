"""Cues, words and norms of all kinds, and what must hold of cues."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gptasr_subs.cues.markup import plain
from gptasr_subs.cues.norms import NETFLIX, PRESETS, Norms
from gptasr_subs.types import Cue, Word

CHAR_SECONDS = 1 / 14  # an ordinary voice


EPS = 1e-6


# other work may hold the machine
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def speak(text: str, *, start: float = 1.0, char_seconds: float = CHAR_SECONDS) -> list[Word]:
    """Words spoken one after the other; ``[0.5]`` is half a second of silence."""
    words, now = [], start
    for token in text.split():
        if pause := re.fullmatch(r"\[([\d.]+)\]", token):
            now += float(pause[1])
        else:
            end = now + char_seconds * (len(token) + 1)
            words.append(Word(token, now, end))
            now = end
    return words


def tokens_of(words: list[Word]) -> list[str]:
    return [token for word in words for token in word.text.split()]


def assert_hard_rules(cues: list[Cue], words: list[Word], norms: Norms = NETFLIX) -> None:
    assert [token for cue in cues for line in cue.lines for token in line.split()] == tokens_of(
        words
    )
    for cue in cues:
        assert 1 <= len(cue.lines) <= norms.max_lines
        assert all(len(line) <= norms.max_chars or " " not in line for line in cue.lines)
        assert (
            math.isfinite(cue.end)
            and 0 <= cue.start < cue.end <= cue.start + norms.max_seconds + EPS
        )
    for cue, following in itertools.pairwise(cues):
        assert following.start - cue.end >= (
            0 if crowds(cue, following, norms) else norms.gap - EPS
        )


def crowds(cue: Cue, following: Cue, norms: Norms) -> bool:
    """Whether two cues begin nearer to each other than a flash and a gap."""
    return following.start - cue.start < norms.gap + 2 * norms.frame - EPS


presets = st.sampled_from([*PRESETS.values()])


@st.composite
def any_norms(draw: st.DrawFn) -> Norms:
    """A preset, or one of which some knobs are turned."""
    norms = draw(presets)
    knobs = {
        "max_chars": st.integers(1, 50),
        "max_lines": st.integers(1, 3),
        "max_seconds": st.floats(1, 10),
        "max_words_per_minute": st.floats(60, 300),
        "gap_frames": st.integers(0, 6),
        "lead_out": st.floats(0, 2),
        "min_gap": st.floats(0, 1),
        "long_pause": st.floats(0.2, 2),
        "fps": st.sampled_from([12.0, 23.976, 25.0, 60.0]),
    }
    turned = draw(st.sets(st.sampled_from(sorted(knobs)), max_size=4))
    return replace(norms, **{knob: draw(knobs[knob]) for knob in sorted(turned)})


some_text = st.one_of(
    st.text("abc", min_size=1, max_size=14),
    st.sampled_from(
        [
            "the",
            "and",
            "not",
            "I",
            "Mr.",
            "end.",
            "well,",
            "x" * 60,
            "",
            " ",
            " two parts ",
            "line\nbreak",
        ]
    ),
    st.text(max_size=5),
)


@st.composite
def wild_words(draw: st.DrawFn) -> list[Word]:
    """Words with any times a broken recogniser could give them."""
    times = st.one_of(st.floats(-10, 1e5), st.sampled_from([0.0, math.nan, math.inf, -math.inf]))
    return [
        Word(draw(some_text), draw(times), draw(times)) for _ in range(draw(st.integers(0, 40)))
    ]


@st.composite
def spoken_words(draw: st.DrawFn) -> list[Word]:
    """Words in order, at the speed of a voice, with pauses between."""
    words, now = [], draw(st.floats(0, 100))
    for _ in range(draw(st.integers(1, 60))):
        text = draw(
            st.one_of(
                st.text("abcd.,", min_size=1, max_size=12), st.sampled_from(["the", "and", "went."])
            )
        )
        end = now + draw(st.floats(0.05, 1.0))
        words.append(Word(text, now, end))
        now = end + draw(st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 3.0)))
    return words


CLEAN = [
    Cue(1.0, 4.0, ("We walked along the river all day,", "and nobody said a word.")),
    Cue(4.0 + 2 / 24, 6.0, ("Then <i>somebody</i> laughed.",)),
    Cue(6.5, 8.5, ("- Who is there?", "- Me.")),
    Cue(20.0, 27.0, ("[a door slams]",), 8),
    Cue(40.0, 40.833, ("Yes.",)),
]


# Between the clean ones, for each rule: the cues planted, and which of them is to blame.
FAULTS: dict[str, tuple[list[Cue], int]] = {
    "lines": ([Cue(10.0, 13.0, ("We walked.", "We ran.", "We sang."))], 0),
    "line-length": ([Cue(10.0, 13.0, ("We walked along the river all day and more.",))], 0),
    "order": ([Cue(12.0, 13.0, ("We walked.",)), Cue(10.0, 11.0, ("We ran.",))], 1),
    "overlap": ([Cue(10.0, 12.0, ("We walked.",)), Cue(11.9, 13.0, ("We ran.",))], 0),
    "double": ([Cue(10.0, 12.0, ("We walked.",)), Cue(10.0, 12.0, ("<i>We walked.</i>",))], 1),
    "rolling": (
        [
            Cue(10.0, 12.0, ("We walked.",)),
            Cue(12.0 + 2 / 24, 14.0, ("We walked.", "We ran.")),
            Cue(14.0 + 2 / 24, 16.0, ("We ran.", "We sang.")),
        ],
        1,
    ),
    "no-time": ([Cue(10.0, 10.0, ("We walked.",))], 0),
    "too-long": ([Cue(10.0, 17.1, ("We walked.",))], 0),
    "too-short": ([Cue(10.0, 10.8, ("We walked.",))], 0),
    "too-fast": ([Cue(10.0, 11.5, ("We walked along the river all day <b>long</b>.",))], 0),
    "gap": ([Cue(10.0, 12.0, ("We walked.",)), Cue(12.04, 14.0, ("We ran.",))], 0),
    "flicker": ([Cue(10.0, 12.0, ("We walked.",)), Cue(12.3, 14.0, ("We ran.",))], 0),
    "empty": ([Cue(10.0, 12.0, ("<i></i>",))], 0),
    "long-word": ([Cue(10.0, 14.0, ("Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",))], 0),
    "orphan": ([Cue(10.0, 13.0, ("We walked along the river all", "day."))], 0),
    "unbalanced": ([Cue(10.0, 14.0, ("We walked along the long river all day,", "and ran."))], 0),
    "split-phrase": (
        [Cue(10.0, 12.0, ("We walked along the",)), Cue(12.0 + 2 / 24, 14.0, ("river all day.",))],
        0,
    ),
}


OTHER_TOOL = Path(__file__).parents[1] / "golden" / "other_tool.srt"


def words_of(cues: list[Cue]) -> list[str]:
    return plain(" ".join(" ".join(cue.lines) for cue in cues)).split()
