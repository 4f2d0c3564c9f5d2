"""How far a transcript is from what was said: word error rate with its confidence interval."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gptasr_subs.errors import UsageError

_MARKS = re.compile(r"[.,;:!?]")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Word errors of one or more transcripts against ``words`` spoken words."""

    words: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """All three kinds."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Word error rate in percent; 0 where nothing was said and nothing was written."""
        return 100 * self.errors / self.words if self.words else 100.0 * bool(self.errors)

    def __add__(self, other: WordErrors) -> WordErrors:
        """Both together."""
        return WordErrors(
            self.words + other.words,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def normalize(text: str) -> str:
    """Return text as WER compares it: lower case ``[a-z' ]``, common abbreviations spelled out."""
    from gptasr_subs.model.ctc import normalize_text

    return normalize_text(text)


def is_unformatted(text: str) -> bool:
    """Return whether ``text`` is written in one case and without punctuation, as for scoring."""
    return not _MARKS.search(text) and (text == text.lower() or text == text.upper())


def count_errors(said: str, written: str) -> WordErrors:
    """Word errors of ``written`` against ``said``, both compared as given: normalise them first."""
    import jiwer

    if not said.split():
        return WordErrors(insertions=len(written.split()))
    result = jiwer.process_words(said, written)
    words = result.hits + result.substitutions + result.deletions
    return WordErrors(words, result.substitutions, result.deletions, result.insertions)


def confidence_interval(
    tallies: Sequence[WordErrors], draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the WER (percent), by drawing clips with replacement."""
    if not tallies:
        raise UsageError("There is nothing to score; give at least one clip.")
    rng = random.Random(seed)
    rates = sorted(
        sum(rng.choices(tallies, k=len(tallies)), WordErrors()).wer for _ in range(draws)
    )
    return rates[int(0.025 * draws)], rates[int(0.975 * draws)]
