"""Where listening pays: the words of a film that may be wrong, as stops in the order in which they
pay.

Word i is wrong with probability p_i, by its calibrated confidence. A stop loops word i with a
moment around it, so the words N(i) in that loop are heard as well. Of a set H of words that were
heard already, the stop is expected to find g(i | H), and it costs t(i):

    g(i | H) = sum of p_j over the words j of N(i) that are not in H
    t(i)     = length of the loop + the time to decide

The next stop is the one with the largest g(i | H) / t(i). Gains only shrink while H grows, so each
stop pays at most as much as the one before, and the greedy order is near the best there is for any
budget (Nemhauser, Wolsey and Fisher, 1978).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import exp, inf, log

from gptasr_subs.types import Word

AROUND = 1.0  # seconds that are heard before and after a word
DECIDE = 1.5  # seconds to read, and to press a key

# P(wrong) = 1 / (1 + exp(_SLOPE * logit(confidence) + _OFFSET)).
_SLOPE = 1.0
_OFFSET = 0.0
_LEAST = 1e-4  # confidence whose logit is still a number
_UNSURE = 0.05  # chance to be wrong from which a word is worth a stop


@dataclass(frozen=True, slots=True)
class Stop:
    """One loop from ``start`` to ``end`` seconds around the word of that number.

    ``first`` and ``last`` number the words that are heard in it. ``expected`` errors are among
    those that no stop before it has; ``seconds`` is what it costs. ``same`` are other unsure words
    with the same text.
    """

    word: int
    start: float
    end: float
    first: int
    last: int
    expected: float
    seconds: float
    same: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """The bill: ``expected`` errors of all words that were not heard yet, and the ``stops`` that a
    budget pays for, which hold ``covered`` of them.
    """

    expected: float
    covered: float
    stops: tuple[Stop, ...]


def chance_wrong(word: Word) -> float:
    """The probability that a word is wrong, by its confidence."""
    sure = min(1 - _LEAST, max(_LEAST, word.confidence))
    return 1 / (1 + exp(_SLOPE * log(sure / (1 - sure)) + _OFFSET))


def plan_review(
    words: Sequence[Word], settled: Collection[int] = (), seconds: float = inf
) -> Review:
    """The stops that ``seconds`` pay for, the best first.

    ``words`` are in order of their times; those whose numbers are ``settled`` need not be heard.
    """
    queue = _Queue(words, settled)
    stops = []
    left = seconds
    while (stop := queue.next(left)) is not None:
        left -= stop.seconds
        stops.append(stop)
    return Review(queue.expected, sum(stop.expected for stop in stops), tuple(stops))


class _Queue:
    """What is left to hear: a heap of words by what a stop at each of them would pay."""

    def __init__(self, words: Sequence[Word], settled: Collection[int]) -> None:
        done = set(settled)
        self._words = words
        self._middles = [(word.start + word.end) / 2 for word in words]
        self._chances = [
            0.0 if number in done else chance_wrong(word) for number, word in enumerate(words)
        ]
        self.expected = sum(self._chances)
        self._same: dict[str, list[int]] = {}
        unsure = [number for number, chance in enumerate(self._chances) if chance >= _UNSURE]
        for number in unsure:
            self._same.setdefault(_key(words[number]), []).append(number)
        self._heap = [(-self._pays(self._stop_at(number)), number) for number in unsure]
        heapq.heapify(self._heap)

    def next(self, seconds: float) -> Stop | None:
        """The stop that pays most among those that cost at most ``seconds``; its words are heard
        from now on.
        """
        while self._heap:
            claimed, number = heapq.heappop(self._heap)
            if self._chances[number] < _UNSURE:  # heard
                continue
            stop = self._stop_at(number)
            if stop.seconds > seconds:
                continue
            if self._pays(stop) < -claimed:  # some of its words were heard meanwhile
                heapq.heappush(self._heap, (-self._pays(stop), number))
                continue
            for other in range(stop.first, stop.last + 1):
                self._chances[other] = 0.0
            return stop
        return None

    def _pays(self, stop: Stop) -> float:
        return stop.expected / stop.seconds

    def _stop_at(self, number: int) -> Stop:
        word = self._words[number]
        start = max(0.0, word.start - AROUND)
        end = word.end + AROUND
        first = min(number, bisect_left(self._middles, start))
        last = max(number, bisect_right(self._middles, end) - 1)
        same = self._same[_key(word)]
        return Stop(
            number,
            start=start,
            end=end,
            first=first,
            last=last,
            expected=sum(self._chances[first : last + 1]),
            seconds=end - start + DECIDE,
            same=tuple(other for other in same if other != number),
        )


def _key(word: Word) -> str:
    """The letters by which two words are the same."""
    letters = [character for character in word.text.casefold() if character.isalnum()]
    return "".join(letters) or word.text
