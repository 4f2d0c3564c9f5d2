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
    from num2words import num2words

    if match["clock"]:
        hours, minutes = map(int, match["clock"].split(":"))
        oh = "oh " if minutes < 10 else ""
        rest = f"{oh}{num2words(minutes)}" if minutes else "o'clock"
        words = f"{num2words(hours)} {rest}"
    elif match["ordinal"]:
        words = num2words(int(match["ordinal"]), to="ordinal").replace(",", "")
    elif match["decimal"]:
        words = num2words(match["decimal"]).replace(",", "")
    else:
        number = int(match["whole"].replace(",", ""))
        is_year = len(match["whole"]) == 4 and _FIRST_YEAR <= number <= _LAST_YEAR
        kind = "year" if is_year and not match["money"] else "cardinal"
        words = num2words(number, to=kind).replace(",", "")
    if match["money"]:
        words += " dollar" if words == "one" else " dollars"
    return f"{words} percent" if match["percent"] else words
