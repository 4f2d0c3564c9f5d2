"""Cues and words as JSON, with the fields of Whisper's results."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from gptasr_subs.cues.markup import plain
from gptasr_subs.formats.document import Document
from gptasr_subs.types import Cue, Word

_LEAST = 1e-6  # confidence whose logarithm is still a number


def text_of(document: Document) -> str:
    """All that is said, on one line."""
    return " ".join(word.text for word in document.words)


def segments_of(
    document: Document, first: int = 0, last: int | None = None
) -> list[dict[str, Any]]:
    """The cues from number ``first`` up to ``last`` as segments of Whisper; times are seconds."""
    middles = [(word.start + word.end) / 2 for word in document.words]
    segments = []
    for number, cue in enumerate(document.cues[first:last], start=first):
        spoken = slice(bisect_left(middles, cue.start), bisect_right(middles, cue.end))
        log_probs = [_log(word) for word in document.words[spoken]]
        text = line_of(cue)
        data = text.encode()
        segment = {
            "id": number,
            "seek": 0,
            "start": round(cue.start, 3),
            "end": round(cue.end, 3),
            "text": text,
            "tokens": [],
            "temperature": 0.0,
            "avg_logprob": round(sum(log_probs) / max(1, len(log_probs)), 4),
            "compression_ratio": round(len(data) / max(1, len(zlib.compress(data))), 4),
            "no_speech_prob": 0.0,
        }
        segments.append(segment)
    return segments


def words_of(words: Sequence[Word]) -> list[dict[str, Any]]:
    """Words with their times in seconds and their confidence."""
    return [
        {
            "word": word.text,
            "start": round(word.start, 3),
            "end": round(word.end, 3),
            "confidence": round(word.confidence, 4),
        }
        for word in words
    ]


def log_probs_of(words: Sequence[Word]) -> list[dict[str, Any]]:
    """How likely each word is, as OpenAI gives it for tokens."""
    return [
        {"token": word.text, "logprob": _log(word), "bytes": list(word.text.encode())}
        for word in words
    ]


def line_of(cue: Cue) -> str:
    """The text of a cue on one line, without markup."""
    return " ".join(plain(line) for line in cue.lines)


def _log(word: Word) -> float:
    return round(math.log(max(word.confidence, _LEAST)), 4)
