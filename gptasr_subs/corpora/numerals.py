"""Numbers as they are said: a recogniser that learns spellings from audio must not see digits."""

from __future__ import annotations

import re

_NUMBER = re.compile(
    r"(?P<money>\$)?(?<![A-Za-z\d])"
    r"(?:(?P<clock>\d{1,2}:\d{2})|(?P<ordinal>\d+)(?:st|nd|rd|th)|(?P<decimal>\d+\.\d+)"
    r"|(?P<whole>\d{1,3}(?:,\d{3})+|\d+))"
    r"(?P<percent>%)?(?![A-Za-z\d])"
)
_FIRST_YEAR = 1100
_LAST_YEAR = 2099  # four digits in between are read in pairs


def spell_numbers(text: str) -> str:
    """``text`` with its numbers in words; digits that are part of a name, such as "A4", stay."""
    return _NUMBER.sub(_in_words, text)


def _in_words(match: re.Match[str]) -> str:
    words = _plain_words(match)
    if match["money"]:
        words += " dollar" if words == "one" else " dollars"
    return words + " percent" * bool(match["percent"])


def _plain_words(match: re.Match[str]) -> str:
    from num2words import num2words

    if match["clock"]:
        return _clock(*map(int, match["clock"].split(":")))
    if match["ordinal"]:
        return str(num2words(int(match["ordinal"]), to="ordinal")).replace(",", "")
    if match["decimal"]:
        return str(num2words(match["decimal"])).replace(",", "")
    number = int(match["whole"].replace(",", ""))
    year = len(match["whole"]) == 4 and _FIRST_YEAR <= number <= _LAST_YEAR and not match["money"]
    return str(num2words(number, to="year" if year else "cardinal")).replace(",", "")


def _clock(hours: int, minutes: int) -> str:
    from num2words import num2words

    if not minutes:
        return f"{num2words(hours)} o'clock"
    return f"{num2words(hours)} {'oh ' * (minutes < 10)}{num2words(minutes)}"
