"""Word edges moved to where speech begins and ends.

A recogniser knows roughly when a word is spoken; where the voice sets in after a pause, and where
it falls silent, the segmentation knows better. The first word of a stretch of speech begins with
it, and the last one ends with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from gptasr_subs.types import Span, Word

RADIUS = 1.0  # seconds an edge may move: as long as a word or two that the recogniser missed
# Seconds of a word that must lie in a stretch of speech to belong to it; half of what is shorter
_TOUCH = 0.1
_SHORTEST = 0.08  # seconds: no word is cut down below


def snap_words(words: Sequence[Word], speech: Sequence[Span], radius: float = RADIUS) -> list[Word]:
    """``words`` (in order, none overlapping the next) with their edges on those of ``speech`` (in
    order, apart).

    Texts, order and confidences stay; no word comes to overlap the next or loses its length. A
    stretch of speech that no word touches, such as a cough, attracts none; a word that touches no
    speech keeps its times.
    """
    overlaps = [_overlapping_speech(word, speech) for word in words]
    snapped = []
    for word, before, own, after in zip(
        words, [[], *overlaps], overlaps, [*overlaps[1:], []], strict=False
    ):
        start = word.start
        end = word.end
        if own and own[0] not in before:
            edge = own[0].start
            if abs(edge - start) <= radius and edge <= max(start, end - _SHORTEST):
                start = edge
        if own and own[-1] not in after:
            edge = own[-1].end
            least = max(word.start, start) + _SHORTEST  # its start may yet go back to where it was
            if abs(edge - end) <= radius and edge >= min(end, least):
                end = edge
        snapped.append(replace(word, start=start, end=end))
    # Edges between words that came to overlap go back to what they were.
    clashes = [False, *(left.end > right.start for left, right in pairwise(snapped)), False]
    return [
        replace(
            word,
            start=max(word.start, old.start) if left else word.start,
            end=min(word.end, old.end) if right else word.end,
        )
        for word, old, left, right in zip(snapped, words, clashes, clashes[1:], strict=False)
    ]


def _overlapping_speech(word: Word, speech: Sequence[Span]) -> list[Span]:
    """Return the stretches in which ``word`` lies, not those that hold but its fringe: no word is
    spoken across a pause.
    """
    shares = [(part.overlap(word), part) for part in speech]
    touched = [
        (s, part)
        for s, part in shares
        if s > 0 and s >= min(_TOUCH, word.end - word.start, part.seconds) / 2
    ]
    most = max((share for share, _ in touched), default=0.0)
    return [part for share, part in touched if share >= most / 2]
