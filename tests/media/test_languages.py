from __future__ import annotations

import pytest

from gptasr_subs.media.languages import same_language, shortest_code


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"), ("eng", "en"), ("ENG", "en"), ("en-US", "en"), ("pt_BR", "pt"),
        ("deu", "de"), ("ger", "de"), ("zho", "zh"), ("chi", "zh"), ("zu", "zu"),
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
