"""Word edges moved to where the sound of speech begins and ends.

A recogniser knows roughly when a word is heard; where the voice sets in after a pause, and where it
falls silent, the segmentation knows better. The first word of a stretch of speech begins with it,
and the last one ends with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from gptasr_subs.types import Span, Word

REACH = 1.0  # seconds an edge may move: as long as a word or two that the recogniser missed
# Seconds of a word that must lie in a stretch of speech to belong to it; half of what is shorter
_TOUCH = 0.1
_SHORTEST = 0.08  # seconds: no word is cut down below


def snap_words(words: Sequence[Word], speech: Sequence[Span], reach: float = REACH) -> list[Word]:
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
        moved = word
        if own and own[0] not in before:
            moved = _begin(moved, own[0].start, reach)
        if own and own[-1] not in after:  # its begin may yet go back to where it was
            moved = _finish(moved, own[-1].end, reach, max(word.start, moved.start) + _SHORTEST)
        snapped.append(moved)
    return _in_order(snapped, words)


def _overlapping_speech(word: Word, speech: Sequence[Span]) -> list[Span]:
    """The stretches in which ``word`` lies: nobody says one across a pause, so not those that hold
    but its fringe.
    """
    shares = [(min(word.end, part.end) - max(word.start, part.start), part) for part in speech]
    touched = [
        (s, part)
        for s, part in shares
        if s > 0 and s >= min(_TOUCH, word.end - word.start, part.seconds) / 2
    ]
    most = max((share for share, _ in touched), default=0.0)
    return [part for share, part in touched if share >= most / 2]


def _begin(word: Word, edge: float, reach: float) -> Word:
    moves = abs(edge - word.start) <= reach and edge <= max(word.start, word.end - _SHORTEST)
    return replace(word, start=edge) if moves else word


def _finish(word: Word, edge: float, reach: float, least: float) -> Word:
    moves = abs(edge - word.end) <= reach and edge >= min(word.end, least)
    return replace(word, end=edge) if moves else word


def _in_order(snapped: Sequence[Word], before: Sequence[Word]) -> list[Word]:
    """Where two words came to overlap, the edges between them go back to what they were."""
    clashes = [False, *(left.end > right.start for left, right in pairwise(snapped)), False]
    return [
        replace(
            word,
            start=max(word.start, old.start) if left else word.start,
            end=min(word.end, old.end) if right else word.end,
        )
        for word, old, left, right in zip(snapped, before, clashes, clashes[1:], strict=False)
    ]
