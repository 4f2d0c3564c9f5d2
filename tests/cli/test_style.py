"""Flags that say how text looks reach the formats that can show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.ended import Program
from tests.support.fake_recognizer import FakeRecognizer
from tests.support.films import make_film


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return make_film(tmp_path / "talk.wav")


def test_words_carry_times_and_doubts(film: Path, program: Program, fake: FakeRecognizer) -> None:
    assert (
        program(
            film, "--format", "vtt,ass,lrc", "--word-times", "--mark-confidence-below", "0.95"
        ).code
        == 0
    )
    vtt, ass, lrc = (
        film.with_suffix(f".en.{end}").read_text(encoding="utf-8") for end in ("vtt", "ass", "lrc")
    )
    assert re.search(
        r"<c.yellow>one</c> <00:00:01.\d{3}><c.yellow>two</c>"
        r" <00:00:0[12].\d{3}><c.yellow>three</c>",
        vtt,
    )
    assert re.search(r"\{\\kf\d+\}\{\\c&H00FFFF&\}one\{\\c\} ", ass)
    assert re.search(r"\[00:0[01].\d\d\]<00:0[01].\d\d>one <00:01.\d\d>two ", lrc)


def test_without_flags_words_are_plain(film: Path, program: Program, fake: FakeRecognizer) -> None:
    assert program(film, "--format", "vtt,ass").code == 0
    assert "\none two three\n" in film.with_suffix(".en.vtt").read_text(encoding="utf-8")
    assert ",,one two three\n" in film.with_suffix(".en.ass").read_text(encoding="utf-8")


def test_text_may_stand_at_the_top_and_be_large(
    film: Path, program: Program, fake: FakeRecognizer
) -> None:
    assert program(film, "--format", "srt,vtt,ass,ttml", "--top", "--text-height", "0.1").code == 0
    made = {
        end: film.with_suffix(f".en.{end}").read_text(encoding="utf-8")
        for end in ("srt", "vtt", "ass", "ttml")
    }
    assert r"{\an8}one two three" in made["srt"] and r"{\an8}one two three" in made["ass"]
    assert " line:0\none two three" in made["vtt"] and 'region="r8"' in made["ttml"]
    assert "Style: Default,Arial,108," in made["ass"] and 'tts:fontSize="150%"' in made["ttml"]
