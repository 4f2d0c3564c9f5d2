from __future__ import annotations

import pytest

from gptasr_subs.media.languages import (
    language_in,
    language_name,
    player_tag,
    same_language,
    shortest_code,
    three_letter_code,
)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"), ("eng", "en"), ("ENG", "en"), ("en-US", "en"), ("pt_BR", "pt"),
        ("deu", "de"), ("ger", "de"), ("English", "en"), ("zho", "zh"), ("chi", "zh"), ("zu", "zu"),
        ("zul", "zu"), ("aar", "aa"), ("haw", "haw"), ("und", ""), ("", ""),
    ],
)  # fmt: skip
def test_every_tag_has_a_shortest_code(tag: str, code: str) -> None:
    assert shortest_code(tag) == code


def test_codes_of_one_language_agree_and_unknown_ones_never_do() -> None:
    assert same_language("ger", "de-AT")
    assert not same_language("de", "en")
    assert not same_language("und", "und")
    assert not same_language("", "")


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-US", "eng"),
        ("ger", "deu"),
        ("haw", "haw"),
        ("xx", "und"),
        ("", "und"),
        ("x-long", "und"),
    ],
)
def test_containers_get_three_letters(tag: str, code: str) -> None:
    assert three_letter_code(tag) == code


def test_a_title_names_a_language_if_it_names_one() -> None:
    assert language_in("English 5.1") == "en"
    assert language_in("Surround, German") == "de"
    assert language_in("English and French") == ""
    assert language_in("Stereo") == ""


def test_names_of_files_keep_the_region_and_titles_have_the_language_in_full() -> None:
    assert [player_tag(tag) for tag in ("eng", "en_US", "pt-BR")] == ["en", "en-US", "pt-BR"]
    assert language_name("ger") == "German" and language_name("haw") == "haw"
