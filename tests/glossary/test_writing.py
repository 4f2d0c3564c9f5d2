"""Terms in recognised words come out as the glossary has them; times and other words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.glossary.files import parse_glossary
from gptasr_subs.glossary.writing import TermWriter
from tests.support.cue_maker import patiently, speak

WRITER = TermWriter(
    parse_glossary(
        """
        McCoy
        New York
        R2-D2 | artoo detoo, r two dee two
        Siobhan | shivawn
        apomorphine | apple morphine
        iPhone
        Jean-Luc
        """,
        "crew",
    )
)


def written(text: str) -> str:
    return " ".join(word.text for word in WRITER.write(speak(text)))


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        ("Dr. Mccoy, come!", "Dr. McCoy, come!"),
        ("“mccoy’s” ship", "“McCoy’s” ship"),
        ("in new york.", "in New York."),
        ("the new. York", "the new. York"),
        ("Artoo Detoo, help.", "R2-D2, help."),
        ("say r two dee two!", "say R2-D2!"),
        ("Shivawn's", "Siobhan's"),
        ("Apple morphine is", "Apomorphine is"),
        ("of Apomorphine.", "of Apomorphine."),
        ("an iphone", "an iPhone"),
        ("jean luc and Jean-luc", "Jean-Luc and Jean-Luc"),
        ("mccoys", "mccoys"),
        ("... — !", "... — !"),
    ],
)
def test_terms_are_written_as_the_glossary_has_them(heard: str, expected: str) -> None:
    assert written(heard) == expected


@patiently
@given(st.lists(st.sampled_from(["artoo", "detoo", "new", "York,", "mccoy", "x", "-"]), max_size=9))
def test_times_stay_in_order_and_keep_their_ends(parts: list[str]) -> None:
    words = speak(" ".join(parts))
    found = WRITER.write(words)
    times = [time for word in found for time in (word.start, word.end)]
    assert times == sorted(times)
    assert [w.start for w in words[:1]] == [w.start for w in found[:1]]
    assert [w.end for w in words[-1:]] == [w.end for w in found[-1:]]
