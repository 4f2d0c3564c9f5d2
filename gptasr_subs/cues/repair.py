"""Cues of other tools reshaped within the norms: no word is changed, and what is right stays as it
is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf
from typing import NamedTuple

import numpy as np

from gptasr_subs.cues.cue_tokens import Token, apply_tags, tokens_of
from gptasr_subs.cues.lint import Report, lint
from gptasr_subs.cues.markup import plain
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.repeats import merge_doubles, split_by_position, unroll
from gptasr_subs.cues.shaping import arrange
from gptasr_subs.cues.timed_words import spread, time_words
from gptasr_subs.cues.timing import reading_seconds, shortest_seconds
from gptasr_subs.types import Cue, Span, Word

_PASSES = 8  # none needs more than three
_NUDGE = 0.25  # seconds by which a cue that is right may give way at an edge
_APART = 0.51  # seconds; nearer to each other two cues may read like a phrase that is parted
_UNSEEN = 0.01  # seconds that no rule counts
_LEAST = 0.2  # seconds a cue stands at least where there is too little time
_SLOWEST = 8.0  # characters a second; what stands longer than that takes was spoken at its start

Cues = list[Cue]


def fix_cues(cues: Sequence[Cue], norms: Norms = NETFLIX) -> Cues:
    """Shape runs of faulty cues anew, leave the others as they were, and sort all by time.

    Cues of different places on the screen do not disturb one another. Every word stays, but what
    stands in the file more than once although it is said once: layers of a sign, captions that roll
    up. Afterwards there are no errors, and fixing once more changes nothing.
    """
    fixed = _in_order(cue for cue in cues if plain(cue.text).strip())
    for _ in range(_PASSES):
        better: Cues = []
        for cues_there in split_by_position(_in_order(merge_doubles(fixed))):
            place = _Place(_with_gaps(unroll(cues_there), norms), norms)
            while place.fix_once():
                pass
            better += place.cues
        better = _in_order(better)
        if better == fixed:
            break
        fixed = better
    return fixed


def _in_order(cues: Iterable[Cue]) -> Cues:
    return sorted(cues, key=lambda cue: cue.start)


def _with_gaps(cues: Sequence[Cue], norms: Norms) -> Cues:
    """End a cue that is followed too closely a few frames sooner, if they can be spared."""
    parted = list(cues)
    for k, (cue, following) in enumerate(pairwise(cues)):
        missing = norms.gap - (following.start - cue.end)
        if _UNSEEN < missing <= norms.gap and cue.end - cue.start - _needed(cue, norms) >= missing:
            parted[k] = replace(cue, end=following.start - norms.gap)
    return parted


def reshape(cues: Sequence[Cue], norms: Norms = NETFLIX, end_limit: float = inf) -> Cues:
    """All cues shaped anew from their words, which are spread over each cue's time.

    None reaches ``end_limit``.
    """
    tokens: list[Token] = []
    words: list[Word] = []
    spans = list(_spoken(cues, norms, end_limit))
    for cue, own, span in zip(cues, tokens_of(cues, norms), spans, strict=True):
        tokens += [replace(token, position=cue.position) for token in own]
        # At the speed of a voice; what time is left belongs to the last word
        texts = [token.text for token in own]
        spoken_end = min(span.end, span.start + len(" ".join(texts)) / _SLOWEST)
        words += spread(texts, Word("", span.start, spoken_end))
        words[-1] = replace(words[-1], end=span.end)
    timed = time_words(words, [token.break_before for token in tokens], end_limit)
    shaped = apply_tags(arrange(timed, replace(norms, lead_out=0.0)), tokens)
    first = 0
    for k in range(1, len(cues) + 1):
        if k == len(cues) or cues[k].start - cues[first].start > _NUDGE:
            if k - first > 1:  # several that begin at once
                _share(shaped, Span(spans[first].start, spans[k - 1].end), norms)
            first = k
    return shaped


def _share(cues: Cues, span: Span, norms: Norms) -> None:
    """Give each of the cues within a span a share of it, by the time that it takes to read them."""
    within = [k for k, cue in enumerate(cues) if span.start <= cue.start and cue.end <= span.end]
    needs = np.array([_needed(cues[k], norms) for k in within])
    room = span.seconds - norms.gap * (len(within) - 1)
    if len(within) < 2 or room < _LEAST * len(within):
        return
    start = span.start
    for k, seconds in zip(within, (room * needs / needs.sum()).tolist(), strict=True):
        cues[k] = replace(cues[k], start=start, end=start + seconds)
        start += seconds + norms.gap


def _spoken(cues: Sequence[Cue], norms: Norms, end_limit: float) -> Iterator[Span]:
    """When each cue's words are taken to be spoken: as long as it stands, unless that cannot be
    right.

    One too short to read stays as long as that takes, one that stood for ages has been spoken
    sooner.
    """
    now = 0.0
    for cue, following in zip(cues, [*cues[1:], None], strict=True):
        start = max(now, cue.start)
        limit = following.start if following else end_limit
        needed = _needed(cue, norms)
        readable = min(start + needed, limit - norms.gap)
        if cue.end <= start:
            now = max(start, readable)
        elif cue.end - start < needed:
            now = max(cue.end, readable)
        elif len(plain(cue.text)) / _SLOWEST <= norms.max_seconds:
            now = min(cue.end, start + norms.max_seconds)
        else:
            now = cue.end
        if now > limit:
            enough = limit - start >= needed / 2
            if enough or following is None:
                now = limit
            else:
                # Both take their share of a time that is too short for two.
                share = len(cue.text) / (len(cue.text) + len(following.text))
                now = max(limit, start + (now - start) * share)
        yield Span(start, max(start, now))


def _needed(cue: Cue, norms: Norms) -> float:
    """Seconds it takes to read a cue, at least its shortest duration."""
    text = plain(cue.text)
    words = np.array(len(text.split()))
    return float(
        np.maximum(
            reading_seconds(np.array(len(text)), words, norms), shortest_seconds(words, norms)
        )
    )


@dataclass
class _Place:
    """The cues of one place on the screen, in order.

    ``right`` are those that broke no rule; they stay, but for an edge of up to ``_NUDGE`` where
    others would have no room at all. ``faulty`` are the numbers of the others, from 0.
    """

    cues: Cues
    norms: Norms
    right: set[Cue] = field(init=False)
    faulty: set[int] = field(init=False)
    unfixable: set[tuple[Cue, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.faulty = _faulty(lint(self.cues, self.norms))
        self.right = {cue for k, cue in enumerate(self.cues) if k not in self.faulty}

    def fix_once(self) -> bool:
        """Each run of faulty cues shaped anew, if it then has fewer faults; whether any was.

        From the last on, so that places stay true.
        """
        # Stretches of neighbours that have faults, each as (first, one past the last)
        runs: list[tuple[int, int]] = []
        for k in sorted(k for k in self.faulty if self.cues[k] not in self.right):
            if runs and runs[-1][1] == k:
                runs[-1] = (runs[-1][0], k + 1)
            else:
                runs.append((k, k + 1))
        touched = len(self.cues)
        changed = False
        for first, last in reversed(runs):
            run = tuple(self.cues[first:last])
            if last <= touched and run not in self.unfixable:
                low = self._fix_run(first, last)
                if low is None:
                    self.unfixable.add(run)
                else:
                    touched = low
                    changed = True
        if changed:
            self.faulty = _faulty(lint(self.cues, self.norms))
        return changed

    def _fix_run(self, first: int, last: int) -> int | None:
        """The first cue that was shaped anew, if any was.

        The run grows while errors demand it, up to cues that are right.
        """
        lowest = first
        while lowest > 0 and self.cues[lowest - 1] not in self.right:
            lowest -= 1
        highest = last
        while highest < len(self.cues) and self.cues[highest] not in self.right:
            highest += 1
        grown = 0
        while True:
            low = max(lowest, first - grown)
            high = min(highest, last + grown)
            before, run, after = self._parted(low, high)
            new = reshape(run, self.norms, after[0].start if after else inf)
            now = self._faults(before, run, after)
            then = self._faults(before, new, after)
            if not then.harmed and then < now:
                self.cues = [*self.cues[:low], *new, *self.cues[high:]]
                return low
            if not now.errors and (grown or (low, high) == (lowest, highest)):
                return None
            if (low, high) == (lowest, highest):
                return self._squeeze(low, high, new)
            grown = 2 * grown + 1

    def _parted(self, low: int, high: int) -> tuple[Cues, Cues, Cues]:
        """The cue before a run, the run, and the cue after it, if there are such."""
        return self.cues[max(0, low - 1) : low], self.cues[low:high], self.cues[high : high + 1]

    def _faults(self, before: Cues, run: Cues, after: Cues) -> _Faults:
        cues = [*before, *run, *after]
        report = lint(cues, self.norms)
        harmed = sum(cues[k] in self.right for k in _faulty(report))
        missing = sum(max(0.0, -self._spare(cue)) for cue in cues)
        return _Faults(report.errors, harmed, report.warnings, missing=round(missing, 2))

    def _spare(self, cue: Cue) -> float:
        """Seconds that a cue stands longer than it takes to read it."""
        return cue.end - cue.start - _needed(cue, self.norms)

    def _squeeze(self, low: int, high: int, new: Cues) -> int | None:
        """Cues for which there is too little time, at an even pace in what room there is.

        They may begin before their time, but not so early that it shows. If that does not do, the
        cues next to them give way as far as they stay right.
        """
        before, run, after = self._parted(low, high)
        earliest, latest = self._room(before, after, self.norms.gap)
        if latest - earliest < _LEAST * len(new):
            before = [replace(cue, end=cue.end - self._yielded(cue)) for cue in before]
            after = [replace(cue, start=cue.start + self._yielded(cue)) for cue in after]
        self.right |= {*before, *after}
        gaps = (self.norms.gap, max(_APART, self.norms.min_gap))
        tries = [run, *(self._fit(new, *self._room(before, after, gap)) for gap in gaps)]
        best = min(filter(None, tries), key=lambda cues: self._faults(before, cues, after))
        if best is run:
            return None
        start = low - len(before)
        self.cues = [*self.cues[:start], *before, *best, *after, *self.cues[high + len(after) :]]
        return start

    def _room(self, before: Cues, after: Cues, gap: float) -> tuple[float, float]:
        """From when to when cues may stand between these."""
        earliest = before[0].end + gap if before else 0.0
        return earliest, after[0].start - gap if after else inf

    def _fit(self, cues: Cues, earliest: float, latest: float) -> Cues:
        """The cues at an even pace in a room, none if there is none.

        They and the gaps between them keep their proportions.
        """
        begin = cues[0].start
        end = min(latest, max(cues[-1].end, begin + _LEAST * len(cues)))
        needed = sum(_needed(cue, self.norms) for cue in cues)
        begin = max(earliest, min(begin, end - needed), begin - self.norms.long_pause)
        # A short gap would flicker
        if begin - earliest < self.norms.min_gap:
            begin = earliest
        if latest - end < self.norms.min_gap:
            end = latest
        if end <= begin:
            return []
        shown = [max(_LEAST / 10, cue.end - cue.start) for cue in cues]
        gaps = [max(0.0, after.start - cue.end) for cue, after in pairwise(cues)]
        pace = (end - begin) / (sum(shown) + sum(gaps))
        paced: Cues = []
        now = begin
        for cue, seconds, gap in zip(cues, shown, [*gaps, 0.0], strict=True):
            paced.append(replace(cue, start=now, end=now + pace * seconds))
            now = paced[-1].end + pace * gap
        return [*paced[:-1], replace(paced[-1], end=end)]

    def _yielded(self, cue: Cue) -> float:
        """Seconds that a cue can give to a neighbour and stay right."""
        return min(_NUDGE, _UNSEEN + max(0.0, self._spare(cue)))


class _Faults(NamedTuple):
    """What is wrong with some cues, the worst first."""

    errors: int
    harmed: int  # cues that were right
    warnings: int
    missing: float  # seconds, for reading


def _faulty(report: Report) -> set[int]:
    """The numbers of the cues that have a part in a violation, from 0."""
    faulty = set()
    for violation in report.violations:
        faulty.add(violation.cue - 1)
        if violation.pair and violation.cue < report.cues:
            faulty.add(violation.cue)
    return faulty
