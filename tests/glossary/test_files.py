"""Glossary files: what they may hold, what is refused, and where they are found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptasr_subs.errors import FormatError
from gptasr_subs.glossary.files import find_glossaries, parse_glossary, read_glossary
from gptasr_subs.glossary.terms import Glossary, Term, combine
from tests.support.cue_maker import patiently

CREW = """\
# The crew
Jean-Luc  Picard   # the captain

Siobhan | shivawn, she vaun
R2-D2 | artoo detoo | 2
Data | | 0.5
C#1 | see sharp
"""


def test_terms_have_spellings_and_weights_if_need_be() -> None:
    assert parse_glossary(CREW, "crew").terms == (
        Term("Jean-Luc Picard"),
        Term("Siobhan", ("shivawn", "she vaun")),
        Term("R2-D2", ("artoo detoo",), 2.0),
        Term("Data", (), 0.5),
        Term("C#1", ("see sharp",)),
    )


def test_a_term_sounds_as_it_is_written_if_letters_say_so() -> None:
    assert Term("Zoë", ("zoey",)).sounds == ("Zoë", "zoey")
    assert Term("R2-D2", ("artoo detoo",)).sounds == ("artoo detoo",)


def test_a_term_that_is_there_twice_is_one() -> None:
    terms = parse_glossary("Data | dayta\nData | datta | 2\nData | dayta", "x").terms
    assert terms == (Term("Data", ("dayta", "datta"), 2.0),)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("| shivawn", "before"),
        ("a | b | 1 | c", "more than two"),
        ("R2-D2", "add that behind"),
        ("🎬", "add that behind"),
        ("Ольга", "add that behind"),
        ("R2-D2 | r2", "other signs"),
        ("Data | | heavy", "weight"),
        ("Data | | 0", "weight"),
        ("Data | | nan", "weight"),
        ("Data | | 6", "weight"),
        ("x" * 81, "81 characters"),
    ],
)
def test_what_cannot_be_understood_is_named_with_its_line(line: str, reason: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse_glossary(f"Picard\n\n{line}\n", "crew.txt")
    assert str(raised.value).startswith("'crew.txt', line 3: ")
    assert reason in str(raised.value)


def names(count: int, start: str) -> str:
    letters = "abcdefghij"
    return "\n".join(start + "".join(letters[int(d)] for d in str(n)) for n in range(count))


def test_too_many_terms_are_refused() -> None:
    assert len(parse_glossary(names(5000, "x"), "many").terms) == 5000
    with pytest.raises(FormatError, match=r"line 5001: .*5000"):
        parse_glossary(names(5001, "x"), "many")
    with pytest.raises(FormatError, match="6000 terms together"):
        combine([parse_glossary(names(3000, start), start) for start in "xy"])


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="could not be read"):
        read_glossary(tmp_path / "none.txt")


def test_glossaries_are_found_beside_and_above(tmp_path: Path) -> None:
    season = tmp_path / "show" / "season"
    season.mkdir(parents=True)
    expected = [season / "GLOSSARY.txt", tmp_path / "GLOSSARY.txt"]
    for path in expected:
        path.write_text("Picard\n", encoding="utf-8")
    found = [path for path in find_glossaries(season / "x.mkv") if path.is_relative_to(tmp_path)]
    assert found == expected


@patiently
@given(st.text(max_size=60))
def test_any_text_is_a_glossary_or_one_clear_sentence(text: str) -> None:
    try:
        terms = parse_glossary(text, "any").terms
    except FormatError as error:
        assert str(error).startswith("'any', line ") and str(error).endswith(".")
    else:
        assert all(term.text and term.sounds for term in terms)


def test_the_digest_tells_glossaries_apart() -> None:
    crew = parse_glossary(CREW, "crew")
    assert crew.digest == parse_glossary(CREW + "# more\n", "copy").digest != ""
    assert crew.digest != parse_glossary(CREW + "Worf", "crew").digest
    assert not Glossary() and Glossary().digest == ""
