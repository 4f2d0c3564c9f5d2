"""Words in, readable cues out: one search for the cheapest way to break a talk into subtitles.

Every possible cue (a run of words that keeps the hard rules) gets a cost in points, and dynamic programming finds
the sequence of cues with the fewest points. The costs are ordinary sentences: see ``CueCosts``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gptasr_subs.errors import UsageError
from gptasr_subs.linebreaks import SENTENCE_END, Floats, Ints, Layouts, break_penalties
from gptasr_subs.types import Cue, Word

_FLASH_FRAMES = 2  # how long a cue shows at the least, where many words were given one and the same time


@dataclass(frozen=True)
class CueCosts:
    """What each blemish costs, in points. One point is a cue that ends at a plain gap between two words."""

    # A character that cannot be read while the cue stands. Most of a second of them weighs like a split phrase.
    unreadable_char: float = 0.3
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
    # A silence of ``long_pause`` inside a cue; shorter ones in proportion. Breaking there is what a listener expects.
    bridged_pause: float = 4.0


@dataclass(frozen=True)
class CueOptions:
    """The norms a cue keeps; the defaults are Netflix's for English. Times are seconds. Raises UsageError."""

    # Netflix: 5/6 of a second (20 frames at 24 a second). Kept where the next cue leaves room.
    min_seconds: float = 5 / 6
    # Netflix: 7 seconds. Never exceeded; a single longer word is cut off at it.
    max_seconds: float = 7.0
    # Netflix: 20 characters a second for adults (17 for children), spaces included.
    max_chars_per_second: float = 20.0
    # Frames a second of the video, and the frames Netflix leaves dark between two cues so that the eye sees a change.
    fps: float = 24.0
    gap_frames: int = 2
    # Netflix: a cue may stay half a second after the voice, for reading.
    lead_out: float = 0.5
    # Netflix: a dark gap under half a second flickers, so it is closed to ``gap_frames``.
    min_dark: float = 0.5
    # No cue reaches across a silence of this length: the lead-out of one cue and a dark gap fit into it, and text that
    # shows earlier than this before its voice counts as too early.
    long_pause: float = 1.0
    costs: CueCosts = field(default_factory=CueCosts)

    def __post_init__(self) -> None:
        """Refuse norms that no cue can keep."""
        if min(self.min_seconds, self.max_chars_per_second, self.fps, self.long_pause) <= 0:
            raise UsageError("A cue's shortest duration, speed, frame rate and long pause must be above 0.")
        if self.max_seconds < self.min_seconds or min(self.gap_frames, self.lead_out, self.min_dark) < 0:
            raise UsageError("A cue's longest duration must reach its shortest, and its gaps cannot be negative.")

    @property
    def gap(self) -> float:
        """Seconds between two cues that follow closely."""
        return self.gap_frames / self.fps


NETFLIX = CueOptions()


@dataclass(frozen=True)
class _Talk:
    """Words made sound: single tokens in their order, starts and ends that never go back, shape (n,)."""

    words: list[str]
    starts: Floats
    ends: Floats

    @property
    def next_starts(self) -> Floats:
        """When the word after each one begins; infinity after the last."""
        return np.append(self.starts[1:], np.inf)

    @property
    def pauses(self) -> Floats:
        """Silence before each word, shape (n + 1,); 0 before the first and after the last."""
        inner = self.starts[1:] - self.ends[:-1]
        return np.concatenate(([0.0], inner, [0.0]))


def shape_cues(
    words: Sequence[Word], *, max_chars: int = 42, max_lines: int = 2, options: CueOptions = NETFLIX
) -> list[Cue]:
    """Break words into cues that are easy to read.

    Always holds: at most ``max_lines`` lines of ``max_chars`` characters, at most ``options.max_seconds``, every word
    once and in the order given, cues in order with ``options.gap`` between them. The one exception: a word longer than
    ``max_chars`` stays whole, alone on its line. Words may touch, overlap a little, have no length or be empty.

    Raises UsageError when ``max_chars`` or ``max_lines`` is below 1.
    """
    if max_chars < 1 or max_lines < 1:
        raise UsageError("A cue needs room for at least one character and one line; raise max_chars or max_lines.")
    talk = _sanitise(words)
    if not talk.words:
        return []
    # Where a voice rests for half a long pause, a phrase has ended, whatever the words.
    penalties = break_penalties(talk.words) * np.maximum(0.0, 1.0 - 2.0 * _silence(talk, options))
    reach = _most_words(talk.starts, options.max_seconds)
    layouts = Layouts(talk.words, penalties, max_chars=max_chars, max_lines=max_lines, max_words=reach)
    costs = _cue_costs(talk, layouts, penalties, max_chars * max_lines, options)
    return _timed(talk, layouts, _cheapest_runs(costs), options)


def _sanitise(words: Sequence[Word]) -> _Talk:
    """Texts without inner spaces, times finite, not negative and never going back; no word lost or moved."""
    texts, starts, ends = [], [], []
    now = 0.0
    for token, start, end in (part for word in words for part in _tokens(word)):
        now = max(now, start) if math.isfinite(start) else now
        texts.append(token)
        starts.append(now)
        ends.append(max(now, end) if math.isfinite(end) else now)
    begins, finishes = np.array(starts), np.array(ends)
    finishes[:-1] = np.minimum(finishes[:-1], begins[1:])  # a word that overlaps the next one ends where that begins
    return _Talk(texts, begins, finishes)


