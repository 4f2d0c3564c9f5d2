"""Terms in recognised words, written as the glossary writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gptasr_subs.cues.timed_words import spread
from gptasr_subs.glossary.terms import Glossary, Term
from gptasr_subs.model import ctc
from gptasr_subs.types import Word

# Marks before a word, its letters, and what may follow a name.
_PARTS = re.compile(r"(\W*)(.*?)((?:['’]s)?\W*)", re.DOTALL)


class _Token(NamedTuple):
    """A recognised word in parts; ``key`` are its letters as they are compared."""

    before: str
    core: str
    after: str
    key: str


class TermWriter:
    """Writes the terms of a glossary in its own casing and spelling."""

    def __init__(self, glossary: Glossary) -> None:
        """Look up every spelling of each term."""
        self._terms: dict[str, Term] = {}
        for term in glossary.terms:
            for sound in term.sounds:
                self._terms.setdefault(ctc.letters_of(sound), term)
        self._longest = max((key.count(" ") + 1 for key in self._terms), default=0)

    def write(self, words: Sequence[Word]) -> list[Word]:
        """Return ``words`` with the terms in them rewritten, at the same times."""
        tokens = [_split(word.text) for word in words]
        written: list[Word] = []
        position = 0
        while position < len(words):
            count = self._term_at(tokens, position)
            if count:
                written += self._rewrite(words[position : position + count])
            else:
                written.append(words[position])
            position += count or 1
        return written

    def _term_at(self, tokens: Sequence[_Token], first: int) -> int:
        """How many words the longest term takes that begins with this one; 0 where none does."""
        for count in range(min(self._longest, len(tokens) - first), 0, -1):
            part = tokens[first : first + count]
            inner = "".join(token.after for token in part[:-1])
            inner += "".join(token.before for token in part[1:])
            if not inner and " ".join(token.key for token in part) in self._terms:
                return count
        return 0

    def _rewrite(self, words: Sequence[Word]) -> list[Word]:
        tokens = [_split(word.text) for word in words]
        key = " ".join(token.key for token in tokens)
        term = self._terms[key]
        text = term.text
        spoken = " ".join(token.core for token in tokens)
        if ctc.letters_of(text) == key and (not term.fixed_case or text == text.lower()):
            text = spoken
        elif text == text.lower() and spoken[:1].isupper():  # a sentence begins
            text = text[:1].upper() + text[1:]
        parts = (tokens[0].before + text + tokens[-1].after).split()
        if len(parts) == len(words):
            return [replace(word, text=part) for word, part in zip(words, parts, strict=True)]
        confidence = min(word.confidence for word in words)
        return list(spread(parts, Word("", words[0].start, words[-1].end, confidence)))


def _split(text: str) -> _Token:
    match = _PARTS.fullmatch(text)
    assert match  # every text has the three parts, if empty ones
    before, core, after = match.groups()
    return _Token(before, core, after, ctc.letters_of(core))
