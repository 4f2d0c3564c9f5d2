"""Words with consistent times: the form in which they are shaped into cues."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gptasr_subs.cues.linebreaks import Floats, Ints
from gptasr_subs.types import Word

# What breaks before a word; each includes those before it.
NOTHING, PHRASE, LINE, CUE = range(4)


@dataclass(frozen=True)
class TimedWords:
    """Texts in order, starts and ends that never go back, the break before each word.

    Arrays of shape (n,). ``end_limit`` is when something else begins that the cues may not reach.
    """

    words: list[str]
    starts: Floats
    ends: Floats
    break_before: Ints
    end_limit: float = math.inf

    @property
    def next_starts(self) -> Floats:
        """When the word after each one begins; ``end_limit`` after the last."""
        return np.append(self.starts[1:], self.end_limit)

    @property
    def pauses(self) -> Floats:
        """Silence before each word, shape (n + 1,); 0 before the first and after the last."""
        inner = self.starts[1:] - self.ends[:-1]
        return np.concatenate(([0.0], inner, [0.0]))


def time_words(
    words: Sequence[Word], break_before: Sequence[int] = (), end_limit: float = math.inf
) -> TimedWords:
    """Return times finite, not negative and never going back; no word lost or moved.

    ``break_before``: one for each word.
    """
    starts = []
    ends = []
    now = 0.0
    for word in words:
        now = max(now, word.start) if math.isfinite(word.start) else now
        starts.append(now)
        ends.append(max(now, word.end) if math.isfinite(word.end) else now)
    first = np.array(starts)
    last = np.array(ends)
    # A word that overlaps the next one ends where that begins
    last[:-1] = np.minimum(last[:-1], first[1:])
    marks = np.array(break_before or [NOTHING] * len(words), dtype=np.int64)
    return TimedWords(
        [word.text for word in words],
        starts=first,
        ends=last,
        break_before=marks,
        end_limit=end_limit,
    )


def tokens(words: Iterable[Word]) -> Iterator[Word]:
    """Yield the words without spaces in their text: each part has its share of the word's time.

    Blank ones are left out.
    """
    for word in words:
        parts = word.text.split()
        if len(parts) == 1:
            yield replace(word, text=parts[0])
        else:
            yield from spread(parts, word)


def spread(parts: Sequence[str], word: Word) -> Iterator[Word]:
    """Yield the parts of a text that is spoken from ``word.start`` to ``word.end``, each with its
    share of the time.
    """
    second = (word.end - word.start) / max(1, sum(map(len, parts)))
    at = word.start
    for part in parts:
        yield replace(word, text=part, start=at, end=at + second * len(part))
        at += second * len(part)
