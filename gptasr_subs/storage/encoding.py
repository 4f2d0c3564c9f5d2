"""Decode text whose encoding is not known."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_MARKS = (  # the longer first: UTF-32 begins like UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
# What subtitles are found in, the likeliest first: of several that fit, the first is taken. Without
# such a list a detector offers encodings that no subtitle has been seen in.
_LIKELY = {
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "iso8859_2": "ISO 8859-2",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp1257": "Windows-1257",
    "cp1258": "Windows-1258",
    "cp932": "Shift-JIS",
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp949": "Korean (949)",
    "euc_jp": "EUC-JP",
    "koi8_r": "KOI8-R",
    "cp866": "DOS Cyrillic (866)",
    "mac_roman": "Mac Roman",
    "cp874": "Thai (874)",
}
_BROKEN = "\ufffd"
_LEAST_WIDE = 8  # bytes; fewer are too few to recognise UTF-16
_ONE_BYTE = 0.05  # of noise by which the likelier of two encodings may be worse
# What no language writes: a sign between two letters or instead of one, a capital after a small
# letter, letters of two scripts in one word, the narrow Katakana of old terminals
_UNLIKELY = re.compile(
    r"(?<=[^\W\d_])[¿¡†‡•‰¤¦¨¬¯¸×÷¼½¾±¶´»\x80-\x9f](?=[^\W\d_])|[ªº¹²³](?=[^\W\d_])"
    r"|[a-zß-öø-ÿ](?=[À-ÖØ-Þ])|[а-яё](?=[А-ЯЁ])"
    r"|[A-Za-z](?=[\u0370-\u06ff])|[\u0370-\u06ff](?=[A-Za-z])|[\uff61-\uff9f]"
)
# What each language that is written in Latin letters has beyond ASCII
_ALPHABETS = [
    frozenset(letters)
    for letters in (
        "àâæçèéêëîïôùûüÿœ", "äöüß", "áéíñóúüªº", "àèéìíîòóùú", "àáâãçéêíóôõúü", "åäöé", "æøåéòóô",
        "áðéíóúýþæö", "áäèéëíïóöúü", "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž",
        "áéíóöőúüű", "ăâîşţșț", "čćđšž", "çğıöşüâîû\u0307", "āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž",
        "çë", "àçèéíïòóúü·",
    )
]  # fmt: skip
# Two thirds of what is written in Cyrillic, and a third of it where KOI8 is taken for Windows
_COMMON_CYRILLIC = frozenset("оеаиінтсрвлк")
_LEAST_COMMON = 0.55


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text, and a sentence that says what had to be assumed to read it; empty if nothing."""

    text: str
    assumed: str = ""


def decode(data: bytes) -> Decoded:
    """Decode by the byte order mark, as UTF-8 or UTF-16, else by the likeliest other encoding."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _with_broken(
                data.decode(encoding, errors="replace"), encoding.removesuffix("-sig")
            )
    if wide := _utf16(data):
        return Decoded(
            data.decode(wide, errors="replace"), "It has no byte order mark; read as UTF-16."
        )
    try:
        return Decoded(data.decode("utf-8"))
    except UnicodeDecodeError:
        # Damaged UTF-8 looks like no other encoding: a letter of several bytes that is right by
        # chance is rare, so one of them for each wrong byte is proof.
        text = data.decode("utf-8", errors="replace")
        right = sum(ord(char) > 0x7F and char != _BROKEN for char in text)
        is_damaged = right >= text.count(_BROKEN)
        return _with_broken(text, "utf-8") if is_damaged else _guess(data)


def _with_broken(text: str, encoding: str) -> Decoded:
    broken = text.count(_BROKEN)
    if not broken:
        return Decoded(text)
    places = "1 place" if broken == 1 else f"{broken} places"
    return Decoded(
        text, f"It is damaged: {places} could not be read as {encoding.upper()} and show {_BROKEN}."
    )


def _utf16(data: bytes) -> str:
    """Return the kind of UTF-16 without a mark: of Latin letters every other byte is 0."""
    if len(data) < _LEAST_WIDE:
        return ""
    even = data[0::2].count(0)
    odd = data[1::2].count(0)
    half = len(data) // 2
    if odd > 0.6 * half and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.6 * half and not odd else ""


def _guess(data: bytes) -> Decoded:
    """Return the likeliest of the encodings that fit the lines that are not plain ASCII."""
    from charset_normalizer import from_bytes  # takes a while, and most files are UTF-8

    telling = b"\n".join(line for line in re.split(rb"[\r\n]+", data) if not line.isascii())
    fitting = from_bytes(telling, cp_isolation=[*_LIKELY], threshold=0.3)
    found = {match.encoding: match.chaos + _noise(str(match)) for match in fitting}
    ranked = [name for name in _LIKELY if name in found] or ["cp1252"]
    least = min(found.values(), default=0.0)
    best = next(name for name in ranked if found.get(name, 0.0) <= least + _ONE_BYTE)
    text = data.decode(best, errors="replace")
    return Decoded(text, f"It is no UTF-8; read as {_LIKELY[best]}, which may be wrong.")


def _noise(text: str) -> float:
    """Return how unlike a language a text is: 0 for what is written in one, about 1 for
    mojibake.
    """
    beyond = sum(ord(char) > 0x7F for char in text)
    noise = len(_UNLIKELY.findall(text)) / max(1, beyond)
    # The Latin letters beyond ASCII that no single language has together
    latin = [char for char in text.lower() if "\x80" <= char <= "\u024f" and char.isalpha()]
    foreign = min(sum(char not in alphabet for char in latin) for alphabet in _ALPHABETS)
    noise += foreign / max(1, len(latin))
    cyrillic = [char for char in text.lower() if "\u0400" <= char <= "\u04ff"]
    if cyrillic:
        common = sum(char in _COMMON_CYRILLIC for char in cyrillic)
        noise += max(0.0, _LEAST_COMMON - common / len(cyrillic))
    return noise
