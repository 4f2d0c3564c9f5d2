"""Words to expect, as clients name them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from gptasr_subs.glossary.terms import MAX_TERMS, Glossary, Term
from gptasr_subs.server.answers import Refusal

_LONGEST_TERM = 4  # words; what is longer is a sentence and no name


def glossary_of_keywords(keywords: Iterable[str]) -> Glossary:
    """The terms in texts that each hold one or, between commas or on lines, several.

    Sentences are left out: they tell Whisper of a style, and we have none to choose. Raises Refusal
    for too many terms.
    """
    parts = [part for text in keywords for part in re.split(r"[,;\n]", text)]
    texts = dict.fromkeys(" ".join(part.split()).rstrip(".") for part in parts)
    terms = [Term(text) for text in texts if text and len(text.split()) <= _LONGEST_TERM]
    if len(terms) > MAX_TERMS:
        raise Refusal(400, f"There may be {MAX_TERMS} keywords.", param="keywords")
    return Glossary(tuple(terms))
