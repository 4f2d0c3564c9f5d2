"""Text that stands in a file more than once although it is said once: the layers of a sign, cues
that two segments share, and captions that roll up, each of which repeats the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gptasr_subs.cues.markup import convert, literal, plain
from gptasr_subs.types import Cue

_FRAME = 0.1  # seconds; a cue that is shorter is a frame of a moving sign
_TOUCHING = 0.02  # seconds between two such frames at most
_CONTIGUOUS = 0.15  # seconds between two rolling captions at most
_LEAST_LINKS = 2  # a single repetition may be what was said


def split_by_position(cues: Sequence[Cue]) -> list[list[Cue]]:
    """Return the cues of each place on the screen; those of different places do not disturb each
    other.
    """
    places = sorted({cue.position for cue in cues})
    return [[cue for cue in cues if cue.position == place] for place in places]


def is_double(cue: Cue, other: Cue) -> bool:
    """Return whether two cues show the same text in the same place at the same time."""
    together = min(cue.end, other.end) - max(cue.start, other.start)
    words = _words(cue)
    same = bool(words) and cue.position == other.position and words == _words(other)
    return together > 0 and same


def merge_doubles(cues: Sequence[Cue]) -> list[Cue]:
    """Return doubles as one cue that stands as long as any of them, and so the frames of a moving
    sign.

    ``cues`` are in the order of their starts.
    """
    merged: list[Cue] = []
    places: dict[tuple[int, tuple[str, ...]], tuple[int, Cue]] = {}
    for cue in cues:
        key = (cue.position, tuple(_words(cue)))
        index, last = places.get(key, (-1, cue))
        touching = abs(cue.start - last.end) <= _TOUCHING
        is_frame = touching and max(cue.end - cue.start, last.end - last.start) < _FRAME
        if index >= 0 and (is_frame or is_double(cue, merged[index])):
            merged[index] = replace(merged[index], end=max(merged[index].end, cue.end))
        else:
            index = len(merged)
            merged.append(cue)
        places[key] = index, cue
    return merged


def unroll(cues: Sequence[Cue]) -> list[Cue]:
    """Return the cues of one place, in order, each without the words that roll up from the one
    before.
    """
    repeated = [0] * len(cues)
    for chain in rolling_chains(cues):
        for link in range(chain.first, chain.last):
            repeated[link + 1] = _carried(cues[link], cues[link + 1])
    unrolled: list[Cue] = []
    for cue, count in zip(cues, repeated, strict=True):
        lines = _without_words(cue.lines, count) if count else cue.lines
        if lines or not unrolled:
            unrolled.append(replace(cue, lines=lines))
        else:  # it only holds what is there already
            unrolled[-1] = replace(unrolled[-1], end=max(unrolled[-1].end, cue.end))
    return unrolled


@dataclass(frozen=True, slots=True)
class Chain:
    """Cues ``first`` to ``last`` (numbers in a list), each of which repeats words of the one
    before.
    """

    first: int
    last: int


def rolling_chains(cues: Sequence[Cue]) -> Iterator[Chain]:
    """Yield the captions that roll up among the cues of one place, in order."""
    first = 0
    is_new = False
    for k in range(1, len(cues) + 1):
        carried = _carried(cues[k - 1], cues[k]) if k < len(cues) else 0
        if carried:
            is_new |= carried < len(_words(cues[k]))
            continue
        # The same words again and again are not rolling but a refrain
        if is_new and k - 1 - first >= _LEAST_LINKS:
            yield Chain(first, k - 1)
        first = k
        is_new = False


def _carried(cue: Cue, following: Cue) -> int:
    """Return how many words at the beginning of a cue were carried over from the one before.

    These are all of its words, or those of its last lines.
    """
    if not -_CONTIGUOUS <= following.start - cue.end <= _CONTIGUOUS:
        return 0
    shown = _words(following)
    lines = [words for line in cue.lines if (words := plain(line).split())]
    for index in range(len(lines)):
        tail = [word for line in lines[index:] for word in line]
        if shown[: len(tail)] == tail:
            return len(tail)
    return 0


def _words(cue: Cue) -> list[str]:
    return plain(cue.text).split()


def _without_words(lines: Sequence[str], count: int) -> tuple[str, ...]:
    """Return lines without their first words; markup stays."""
    left: list[str] = []
    for line in lines:
        own = len(plain(line).split())
        if own > count:
            left.append(_without_first(line, count))
        count = max(0, count - own)
    return tuple(left)


def _without_first(line: str, count: int) -> str:
    """Return a line without its first words."""
    left = count

    def words(text: str) -> str:
        nonlocal left
        while left and text.strip():
            text = text.lstrip().partition(" ")[2]
            left -= 1
        return literal(text)

    return convert(line, str, words).strip()
