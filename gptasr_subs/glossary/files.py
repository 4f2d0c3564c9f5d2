"""GLOSSARY.txt: one term a line, how it sounds and its weight if need be.

::

    # Comments begin with a number sign.
    Picard
    Siobhan | shivawn, shevaun
    R2-D2 | artoo detoo | 2
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from gptasr_subs.errors import FormatError
from gptasr_subs.glossary.terms import MAX_TERMS, Glossary, Term, combine, is_readable
from gptasr_subs.storage.files import read_text

NAME = "GLOSSARY.txt"

_MAX_CHARACTERS = 80
_MAX_WEIGHT = 5.0
_COMMENT = re.compile(r"(^|\s)#.*")


def read_glossary(path: Path) -> Glossary:
    """Read the terms of a file. Raises FormatError with the line and what is wrong with it."""
    return parse_glossary(read_text(path), str(path))


def parse_glossary(text: str, source: str) -> Glossary:
    """The terms in ``text``; ``source`` is what an error calls it. Raises FormatError."""
    terms = []
    for number, line in enumerate(text.split("\n"), 1):
        content = _COMMENT.sub("", line).strip()
        if not content:
            continue
        try:
            terms.append(_parse_term(content))
        except ValueError as error:
            raise FormatError(f"{source!r}, line {number}: {error}.") from error
        if len(terms) > MAX_TERMS:
            raise FormatError(
                f"{source!r}, line {number}: a glossary has at most {MAX_TERMS} terms; "
                "leave out those that are not said."
            )
    return combine([Glossary(tuple(terms))])


def find_glossaries(media: Path) -> Iterator[Path]:
    """Every GLOSSARY.txt beside a media file and in the folders above it, the nearest first."""
    for folder in media.absolute().parents:
        path = folder / NAME
        if path.is_file():
            yield path


def _parse_term(content: str) -> Term:
    """Parse one line. Raises ValueError with the reason."""
    fields = [" ".join(field.split()) for field in content.split("|")]
    if len(fields) > 3:
        raise ValueError("there are more than two '|'; write TERM | SPELLING, SPELLING | WEIGHT")
    text, spelled, weight = (*fields, "", "")[:3]
    spellings = tuple(" ".join(part.split()) for part in spelled.split(",") if part.strip())
    if not text:
        raise ValueError("there is no term before the '|'; write the term first")
    for part in (text, *spellings):
        if len(part) > _MAX_CHARACTERS:
            raise ValueError(
                f"{part[:20]!r}... has {len(part)} characters, and {_MAX_CHARACTERS} is the most; "
                "list names and short phrases, not sentences"
            )
    for spelling in spellings:
        if not is_readable(spelling):
            raise ValueError(
                f"the spelling {spelling!r} has other signs than English letters; "
                "write how it sounds, for example artoo detoo"
            )
    if not spellings and not is_readable(text):
        raise ValueError(
            f"the letters of {text!r} do not say how it sounds; "
            "add that behind a '|', for example R2-D2 | artoo detoo"
        )
    try:
        number = float(weight or 1.0)
    except ValueError:
        number = math.nan
    if not 0 < number <= _MAX_WEIGHT:
        raise ValueError(
            f"the weight {weight!r} is no number above 0 and up to {_MAX_WEIGHT:g}; 1 is the usual"
        )
    return Term(text, spellings, number)
