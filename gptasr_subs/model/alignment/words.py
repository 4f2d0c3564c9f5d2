"""When each word of a text is heard: by forced alignment on the CTC head, else by what the GPT looks at."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray, Span, Word

_SHORTEST = 0.02  # seconds: no word is shorter
_VOICED_SHARE = 0.1  # of the loudest frame's level: below is silence
_VOICED_FRAME = 0.02  # seconds


def align_words(
    text: str,
    log_probs: FloatArray,
    seconds_per_frame: float,
    *,
    seconds: float,
    start_offset: float = 0.0,
    end_offset: float = 0.0,
) -> list[Word]:
    """Words of ``text`` where CTC hears them in ``log_probs`` (T, C) of a clip of ``seconds``.

    A CTC spike sits inside its sound: the offsets (seconds, added) say how far before and behind the sound reaches.
    Confidence is the mean posterior of a word's letters. A word that cannot be spelled joins its neighbour. Empty where
    the text does not fit into the frames, or nothing of it can be spelled.
    """
    words = alignable_words(text)
    spelled = [ctc.encode(word) for word in words]
    letters = ctc.align(log_probs, _with_spaces(spelled))
    if not letters:
        return []
    found = []
    for word, first, last in _stretches(words, spelled):
        start = letters[first].first * seconds_per_frame + start_offset
        end = (letters[last].last + 1) * seconds_per_frame + end_offset
        sure = float(np.mean([letter.posterior for letter in letters[first : last + 1]]))
        found.append(Word(word, start, end, min(1.0, sure)))
    return resolve_overlaps(found, seconds)


def agreed(words: Sequence[Word], confidences: Sequence[float]) -> list[Word]:
    """CTC's ``words``, each as sure as CTC and the GPT are in the geometric mean; ``confidences`` are the GPT's.

    On real voices that tells right words from wrong ones better than either alone, and is nearer to the share of words
    that are right. One of ``words`` may hold several that are written apart.
    """
    sure = iter(confidences)
    means = [float(np.mean([next(sure) for _ in word.text.split()])) for word in words]
    return [
        replace(word, confidence=math.sqrt(word.confidence * mean))
        for word, mean in zip(words, means, strict=True)
    ]


def words_by_tokens(
    pieces: Sequence[str], log_probs: Sequence[float], begins: Sequence[float], seconds: float
) -> list[Word]:
    """Words of a clip of ``seconds`` whose tokens add ``pieces`` to the text and begin at ``begins``.

    ``begins`` has one more entry: when the last token ends. A word reaches to where the token after it begins.
    """
    owners = [token for token, piece in enumerate(pieces) for _ in piece]
    found = re.finditer(r"\S+", "".join(pieces))
    spans = [
        (match.group(), begins[owners[match.start()]], begins[owners[match.end() - 1] + 1])
        for match in found
    ]
    confidences = word_confidences(pieces, log_probs)
    return resolve_overlaps(
        [Word(*span, sure) for span, sure in zip(spans, confidences, strict=True)], seconds
    )


def words_without_ctc(
    pieces: Sequence[str], log_probs: Sequence[float], samples: FloatArray, sample_rate: int
) -> list[Word]:
    """Words spread over the voiced part of ``samples``, where nothing better is known; ``pieces`` are the tokens'."""
    confidences = word_confidences(pieces, log_probs)
    return spread_words("".join(pieces), confidences, voiced_span(samples, sample_rate))


def spread_words(text: str, confidences: Sequence[float], voiced: Span) -> list[Word]:
    """Words of ``text`` over the ``voiced`` part of a clip, each by its number of characters."""
    words = text.split()
    edges = np.cumsum([0, *(len(word) for word in words)]) / max(
        1, sum(len(word) for word in words)
    )
    times = voiced.start + edges * voiced.seconds
    spans = zip(words, times, times[1:], confidences, strict=False)
    return [Word(word, float(start), float(end), sure) for word, start, end, sure in spans]


def word_confidences(pieces: Sequence[str], log_probs: Sequence[float]) -> list[float]:
    """Geometric mean of the probabilities of each word's characters; ``pieces`` are what the tokens add to the text."""
    by_character = [value for piece, value in zip(pieces, log_probs, strict=True) for _ in piece]
    words = re.finditer(r"\S+", "".join(pieces))
    return [math.exp(sum(by_character[m.start() : m.end()]) / len(m.group())) for m in words]


def voiced_span(samples: FloatArray, sample_rate: int) -> Span:
    """From the first to the last loud frame of ``samples``; all of them where none is louder than another."""
    size = max(1, int(sample_rate * _VOICED_FRAME))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > _VOICED_SHARE * level.max(initial=0.0))
    if not len(loud):
        return Span(0.0, len(samples) / sample_rate)
    return Span(float(loud[0]) * _VOICED_FRAME, float(loud[-1] + 1) * _VOICED_FRAME)


def alignable_words(text: str) -> list[str]:
    """``text`` in words that CTC can spell; one that it cannot, such as a lone dash, hangs on its predecessor."""
    words: list[str] = []
    waiting = ""
    for word in text.split():
        if ctc.encode(word):
            words.append(waiting + word)
            waiting = ""
        elif words:
            words[-1] += " " + word
        else:
            waiting += word + " "
    return words


def _with_spaces(spelled: Sequence[Sequence[int]]) -> list[int]:
    targets: list[int] = []
    for letters in spelled:
        targets += [ctc.SPACE, *letters] if targets else letters
    return targets


def _stretches(
    words: Sequence[str], spelled: Sequence[Sequence[int]]
) -> Iterator[tuple[str, int, int]]:
    """Each word with the positions of its first and last letter among the targets."""
    first = 0
    for word, letters in zip(words, spelled, strict=True):
        yield word, first, first + len(letters) - 1
        first += len(letters) + 1


def resolve_overlaps(words: Sequence[Word], seconds: float) -> list[Word]:
    """``words`` inside 0 to ``seconds`` and none before its predecessor's end: two that overlap meet in the middle."""
    starts = np.array([word.start for word in words])
    ends = np.maximum([word.end for word in words], starts + _SHORTEST)
    middle = (ends[:-1] + starts[1:]) / 2
    overlap = ends[:-1] > starts[1:]
    ends[:-1] = np.where(overlap, middle, ends[:-1])
    starts[1:] = np.where(overlap, middle, starts[1:])
    starts = np.maximum.accumulate(np.clip(starts, 0.0, max(0.0, seconds - _SHORTEST)))
    ends = np.clip(np.maximum(ends, starts), 0.0, seconds)
    ends[:-1] = np.minimum(ends[:-1], starts[1:])
    times = zip(words, starts.tolist(), ends.tolist(), strict=True)
    return [Word(word.text, start, end, word.confidence) for word, start, end in times]
