"""What is said and when, made sound: the form in which words are shaped into cues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gptasr_subs.cues.linebreaks import Floats, Ints
from gptasr_subs.types import Word

# What a word begins beside itself; each includes those before it.
NOTHING, PHRASE, LINE, CUE = range(4)


@dataclass(frozen=True)
class Talk:
    """Texts in their order, starts and ends that never go back, what each one must begin; arrays of shape (n,).

    ``until`` is when something else begins that the cues may not reach.
    """

    words: list[str]
    starts: Floats
    ends: Floats
    begins: Ints
    until: float = math.inf

    @property
    def next_starts(self) -> Floats:
        """When the word after each one begins; ``until`` after the last."""
        return np.append(self.starts[1:], self.until)

    @property
    def pauses(self) -> Floats:
        """Silence before each word, shape (n + 1,); 0 before the first and after the last."""
        inner = self.starts[1:] - self.ends[:-1]
        return np.concatenate(([0.0], inner, [0.0]))


def talk_of(words: Sequence[Word], begins: Sequence[int] = (), until: float = math.inf) -> Talk:
    """Times finite, not negative and never going back; no word lost or moved. ``begins``: one for each word."""
    starts, ends = [], []
    now = 0.0
    for word in words:
        now = max(now, word.start) if math.isfinite(word.start) else now
        starts.append(now)
        ends.append(max(now, word.end) if math.isfinite(word.end) else now)
    first, last = np.array(starts), np.array(ends)
    last[:-1] = np.minimum(last[:-1], first[1:])  # a word that overlaps the next one ends where that begins
    marks = np.array(begins or [NOTHING] * len(words), dtype=np.int64)
    return Talk([word.text for word in words], first, last, marks, until)


def tokens(words: Iterable[Word]) -> Iterator[Word]:
    """The words without spaces in their text: each part has its share of the word's time; blank ones are left out."""
    for word in words:
        parts = word.text.split()
        if len(parts) == 1:
            yield replace(word, text=parts[0])
        else:
            yield from spread(parts, word)


def spread(parts: Sequence[str], word: Word) -> Iterator[Word]:
    """The parts of a text that is spoken from ``word.start`` to ``word.end``, each with its share of the time."""
    second = (word.end - word.start) / max(1, sum(map(len, parts)))
    at = word.start
    for part in parts:
        yield replace(word, text=part, start=at, end=at + second * len(part))
        at += second * len(part)
