"""A subtitle brought to the times of its video, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import inf

import numpy as np

from gptasr_subs.align.known_text import (
    CHAR_SECONDS,
    CtcEmissions,
    align_words,
    readable_words,
    refuse_mismatch,
)
from gptasr_subs.align.parts import Evidence, Stretch, find_stretches
from gptasr_subs.align.shift import Shift
from gptasr_subs.cues.norms import NETFLIX
from gptasr_subs.types import Cue, Span, Word

_FAR = 2.0  # seconds: a word found farther from where its cue belongs is another one
_SURE = 0.7  # confidence from which shifts are right for a whole subtitle
_CLEARLY = 1.5  # words; with fewer, a cue may have been found by chance
_FEWEST_WORDS = 4.0  # found clearly, below which nothing can be said of how late a subtitle is
# Seconds that no viewer notices: a part that seems off by less is right
_UNNOTICED = 0.15
# Words of a cue that are found clearly, for a weight of 1 in the evidence, and the greatest weight
_WORDS_A_WEIGHT = 4.0
_MOST_WEIGHT = 2.0
_GUESSED = 0.3  # share of its weight that a cue keeps whose first word is not found
# Share of a cue that must lie in the video, or in the room between its neighbours
_LEAST_SHOWN = 0.5


@dataclass(frozen=True)
class Part:
    """Cues ``first`` up to ``end`` (numbers in the file, from 0) that were late by one amount.

    ``agreeing`` of them were found where ``shift`` puts them; ``margin`` is by how many seconds it
    may be off.
    """

    first: int
    end: int
    shift: Shift
    agreeing: int = 0
    margin: float = inf

    @property
    def is_right(self) -> bool:
        """Whether these cues were left as they were."""
        return self.shift.ratio == 1 and self.shift.offset == 0


@dataclass(frozen=True)
class Timed:
    """A subtitle at its new times, and the parts that were taken there.

    No parts: too little was found, and it was left as it was. ``unspoken`` is kept, though not
    found. ``outside`` are cues before the video begins or after it ends, ``unplaced`` those that
    have no room in it at a break; both are left out. ``astray`` are kept, though they are spoken
    far from where their part puts them.
    """

    cues: tuple[Cue, ...]
    parts: tuple[Part, ...]
    unspoken: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    unplaced: tuple[str, ...] = ()
    astray: tuple[str, ...] = ()

    @property
    def shift(self) -> Shift:
        """The shift of the longest part."""
        none = Part(0, 0, Shift())
        return max(self.parts, key=lambda part: part.end - part.first, default=none).shift


@dataclass(frozen=True)
class _CueWords:
    """The words of a cue, and when each is spoken, where it was found."""

    texts: tuple[str, ...]
    words: tuple[Word | None, ...]

    @property
    def certainty(self) -> float:
        """How many words were found, each counting as much as its confidence."""
        return sum(word.confidence for word in self.words if word)

    @property
    def weight(self) -> float:
        """How much the cue counts in the evidence."""
        first = self.words[0]
        weight = min(_MOST_WEIGHT, self.certainty / _WORDS_A_WEIGHT)
        return weight if first and first.confidence else _GUESSED * weight


def align_cues(cues: Sequence[Cue], emissions: CtcEmissions, *, each: bool | None = None) -> Timed:
    """Return a subtitle that runs early, late, slow or fast, in whole or in parts, at its right
    times.

    Raises FormatError where it does not fit. With ``each``, every cue begins and ends with its own
    words, where they are found; without, all move alike, as if there were no breaks. None looks for
    parts, and times each cue on its own only where those do not explain most of what is found.
    """
    found = _find_words(cues, emissions)
    silent = [number for number, mine in enumerate(found) if mine.words and not any(mine.words)]
    if sum(mine.certainty for mine in found) < _FEWEST_WORDS:
        return Timed(tuple(cues), (), tuple(_quoted(cues[number]) for number in silent))
    parts, lost = _parts_of(cues, found, emissions, breaks=each is not False)
    moved = [part.shift.unbounded(cue) for part in parts for cue in cues[part.first : part.end]]
    video = Span(0.0, emissions.seconds)
    placed = [
        _in_video(cue, mine, video=video, speech=emissions.speech)
        for cue, mine in zip(moved, found, strict=True)
    ]
    kept = {number: cue for number, cue in enumerate(placed) if cue and number not in lost}
    sizes = [part.end - part.first for part in parts]
    confidence = np.average([part.shift.confidence for part in parts], weights=sizes)
    if each or (each is None and confidence < _SURE):
        kept = _with_voices(kept, found)
    astray = [
        number
        for number, cue in kept.items()
        if found[number].certainty >= _CLEARLY
        and abs(_begin(found[number], emissions.speech) - cue.start) > _FAR
    ]
    return Timed(
        tuple(_apart_at_breaks(kept, parts)),
        parts=tuple(parts),
        unspoken=tuple(_quoted(cues[number]) for number in silent if number in kept),
        outside=tuple(_quoted(cues[number]) for number, cue in enumerate(placed) if not cue),
        unplaced=tuple(_quoted(cues[number]) for number in sorted(lost) if placed[number]),
        astray=tuple(_quoted(cues[number]) for number in astray),
    )


def _find_words(cues: Sequence[Cue], emissions: CtcEmissions) -> list[_CueWords]:
    """Find when the words of each cue are spoken. Raises FormatError where few are."""
    texts = [readable_words(cue.text) for cue in cues]
    words = align_words([word for own in texts for word in own], emissions)
    refuse_mismatch(words)
    edges = np.cumsum([0, *map(len, texts)]).tolist()
    return [
        _CueWords(tuple(own), tuple(words[first:end]))
        for own, (first, end) in zip(texts, pairwise(edges), strict=True)
    ]


def _quoted(cue: Cue) -> str:
    return cue.text.replace("\n", " ")


def _parts_of(
    cues: Sequence[Cue], found: Sequence[_CueWords], emissions: CtcEmissions, breaks: bool
) -> tuple[list[Part], set[int]]:
    """Return the parts of the subtitle, and the cues at breaks for which there is no room."""
    numbers = [number for number, mine in enumerate(found) if mine.certainty > 0]
    evidence = Evidence(
        np.array([cues[number].start for number in numbers]),
        spoken=np.array([_begin(found[number], emissions.speech) for number in numbers]),
        weights=np.array([found[number].weight for number in numbers]),
    )
    stretches = [_unshifted_if_right(one) for one in find_stretches(evidence, breaks=breaks)]
    parts: list[Part] = []
    lost: set[int] = set()
    first = 0
    for stretch, following in zip(stretches, [*stretches[1:], None], strict=True):
        end = len(cues)
        if following:
            gap = range(numbers[stretch.end - 1] + 1, numbers[following.first])
            end, unplaced = _divide(
                cues, gap, shifts=(stretch.shift, following.shift), speech=emissions.speech
            )
            lost |= unplaced
        parts.append(
            Part(first, end, stretch.shift, agreeing=stretch.agreeing, margin=stretch.margin)
        )
        first = end
    return parts, lost


def _begin(mine: _CueWords, speech: Sequence[Span]) -> float:
    """Return when a cue's first word is spoken, or would be, going by the first that was found.

    Those before it take the time of an ordinary voice, but need not begin before the voice does.
    """
    ahead = 0
    for text, word in zip(mine.texts, mine.words, strict=True):
        if word and word.confidence:
            guess = word.start - CHAR_SECONDS * ahead
            return next((part.start for part in speech if guess <= part.start <= word.start), guess)
        ahead += len(text) + 1
    raise ValueError("a cue of which no word was found")


def _unshifted_if_right(stretch: Stretch) -> Stretch:
    """Return the stretch without its offset, where no viewer notices that or it may be chance."""
    shift = stretch.shift
    if shift.ratio != 1 or abs(shift.offset) > max(_UNNOTICED, stretch.margin):
        return stretch
    return replace(stretch, shift=replace(shift, offset=0.0))


def _divide(
    cues: Sequence[Cue], gap: range, shifts: tuple[Shift, Shift], speech: Sequence[Span]
) -> tuple[int, set[int]]:
    """Return which of the cues in ``gap``, of which no word was found, belong to the part after a
    break, and which to none.

    ``gap.start`` and ``gap.stop`` are the numbers of the found cues around it, one on. A cue must
    fit between those two; of the places for the break the best is where most of the cues fit and
    are shown during speech, then where the subtitle pauses longest.
    """
    before, after = shifts
    room = Span(before.moved(cues[gap.start - 1]).start, after.moved(cues[gap.stop]).start)
    fits = np.array(
        [[_fit(shift.moved(cues[k]), room, speech) for shift in shifts] for k in gap]
    ).reshape(-1, 2)
    # Cues before the break go by the first shift, the others by the second
    scores = np.append(0.0, np.cumsum(fits[:, 0])) + np.append(np.cumsum(fits[::-1, 1])[::-1], 0.0)
    pauses = [cues[k].start - cues[k - 1].end for k in range(gap.start, gap.stop + 1)]
    best = max(range(len(scores)), key=lambda k: (round(float(scores[k]), 1), pauses[k]))
    placed = [fits[k, 0 if k < best else 1] > 0 for k in range(len(gap))]
    return gap.start + best, {
        number for number, has_room in zip(gap, placed, strict=True) if not has_room
    }


def _fit(cue: Cue, room: Span, speech: Sequence[Span]) -> float:
    """0 for a cue that has no room, 1 for one that has, 2 where there is speech all along."""
    length = max(cue.end - cue.start, 1e-3)
    if room.overlap(cue) < _LEAST_SHOWN * length:
        return 0.0
    return 1.0 + sum(part.overlap(cue) for part in speech) / length


def _with_voices(kept: Mapping[int, Cue], found: Sequence[_CueWords]) -> dict[int, Cue]:
    """Return the cues, by their numbers, each from its first to its last word, where these are
    found near it.

    No cue begins before its predecessor or ends after its successor begins.
    """
    starts = []
    ends = []
    for number, cue in kept.items():
        words = found[number].words
        start = cue.start
        end = cue.end
        if words:
            first = words[0]
            last = words[-1]
            if first and abs(first.start - start) <= _FAR:
                start = first.start
            end += start - cue.start
            if last and abs(last.end - cue.end) <= _FAR + NETFLIX.lead_out and last.end > start:
                end = min(max(end, last.end), last.end + NETFLIX.lead_out)
            end = max(end, start + NETFLIX.min_seconds)
        starts.append(start)
        ends.append(end)
    starts = np.maximum.accumulate(starts).tolist()
    limits = [*(start - NETFLIX.gap for start in starts[1:]), inf]
    return {
        number: replace(cue, start=start, end=max(start, min(end, limit)))
        for (number, cue), start, end, limit in zip(kept.items(), starts, ends, limits, strict=True)
    }


def _apart_at_breaks(kept: Mapping[int, Cue], parts: Sequence[Part]) -> list[Cue]:
    """Return the cues, by their numbers, of which the last of a part ends before the next part
    begins.
    """
    cues = list(kept.values())
    owners = np.searchsorted([part.end for part in parts], list(kept), side="right")
    for place in np.flatnonzero(np.diff(owners)).tolist():
        last = cues[place]
        limit = cues[place + 1].start - NETFLIX.gap
        if last.start < limit < last.end:
            cues[place] = replace(last, end=limit)
    return cues


def _in_video(cue: Cue, mine: _CueWords, video: Span, speech: Sequence[Span]) -> Cue | None:
    """Return the cue as far as it lies in the video; None where little or nothing does.

    One that is found clearly is in the video, wherever the others suggest.
    """
    length = cue.end - cue.start
    shown = video.overlap(cue)
    if shown == length or (shown > 0 and (any(mine.words) or shown >= _LEAST_SHOWN * length)):
        return replace(cue, start=max(cue.start, video.start), end=min(cue.end, video.end))
    if mine.certainty < _CLEARLY:
        return None
    start = _begin(mine, speech)
    return replace(cue, start=start, end=min(start + length, video.end))