def _tokens(word: Word) -> Iterator[tuple[str, float, float]]:
    """The parts of a word's text without spaces, with their share of its time; none if the text is blank."""
    parts = word.text.split()
    if len(parts) == 1:
        yield parts[0], word.start, word.end
        return
    second = (word.end - word.start) / max(1, sum(map(len, parts)))
    at = word.start
    for part in parts:
        yield part, at, at + second * len(part)
        at += second * len(part)


def _most_words(starts: Floats, seconds: float) -> int:
    """The most words that begin within so many seconds."""
    return int((np.searchsorted(starts, starts + seconds, side="right") - np.arange(len(starts))).max())


def _silence(talk: _Talk, options: CueOptions) -> Floats:
    """The pause before each word as a share of a long one, 0 to 1, shape (n + 1,)."""
    return np.minimum(talk.pauses / options.long_pause, 1.0)


def _cue_costs(talk: _Talk, layouts: Layouts, penalties: Floats, room: int, options: CueOptions) -> Floats:
    """Points of every possible cue, shape (n + 1, reach): row j, column d - 1 for the d words before word j.

    ``room`` is the number of characters a full cue holds. Infinity marks a cue that breaks a hard rule.
    """
    costs, n = options.costs, len(talk.words)
    bridges = costs.bridged_pause * _silence(talk, options)
    bridges[1:-1] += costs.bridged_sentence * (penalties[1:-1] == SENTENCE_END)  # or a rest, see above
    bridged = np.cumsum(bridges)
    forced = np.cumsum(talk.pauses >= options.long_pause)
    table = np.full((n + 1, layouts.reach), np.inf)
    for d in range(1, layouts.reach + 1):
        first, last = slice(0, n - d + 1), slice(d - 1, n)
        starts, ends, chars = talk.starts[first], talk.ends[last], layouts.chars(d)
        shown = _out_times(starts, ends, talk.next_starts[last], chars, options) - starts
        cost = penalties[d:] + costs.layout * layouts.cost[d] + _looks(chars, shown, room, options)
        cost += costs.orphan * (d == 1) + bridged[last] - bridged[first]
        broken = (forced[last] > forced[first]) | ((ends - starts > options.max_seconds) & (d > 1))
        table[d:, d - 1] = np.where(broken, np.inf, cost)
    return table


def _looks(chars: Ints, shown: Floats, room: int, options: CueOptions) -> Floats:
    """Points for how long cues of so many characters are shown, and for how empty they are."""
    costs = options.costs
    unreadable = np.maximum(0.0, chars - options.max_chars_per_second * shown)
    missing = np.maximum(0.0, 1.0 - shown / options.min_seconds)
    emptiness = np.maximum(0.0, 1.0 - chars / room)
    return costs.unreadable_char * unreadable + costs.too_short * missing + costs.thin * emptiness**2


def _out_times(starts: Floats, ends: Floats, next_starts: Floats, chars: Ints, options: CueOptions) -> Floats:
    """When cues end that are spoken from ``starts`` to ``ends``, the next beginning at ``next_starts``.

    Each stays for its lead-out and its shortest duration, but never up to the next cue. Where that would leave a dark
    gap that flickers, the cue ends early enough for a full one, or, if it is then too short to read, just before the
    next cue.
    """
    closed, dark = next_starts - options.gap, next_starts - options.min_dark
    wanted = np.maximum(ends + options.lead_out, starts + options.min_seconds)
    readable = starts + np.maximum(options.min_seconds, chars / options.max_chars_per_second)
    flickers = (wanted > dark) & (next_starts - ends < options.long_pause)
    stays = (ends + options.lead_out >= closed) | (np.maximum(ends, readable) > dark)
    usual, longest = np.minimum(wanted, closed), starts + options.max_seconds
    # a cue that may not last until the next one gains nothing by lingering half the way
    lingering = np.where(closed <= longest, closed, usual)
    return np.minimum(np.where(flickers, np.where(stays, lingering, dark), usual), longest)


def _cheapest_runs(costs: Floats) -> list[tuple[int, int]]:
    """The sequence of cues with the fewest points, each as (first word, number of words)."""
    n, reach = len(costs) - 1, costs.shape[1]
    best, sizes = np.zeros(n + 1), np.zeros(n + 1, dtype=np.int64)
    for j in range(1, n + 1):
        d = min(j, reach)
        totals = best[j - d : j][::-1] + costs[j, :d]
        sizes[j] = 1 + int(totals.argmin())
        best[j] = totals[sizes[j] - 1]
    runs, j = [], n
    while j:
        d = int(sizes[j])
        j -= d
        runs.append((j, d))
    return runs[::-1]


def _timed(talk: _Talk, layouts: Layouts, runs: list[tuple[int, int]], options: CueOptions) -> list[Cue]:
    """The runs as cues. In-times are the first words' starts, unless those crowd: then later cues wait their turn."""
    firsts = np.array([i for i, _ in runs])
    sizes = np.array([d for _, d in runs])
    starts = talk.starts[firsts]
    for k in range(1, len(starts)):
        starts[k] = max(starts[k], starts[k - 1] + _FLASH_FRAMES / options.fps + options.gap)
    ends = np.maximum(starts, talk.ends[firsts + sizes - 1])
    lines = [layouts.lines(i, d) for i, d in runs]
    chars = np.array([len(" ".join(text)) for text in lines])
    outs = _out_times(starts, ends, np.append(starts[1:], np.inf), chars, options)
    return [Cue(float(start), float(out), text) for start, out, text in zip(starts, outs, lines, strict=True)]
