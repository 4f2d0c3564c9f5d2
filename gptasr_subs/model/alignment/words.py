"""When each word of a text is spoken: by forced alignment, else by the GPT's attention."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray, Span, Word

_MIN_SECONDS = 0.02  # of a word
_VOICED_SHARE = 0.1  # of the loudest frame's level: below is silence
_VOICED_FRAME = 0.02  # seconds
_SENTENCE_ENDS = (".", "!", "?", "…")
_QUOTES = "\"'”’)]"  # that may stand behind them


def align_words(
    text: str,
    log_probs: FloatArray,
    seconds_per_frame: float,
    *,
    seconds: float,
    start_offset: float = 0.0,
    end_offset: float = 0.0,
) -> list[Word]:
    """Return words of ``text`` by the CTC head's ``log_probs`` (T, C) for a clip of ``seconds``.

    A CTC spike sits inside its sound: the offsets (seconds, added) say how far before and behind it
    the sound reaches. Confidence is the mean posterior of a word's letters. A word that CTC cannot
    write joins its neighbour. Empty where the text does not fit into the frames, or nothing of it
    can be written.
    """
    words = alignable_words(text)
    letters = [ctc.encode(word) for word in words]
    # The characters of all words with spaces between them, and the frames of each.
    targets: list[int] = []
    for labels in letters:
        targets += [ctc.SPACE, *labels] if targets else labels
    spans = ctc.align(log_probs, targets)
    if not spans:
        return []

    found = []
    first = 0  # of the word's letters among the targets
    for word, labels in zip(words, letters, strict=True):
        last = first + len(labels) - 1
        start = spans[first].first * seconds_per_frame + start_offset
        end = (spans[last].last + 1) * seconds_per_frame + end_offset
        confidence = float(np.mean([span.posterior for span in spans[first : last + 1]]))
        found.append(Word(word, start, end, min(1.0, confidence)))
        first = last + 2  # behind the space
    return resolve_overlaps(found, seconds)


def combine_confidences(words: Sequence[Word], confidences: Sequence[float]) -> list[Word]:
    """CTC's ``words`` with the geometric mean of their confidence and the GPT's ``confidences``.

    On real voices that tells right words from wrong ones better than either by itself, and is
    nearer to the share of words that are right. One of ``words`` may hold several that are written
    apart.
    """
    remaining = iter(confidences)
    combined = []
    for word in words:
        by_gpt = float(np.mean([next(remaining) for _ in word.text.split()]))
        combined.append(replace(word, confidence=math.sqrt(word.confidence * by_gpt)))
    return combined


def words_by_tokens(
    pieces: Sequence[str], log_probs: Sequence[float], starts: Sequence[float], seconds: float
) -> list[Word]:
    """Return words of a clip whose tokens add ``pieces`` to the text and begin at ``starts``.

    ``starts`` has one more entry: when the last token ends. A word ends where the next token
    begins.
    """
    owners = [token for token, piece in enumerate(pieces) for _ in piece]  # of each character
    matches = re.finditer(r"\S+", "".join(pieces))
    words = []
    for match, confidence in zip(matches, word_confidences(pieces, log_probs), strict=True):
        start = starts[owners[match.start()]]
        end = starts[owners[match.end() - 1] + 1]
        words.append(Word(match.group(), start, end, confidence))
    return resolve_overlaps(words, seconds)


def words_without_ctc(
    pieces: Sequence[str], log_probs: Sequence[float], samples: FloatArray, sample_rate: int
) -> list[Word]:
    """Return words spread over the voiced part of ``samples``, where nothing better is known.

    ``pieces`` are the tokens'.
    """
    confidences = word_confidences(pieces, log_probs)
    return spread_words("".join(pieces), confidences, voiced_span(samples, sample_rate))


def spread_words(text: str, confidences: Sequence[float], voiced: Span) -> list[Word]:
    """Return words of ``text`` over the ``voiced`` part of a clip, each by its number of
    characters.
    """
    words = text.split()
    # Shares of the text's characters up to each edge between words, then seconds.
    edges = np.cumsum([0, *(len(word) for word in words)]) / max(
        1, sum(len(word) for word in words)
    )
    times = voiced.start + edges * voiced.seconds
    spans = zip(words, times, times[1:], confidences, strict=False)
    return [
        Word(word, float(start), float(end), confidence) for word, start, end, confidence in spans
    ]


def word_confidences(pieces: Sequence[str], log_probs: Sequence[float]) -> list[float]:
    """Geometric mean of the probabilities of each word's characters.

    ``pieces`` are what the tokens add to the text.
    """
    # A token's log-probability counts for each of its characters: words need not end with tokens.
    by_character = [value for piece, value in zip(pieces, log_probs, strict=True) for _ in piece]
    words = re.finditer(r"\S+", "".join(pieces))
    return [math.exp(sum(by_character[m.start() : m.end()]) / len(m.group())) for m in words]


def voiced_span(samples: FloatArray, sample_rate: int) -> Span:
    """From the first to the last loud frame of ``samples``.

    All of them where none is louder than another.
    """
    # Level (RMS) of frames of 20 ms.
    size = max(1, int(sample_rate * _VOICED_FRAME))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > _VOICED_SHARE * level.max(initial=0.0))
    if not len(loud):
        return Span(0.0, len(samples) / sample_rate)
    return Span(float(loud[0]) * _VOICED_FRAME, float(loud[-1] + 1) * _VOICED_FRAME)


def alignable_words(text: str) -> list[str]:
    """``text`` in words that CTC can write.

    One that it cannot, such as a lone dash, joins the last; where a sentence ends there, the next.
    """
    words: list[str] = []
    waiting = ""
    for word in text.split():
        if ctc.encode(word):
            words.append(waiting + word)
            waiting = ""
        elif words and not waiting and not words[-1].rstrip(_QUOTES).endswith(_SENTENCE_ENDS):
            words[-1] += " " + word
        else:
            waiting += word + " "
    if words and waiting:  # there is no next one
        words[-1] += " " + waiting.rstrip()
    return words


def resolve_overlaps(words: Sequence[Word], seconds: float) -> list[Word]:
    """``words`` inside 0 to ``seconds`` and in order: two that overlap meet in the middle."""
    # Words get a shortest length first, then overlapping neighbours share the middle.
    starts = np.array([word.start for word in words])
    ends = np.maximum([word.end for word in words], starts + _MIN_SECONDS)
    middle = (ends[:-1] + starts[1:]) / 2
    overlap = ends[:-1] > starts[1:]
    ends[:-1] = np.where(overlap, middle, ends[:-1])
    starts[1:] = np.where(overlap, middle, starts[1:])
    # A word inside another one has moved its neighbours' edges twice: put starts in order, then
    # ends.
    starts = np.maximum.accumulate(np.clip(starts, 0.0, max(0.0, seconds - _MIN_SECONDS)))
    ends = np.clip(np.maximum(ends, starts), 0.0, seconds)
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    times = zip(words, starts.tolist(), ends.tolist(), strict=True)
    return [replace(word, start=start, end=end) for word, start, end in times]
