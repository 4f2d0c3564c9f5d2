"""Words in, readable cues out: one search for the cheapest way to break speech into subtitles.

Every possible cue (a run of words without errors) gets a cost in points, and dynamic
programming finds the sequence of cues with the fewest points. The costs are ordinary sentences: see
``CueCosts``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gptasr_subs.cues.linebreaks import (
    INSIDE_PHRASE,
    SENTENCE_END,
    Floats,
    Ints,
    Layouts,
    break_penalties,
)
from gptasr_subs.cues.norms import NETFLIX, Norms
from gptasr_subs.cues.timed_words import CUE, LINE, PHRASE, TimedWords, time_words, tokens
from gptasr_subs.cues.timing import (
    out_times,
    reading_seconds,
    shortest_seconds,
    snap_ends,
    snap_starts,
)
from gptasr_subs.types import Cue, Word

# How long a cue shows at least, where many words were given one and the same time
_FLASH_FRAMES = 2
# Seconds by which a cue may begin after its first word, because others were given the same time
_LATEST = 2.0


@dataclass(frozen=True)
class CueCosts:
    """What each blemish costs, in points.

    One point is a cue that ends at a plain gap between two words.
    """

    # A second by which a cue stands too short to be read. A good part of it weighs like a split
    # phrase.
    unreadable_second: float = 6.0
    # A cue of no duration at all; one of half the shortest duration costs half of it.
    too_short: float = 4.0
    # A cue of one word: it flashes by without sense unless pauses leave it no company.
    orphan: float = 2.0
    # An empty cue; falls with the square of how full it is, so that cues come out evenly filled.
    thin: float = 2.0
    # The lines within the cue, times the points of linebreaks.py.
    layout: float = 1.0
    # Text of the next sentence shown before the last one has ended.
    bridged_sentence: float = 1.0
    # Text of two cues in one where cues that were there before are shaped anew: their in-times are
    # worth keeping.
    bridged_cue: float = 3.0
    # A silence of ``long_pause`` inside a cue; shorter ones in proportion. Breaking there is what a
    # listener expects.
    bridged_pause: float = 4.0


COSTS = CueCosts()


def shape_cues(
    words: Sequence[Word],
    norms: Norms = NETFLIX,
    *,
    max_chars: int | None = None,
    max_lines: int | None = None,
    shots: Sequence[float] = (),
) -> list[Cue]:
    """Break words into cues that are easy to read.

    ``max_chars`` and ``max_lines`` take the place of the norms'. Where cues begin or end near one
    of ``shots`` (seconds at which the picture is cut, in order) they do so with it.

    Always holds: at most ``max_lines`` lines of ``max_chars`` characters, at most ``max_seconds``,
    every word once and in the order given, cues in order with ``gap`` between them. Two
    exceptions: a word longer than ``max_chars`` stays whole, alone on its line; and where so many
    words were given one time that a cue would begin more than two seconds late, gaps are smaller.
    Words may touch, overlap a little, have no length or be empty.

    Raises UsageError when ``max_chars`` or ``max_lines`` is below 1.
    """
    chars = norms.max_chars if max_chars is None else max_chars
    lines = norms.max_lines if max_lines is None else max_lines
    return arrange(
        time_words(list(tokens(words))), replace(norms, max_chars=chars, max_lines=lines), shots
    )


def arrange(timed: TimedWords, norms: Norms, shots: Sequence[float] = ()) -> list[Cue]:
    """Return the cues of timed words; spaces are allowed in a text, and no line or cue ends at
    them.
    """
    if not timed.words:
        return []
    # Points for a break before each word, shape (n + 1,). Where a voice rests for half a long
    # pause, a phrase has ended, whatever the words.
    grammar = break_penalties(timed.words)
    penalties = grammar * np.maximum(0.0, 1.0 - 2.0 * _silence(timed, norms))
    ended = (timed.break_before >= LINE) | (
        (timed.break_before == PHRASE) & (grammar[:-1] < INSIDE_PHRASE)
    )
    penalties[:-1][ended] = SENTENCE_END
    stops = np.searchsorted(timed.starts, timed.starts + norms.max_seconds, side="right")
    most_words = (stops - np.arange(len(timed.starts))).max()  # that begin within one cue
    layouts = Layouts(
        timed.words,
        penalties,
        max_chars=norms.max_chars,
        max_lines=norms.max_lines,
        max_words=int(most_words),
        new_lines=timed.break_before >= LINE,
    )
    costs = _cue_costs(timed, layouts, penalties, norms)
    return _as_cues(timed, layouts, runs=cheapest_runs(costs), norms=norms, shots=shots)


def _silence(timed: TimedWords, norms: Norms) -> Floats:
    """Return the pause before each word as a share of a long one, 0 to 1, shape (n + 1,)."""
    return np.minimum(timed.pauses / norms.long_pause, 1.0)


def _cue_costs(
    timed: TimedWords, layouts: Layouts, penalties: Floats, norms: Norms, costs: CueCosts = COSTS
) -> Floats:
    """Return points of every possible cue, shape (n + 1, longest): row j, column d - 1 for the d
    words before word j.

    Infinity marks a cue that would be an error.
    """
    n = len(timed.words)
    bridges = costs.bridged_pause * _silence(timed, norms)
    # Or a rest, see ``arrange``
    bridges[1:-1] += costs.bridged_sentence * (penalties[1:-1] == SENTENCE_END)
    bridges[:-1] += costs.bridged_cue * (
        (timed.break_before == PHRASE) & (penalties[:-1] == SENTENCE_END)
    )
    bridged = np.cumsum(bridges)
    parted = np.cumsum(
        (timed.pauses >= norms.long_pause) | np.append(timed.break_before == CUE, False)
    )
    table = np.full((n + 1, layouts.longest), np.inf)
    for d in range(1, layouts.longest + 1):
        first = slice(0, n - d + 1)
        last = slice(d - 1, n)
        starts = timed.starts[first]
        ends = timed.ends[last]
        chars = layouts.chars(d)
        shown = (
            out_times(
                starts, ends, next_starts=timed.next_starts[last], chars=chars, words=d, norms=norms
            )
            - starts
        )
        cost = (
            penalties[d:]
            + costs.layout * layouts.cost[d]
            + _looks(chars, d, shown=shown, norms=norms, costs=costs)
        )
        cost += costs.orphan * (d == 1) + bridged[last] - bridged[first]
        broken = (parted[last] > parted[first]) | ((ends - starts > norms.max_seconds) & (d > 1))
        table[d:, d - 1] = np.where(broken, np.inf, cost)
    return table


def _looks(chars: Ints, words: int, shown: Floats, norms: Norms, costs: CueCosts) -> Floats:
    """Return points for how long cues of so many characters and words are shown, and for how empty
    they are.
    """
    unreadable = np.maximum(0.0, reading_seconds(chars, words, norms) - shown)
    missing = np.maximum(0.0, 1.0 - shown / shortest_seconds(words, norms))
    emptiness = np.maximum(0.0, 1.0 - chars / (norms.max_chars * norms.max_lines))
    return (
        costs.unreadable_second * unreadable + costs.too_short * missing + costs.thin * emptiness**2
    )


def cheapest_runs(costs: Floats) -> list[tuple[int, int]]:
    """Return the sequence of cues with the fewest points, each as (first word, number of words)."""
    n = len(costs) - 1
    longest = costs.shape[1]
    best = np.zeros(n + 1)
    sizes = np.zeros(n + 1, dtype=np.int64)
    for j in range(1, n + 1):
        d = min(j, longest)
        totals = best[j - d : j][::-1] + costs[j, :d]
        sizes[j] = 1 + int(totals.argmin())
        best[j] = totals[sizes[j] - 1]
    runs = []
    j = n
    while j:
        d = int(sizes[j])
        j -= d
        runs.append((j, d))
    return runs[::-1]


def _as_cues(
    timed: TimedWords,
    layouts: Layouts,
    runs: list[tuple[int, int]],
    norms: Norms,
    shots: Sequence[float],
) -> list[Cue]:
    """Return the runs as cues."""
    firsts = np.array([i for i, _ in runs])
    sizes = np.array([d for _, d in runs])
    starts = _in_turn(timed.starts[firsts], norms)
    ends = np.maximum(starts, timed.ends[firsts + sizes - 1])
    starts = snap_starts(starts, ends, shots=shots, norms=norms, end_limit=timed.end_limit)
    lines = [layouts.lines(i, d) for i, d in runs]
    chars = np.array([len(" ".join(text)) for text in lines])
    outs = out_times(
        starts,
        ends,
        next_starts=np.append(starts[1:], timed.end_limit),
        chars=chars,
        words=sizes,
        norms=norms,
    )
    # Each of a crowd is shown for half of the time until the next, if that is less than a flash
    halfway = (starts[:-1] + starts[1:]) / 2
    flashes = np.minimum(starts[:-1] + _FLASH_FRAMES * norms.frame, halfway)
    outs[:-1] = np.maximum(outs[:-1], flashes)
    outs = snap_ends(starts, ends, outs=outs, shots=shots, norms=norms, end_limit=timed.end_limit)
    return [
        Cue(float(start), float(out), text)
        for start, out, text in zip(starts, outs, lines, strict=True)
    ]


def _in_turn(wanted: Floats, norms: Norms) -> Floats:
    """Return in-times (n,) near the ``wanted`` ones of the first words, in order, with room for
    each cue.

    A cue waits for the one before: s_k = max(w_k, s_(k-1) + step). In a crowd that makes a cue
    later than ``_LATEST``, the step shrinks in proportion. That is enough: with j from where the
    crowd begins to k, s_k - w_k = max_j (w_j - w_k + (k - j) step), where w_j - w_k <= 0, so a step
    of c times the length leaves at most c times the delay.
    """
    step = _FLASH_FRAMES * norms.frame + norms.gap
    starts = _pushed(wanted, step)
    # A crowd begins wherever a cue need not wait
    begins = np.flatnonzero(starts <= wanted)
    for first, end in zip(begins, [*begins[1:], len(starts)], strict=True):
        crowd = slice(first, end)
        late = float((starts[crowd] - wanted[crowd]).max())
        if late > _LATEST:
            starts[crowd] = _pushed(wanted[crowd], step * _LATEST / late)
    return starts


def _pushed(wanted: Floats, step: float) -> Floats:
    """Return times (n,) not before the ``wanted`` ones, and each at least ``step`` after the
    last.
    """
    pushed: Floats = wanted.copy()
    for k in range(1, len(pushed)):
        pushed[k] = max(pushed[k], pushed[k - 1] + step)
    return pushed
