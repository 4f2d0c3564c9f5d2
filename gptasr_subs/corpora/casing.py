"""Casing and punctuation for transcripts that have none, as in many corpora."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from gptasr_subs.corpora.numerals import spell_numbers
from gptasr_subs.model import ctc

_ASKING = re.compile(
    r"(what|who|where|when|why|how|is|are|do|does|did|can|could|would|will|shall|have|has|was|were|may)$"
)
_LONE_I = re.compile(r"\bi(?='|\b)")
_ENDS = (".", "?", "!")
_QUOTES = '"“”'
# share of the words that the formatted text must confirm before it is believed
_MIN_BORROWED = 0.5


def sentence_case(plain: str) -> str:
    """``plain`` as one sentence: a capital, "I", and a full stop, or a question mark behind a
    question word.
    """
    words = plain.lower().split()
    if not words:
        return ""
    mark = "?" if _ASKING.match(words[0]) and len(words) > 2 else "."
    return _as_sentence(" ".join(words)) + mark


def borrow_case(plain: str, formatted: str) -> str:
    """The words of ``plain`` with the casing and punctuation of ``formatted``.

    That is another transcript of the same audio. Words that the two do not share stay as they are;
    where they share too few, this is ``sentence_case``.
    """
    words = ctc.normalize_text(plain).split()
    written = spell_numbers(formatted).replace("-", " ").split()
    spelled = [ctc.normalize_text(word) for word in written]
    shared = SequenceMatcher(None, words, spelled, autojunk=False).get_matching_blocks()
    if not words or sum(block.size for block in shared) < _MIN_BORROWED * len(words):
        return sentence_case(plain)
    for block in shared:
        borrowed = written[block.b : block.b + block.size]
        words[block.a : block.a + block.size] = [word.strip(_QUOTES) for word in borrowed]
    text = _as_sentence(" ".join(words))
    return text if text.endswith(_ENDS) else text.rstrip(",;:-") + "."


def _as_sentence(text: str) -> str:
    return _LONE_I.sub("I", text[:1].upper() + text[1:])
