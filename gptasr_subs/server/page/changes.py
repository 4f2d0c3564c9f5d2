"""What differs: between two recognitions of a film, and between two versions of its cues."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from gptasr_subs.cues.markup import plain
from gptasr_subs.types import Cue, Word

_NEAR = 0.3  # seconds by which a word may lie outside its cue
_BLOCK = 400  # words that are compared at once


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch from ``start`` to ``end`` seconds and its text. ``words`` number those before."""

    start: float
    end: float
    before: str
    after: str
    words: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For clients."""
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "before": self.before,
            "after": self.after,
        }


def changed_words(before: Sequence[Word], after: Sequence[Word]) -> list[Change]:
    """Where two recognitions of the same film differ, in order."""
    found = []
    for first, last, low, high in _stretches(before, after):
        old = [word.text for word in before[first:last]]
        new = [word.text for word in after[low:high]]
        for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind != "equal":
                spoken = [*before[first + a : first + b], *after[low + c : low + d]]
                change = Change(
                    min(word.start for word in spoken),
                    max(word.end for word in spoken),
                    before=" ".join(old[a:b]),
                    after=" ".join(new[c:d]),
                    words=tuple(range(first + a, first + b)),
                )
                found.append(change)
    return found


def _stretches(
    before: Sequence[Word], after: Sequence[Word]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield short stretches of both to compare, cut where both begin a word at the same time.

    The whole of a long film at once would take minutes.
    """
    starts = {word.start: number for number, word in enumerate(after)}
    first = low = 0
    for number, word in enumerate(before):
        other = starts.get(word.start, -1)
        if number - first >= _BLOCK and other > low and after[other].text == word.text:
            yield first, number, low, other
            first = number
            low = other
    yield first, len(before), low, len(after)


def changed_texts(before: Sequence[Cue], after: Sequence[Cue]) -> list[Change]:
    """Where two versions say something else, in order: stretches in which cues overlap.

    Cues that were only split, merged or moved are no change.
    """
    edges = [(cue.start, cue.end, 0, _text(cue)) for cue in before]
    edges += [(cue.start, cue.end, 1, _text(cue)) for cue in after]
    found: list[Change] = []
    group: list[tuple[float, float, int, str]] = []
    end = 0.0
    for edge in sorted(edges):
        if group and edge[0] >= end:
            found += _compared(group)
            group = []
        end = max(end, edge[1]) if group else edge[1]
        group.append(edge)
    return [*found, *_compared(group)]


def _compared(group: Sequence[tuple[float, float, int, str]]) -> Iterator[Change]:
    texts = [" ".join(text for *_, side, text in group if side == which) for which in (0, 1)]
    before, after = (" ".join(text.split()) for text in texts)
    if group and before != after:
        yield Change(group[0][0], max(edge[1] for edge in group), before, after)


def standing_words(words: Sequence[Word], cues: Sequence[Cue]) -> set[int]:
    """The numbers of the words that the cues still have at their time."""
    spoken = sorted((cue.start, cue.end, set(map(letters_of, _text(cue).split()))) for cue in cues)
    starts = [start for start, *_ in spoken]
    standing = set()
    for number, word in enumerate(words):
        middle = (word.start + word.end) / 2
        last = bisect_left(starts, middle + _NEAR)
        parts = set(map(letters_of, word.text.split()))
        for _, end, texts in reversed(spoken[max(0, last - 3) : last]):
            if middle <= end + _NEAR and parts <= texts:
                standing.add(number)
                break
    return standing


def _text(cue: Cue) -> str:
    return plain(" ".join(cue.lines))


def letters_of(text: str) -> str:
    """The letters and digits of a text, by which two words are the same."""
    return "".join(character for character in text.casefold() if character.isalnum())
