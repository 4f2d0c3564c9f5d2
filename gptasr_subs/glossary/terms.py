"""What a glossary is: terms, how they sound, and how much they are worth."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b

from gptasr_subs.errors import FormatError

MAX_TERMS = 5000


@dataclass(frozen=True, slots=True)
class Term:
    """A word or a few as they are to be written.

    ``spellings`` say in English letters how it sounds, none where that is as it is written.
    ``weight`` multiplies the bonus that the search gives. ``fixed_case``: its own casing takes the
    place of the recogniser's.
    """

    text: str
    spellings: tuple[str, ...] = ()
    weight: float = 1.0
    fixed_case: bool = True

    @property
    def sounds(self) -> tuple[str, ...]:
        """All that may be spoken: the spellings, and the term itself if it can be read aloud."""
        return (self.text, *self.spellings) if is_readable(self.text) else self.spellings


@dataclass(frozen=True, slots=True)
class Glossary:
    """Terms, each text once. One without terms is false."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any term."""
        return bool(self.terms)

    @property
    def sounds(self) -> list[tuple[str, float]]:
        """All spellings of its terms, with their weights."""
        return [(sound, term.weight) for term in self.terms for sound in term.sounds]

    @property
    def digest(self) -> str:
        """Differs where the terms do; empty where there are none."""
        return blake2b(repr(self.terms).encode(), digest_size=8).hexdigest() if self else ""


def is_readable(text: str) -> bool:
    """Whether English letters say how ``text`` sounds: it has some, no digits, no other letters."""
    folded = unicodedata.normalize("NFKD", text)
    letters = [character for character in folded if character.isalnum()]
    return bool(letters) and all(re.match("[A-Za-zæœøßłđÆŒØŁĐ]", letter) for letter in letters)


def combine(glossaries: Iterable[Glossary]) -> Glossary:
    """All terms; one that is in several has all its spellings and the largest of its weights.

    Raises FormatError where that makes too many.
    """
    found: dict[str, Term] = {}
    for term in (term for glossary in glossaries for term in glossary.terms):
        known = found.setdefault(term.text, term)
        found[term.text] = replace(
            known,
            spellings=tuple(dict.fromkeys([*known.spellings, *term.spellings])),
            weight=max(known.weight, term.weight),
            fixed_case=known.fixed_case or term.fixed_case,
        )
    if len(found) > MAX_TERMS:
        raise FormatError(
            f"The glossaries have {len(found)} terms together, and {MAX_TERMS} is the most that "
            "there may be; leave out those that are not said."
        )
    return Glossary(tuple(found.values()))
