"""Where listening pays: the words of a film that may be wrong, as stops in the order in which they
pay.

Word i is wrong with probability p_i, by its calibrated confidence. A stop is a run of words that
follow closely and are each likely to be wrong (errors come in runs), or one word alone. It loops
with a moment around it, so of a stop s

    g(s) = sum of p_i over its words          errors that it is expected to hold
    t(s) = its length + the moments around it + the time to decide

and the stops come in the order of g / t, the most first: for a budget of time, Dantzig's order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import exp, inf, log

from gptasr_subs.server.page.changes import letters_of
from gptasr_subs.types import Word

AROUND = 1.0  # seconds that are heard before and after the words of a stop
DECIDE = 1.5  # seconds to read, and to press a key

# P(wrong) = 1 / (1 + exp(_SLOPE * logit(confidence) + _OFFSET)), as benchmarks/review.py fits it.
_SLOPE = 1.12
_OFFSET = 0.2
_LEAST = 1e-3  # confidence whose logit still says something
_UNSURE = 0.03  # chance to be wrong from which a word is worth a stop
_LIKELY = 0.29  # ... and from which it shares one with its neighbours
_CLOSE = 0.5  # seconds of silence over which a run goes on
_LONGEST = 4  # words of a run


@dataclass(frozen=True, slots=True)
class Stop:
    """The words from number ``first`` to ``last``, of which ``word`` is the least sure.

    It loops from ``start`` to ``end`` seconds, costs ``seconds`` and is expected to hold
    ``expected`` errors. ``same`` are other unsure words with the text of ``word``.
    """

    word: int
    first: int
    last: int
    start: float
    end: float
    expected: float
    seconds: float
    same: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """The bill: ``expected`` errors of all words that are not settled, and the ``stops`` that a
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
    done = set(settled)
    chances = [0.0 if i in done else chance_wrong(word) for i, word in enumerate(words)]
    stops = sorted(_stops(words, chances), key=lambda stop: -stop.expected / stop.seconds)
    unsure: dict[str, list[int]] = {}  # the numbers of equal words
    for number, chance in enumerate(chances):
        if chance >= _UNSURE:
            unsure.setdefault(_letters(words[number]), []).append(number)
    paid = []
    left = seconds
    for stop in stops:
        left -= stop.seconds
        if left < 0:
            break
        equal = unsure[_letters(words[stop.word])]
        paid.append(replace(stop, same=tuple(i for i in equal if i != stop.word)))
    return Review(sum(chances), sum(stop.expected for stop in paid), tuple(paid))


def _stops(words: Sequence[Word], chances: Sequence[float]) -> Iterator[Stop]:
    """Yield a stop for each word that is unsure, one for several in a row."""
    first = 0
    for number in range(1, len(words) + 1):
        goes_on = (
            number < len(words)
            and min(chances[number - 1 : number + 1]) >= _LIKELY
            and words[number].start - words[number - 1].end < _CLOSE
            and number - first < _LONGEST
        )
        if goes_on:
            continue
        run = range(first, number)
        first = number
        if any(chances[i] >= _UNSURE for i in run):
            start = max(0.0, words[run[0]].start - AROUND)
            end = words[run[-1]].end + AROUND
            yield Stop(
                max(run, key=chances.__getitem__),
                first=run[0],
                last=run[-1],
                start=start,
                end=end,
                expected=sum(chances[i] for i in run),
                seconds=end - start + DECIDE,
            )


def _letters(word: Word) -> str:
    """By what two words are the same."""
    return letters_of(word.text) or word.text
