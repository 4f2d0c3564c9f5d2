"""Casing and punctuation for transcripts that have none, as in many corpora."""

from __future__ import annotations

import re

_ASKING = re.compile(
    r"(what|who|where|when|why|how|is|are|do|does|did|can|could|would|will|shall|have|has|was|were|may)$"
)
_LONE_I = re.compile(r"\bi(?='|\b)")


def sentence_case(plain: str) -> str:
    """``plain`` as one sentence: a capital, "I", and a full stop, or a question mark behind a
    question word.
    """
    words = plain.lower().split()
    if not words:
        return ""
    mark = "?" if _ASKING.match(words[0]) and len(words) > 2 else "."
    return _LONE_I.sub("I", " ".join(words).capitalize()) + mark
