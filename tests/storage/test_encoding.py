"""Text of any usual encoding is read right, or the assumption is said; nothing is mojibake."""

from __future__ import annotations

import codecs
import logging
from pathlib import Path

import pytest

from gptasr_subs.storage.encoding import decode
from gptasr_subs.storage.files import read_text

TIMES = "1\n00:00:01,000 --> 00:00:03,000\n"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "¿Dónde está la señora Muñoz? – “Aquí”…"),
        ("cp1252", "Il est déjà là, garçon."),
        ("cp1250", "Nu ştiu dacă mai vine astăzi."),
        ("cp1250", "Příliš žluťoučký kůň úpěl ďábelské ódy."),
        ("cp1250", "Köszönöm szépen, jól vagyok. Hol voltál tegnap este? Őrült vagy?"),
        ("iso8859_2", "Cześć, źle się dzisiaj czuję. Gdzie byłeś wczoraj? Śnieg pada."),
        ("cp1254", "Teşekkür ederim, iyiyim. Dün akşam neredeydin? Kadın eve geç geldi."),
        ("cp1252", "Góðan daginn, hvað segir þú? Ég veit það ekki, þakka þér fyrir."),
        ("mac_roman", "Das weiß ich nicht. Schönes Wetter für Gäste. Ärgerlich, oder?"),
        ("cp1251", "Что ты здесь делаешь?"),
        ("cp866", "Что ты здесь делаешь? Я ждал тебя всю ночь, а ты не пришёл."),
        ("koi8_r", "Что ты здесь делаешь? Я ждал тебя всю ночь, а ты не пришёл."),
        ("cp1253", "Τι κάνεις εδώ τόσο αργά;"),
        ("cp932", "お元気ですか、皆さん。"),
        ("gbk", "你在这里做什么？"),
        ("big5", "你在這裡做什麼？"),
        ("cp949", "안녕하세요, 여러분"),
        ("mac_roman", "Café naïve, garçon"),
    ],
)
def test_other_encodings_are_recognised_and_named_as_a_guess(encoding: str, text: str) -> None:
    decoded = decode((TIMES + text).encode(encoding))
    assert decoded.text == TIMES + text
    assert "may be wrong" in decoded.assumed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_what_says_its_encoding_needs_no_assumption(encoding: str) -> None:
    decoded = decode((TIMES + "Zoë’s café ♪").encode(encoding))
    assert (decoded.text, decoded.assumed) == (TIMES + "Zoë’s café ♪", "")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read(encoding: str) -> None:
    decoded = decode((TIMES + "Hello there, café").encode(encoding))
    assert decoded.text == TIMES + "Hello there, café"
    assert "UTF-16" in decoded.assumed


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Café – naïve ♪ ".encode() + b"\xe9", "Café – naïve ♪ \ufffd"),
        ("Café – naïve …".encode()[:-1], "Café – naïve \ufffd"),
        (b"\x96 " + "Zoë’s “café”".encode(), "\ufffd Zoë’s “café”"),
    ],
)
def test_a_bad_byte_costs_only_itself(data: bytes, text: str) -> None:
    decoded = decode(data)
    assert decoded.text == text
    assert "It is damaged: 1 place" in decoded.assumed


def test_half_a_letter_of_utf_16_is_said() -> None:
    decoded = decode(codecs.BOM_UTF16_LE + "Zoë".encode("utf-16-le") + b"x")
    assert decoded.text == "Zoë\ufffd"
    assert "damaged" in decoded.assumed


def test_an_assumption_is_a_warning_that_names_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "old.srt").write_bytes("Café naïve, garçon".encode("cp1252"))
    with caplog.at_level(logging.WARNING):
        assert read_text(tmp_path / "old.srt") == "Café naïve, garçon"
    assert "old.srt" in caplog.text and "Windows-1252" in caplog.text
