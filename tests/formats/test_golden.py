"""Each format is written as its golden file, which reads back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gptasr_subs import formats
from gptasr_subs.formats import Document
from gptasr_subs.formats.document import Style
from gptasr_subs.types import Cue, Word
from tests.support.documents import CUES, DOCUMENT, GOLDEN, WORDS

STYLED = replace(
    DOCUMENT, style=Style(word_times=True, mark_confidence_below=0.6, text_height=0.09)
)


@pytest.mark.parametrize("name", formats.find_formats())
def test_each_format_is_written_as_its_golden_file(name: str) -> None:
    assert formats.render(DOCUMENT, name) == (GOLDEN / f"talk.{name}").read_bytes().decode("utf-8")


@pytest.mark.parametrize("name", ["vtt", "ass", "lrc"])
def test_words_carry_their_times_and_doubts_as_in_the_golden_file(name: str) -> None:
    assert formats.render(STYLED, name) == (GOLDEN / f"talk.words.{name}").read_bytes().decode(
        "utf-8"
    )


@pytest.mark.parametrize(
    "name", ["talk.vtt", "talk.words.vtt", "talk.srt", "talk.json", "talk.sbv", "talk.ttml"]
)
def test_golden_files_read_back(name: str) -> None:
    assert formats.read(GOLDEN / name) == list(CUES)


@pytest.mark.parametrize("name", ["talk.ass", "talk.words.ass"])
def test_golden_files_of_hundredths_read_back(name: str) -> None:
    assert formats.read(GOLDEN / name) == [CUES[0], replace(CUES[1], end=3661.83)]


@pytest.mark.parametrize(
    ("name", "end"), [("talk.tsv", 3661.833), ("talk.lrc", 3661.83), ("talk.words.lrc", 3661.83)]
)
def test_golden_files_of_single_lines_read_back(name: str, end: float) -> None:
    assert formats.read(GOLDEN / name) == [joined(CUES[0]), replace(CUES[1], end=end)]


def joined(cue: Cue) -> Cue:
    return replace(cue, lines=(" ".join(cue.lines),) if cue.lines else (), position=2)


def test_words_that_are_not_those_of_the_cues_get_no_times() -> None:
    strange = replace(STYLED, words=WORDS[1:])
    assert formats.render(strange, "vtt") == formats.render(DOCUMENT, "vtt")


def test_text_begins_a_paragraph_where_the_voice_rests() -> None:
    words = (
        Word("One", 0.0, 0.5),
        Word("two.", 0.5, 1.0),
        Word("Three.", 2.9, 3.0),
        Word("Four.", 5.0, 5.5),
    )
    assert formats.render(Document((), words), "txt") == "One two. Three.\n\nFour.\n"


def test_text_of_cues_alone_joins_their_lines() -> None:
    assert formats.render(Document(CUES), "txt") == "Tom & Zoë asked: is 3 < 4?\n\nYes.\n"


def test_nothing_said_is_an_empty_text() -> None:
    assert formats.render(Document(()), "txt") == ""


def test_json_holds_all_that_is_known_in_a_fixed_order() -> None:
    content = json.loads(formats.render(DOCUMENT, "json"))
    assert list(content) == ["source", "duration", "language", "model", "cues", "words"]
    assert (content["duration"], content["model"], len(content["words"])) == (3700.5, "small", 9)
    assert content["words"][0] == {"text": "Tom", "start": 1.0, "end": 1.25, "confidence": 0.9877}
    assert content["cues"][0]["lines"] == ["Tom & Zoë asked:", "is 3 < 4?"]
