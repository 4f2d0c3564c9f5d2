"""Where a line or a cue may end: what English grammar says of each gap, and the best lines for a
run of words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Points for ending a line between two words, after the line treatment rules of Netflix's timed text
# guides: break after punctuation, before conjunctions and prepositions, never inside a phrase.
SENTENCE_END = 0.0
CLAUSE_END = 0.25
BEFORE_LINK = 0.5
PLAIN = 1.0
INSIDE_PHRASE = 5.0

# What the points above and the raggedness of the lines weigh against one another. With these a line
# of 38 beside one of 6 characters (0.6) is worse than a plain break in the middle (0.5), and better
# than a split phrase (2.5).
_TURN_WEIGHT = 0.5
_RAGGED_WEIGHT = 2.0


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_CONJUNCTIONS = _words(
    "and or but nor because although though while whereas unless until if when whenever"
)
_RELATIVES = _words("where wherever who whom which that than as since so")
_PREPOSITIONS = _words(
    """about above across after against along among around at before behind below beneath beside
    between beyond by despite during except for from in inside into like near of on onto outside
    over past through throughout to toward towards under upon with within without"""
)
_DETERMINERS = _words(
    """a an the this these those my your his her its our their whose every each some any no both
    either neither another what"""
)
_PRONOUNS = _words("i you he she it we they there")
_AUXILIARIES = _words(
    """am is are was were be been being have has had do does did will would shall should can could
    may might must ought cannot not never don't let's"""
)
_DEGREES = _words("very too quite rather more most less least much many few several such")
_ADJECTIVES = _words(
    """good bad big small great little large long short old new young high low early late own other
    last first next same different whole only few best better worst right wrong true real sure free
    full empty open poor rich strong weak hard soft easy hot cold warm dark bright black white red
    blue green dear deep wide fine happy sad nice pretty quick slow heavy light clear public private
    human local main major important general national social"""
)
_NUMBERS = _words(
    """one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty
    sixty seventy eighty ninety hundred thousand million"""
)
_TITLES = _words(
    "mr mrs ms dr prof st mister miss sir lord lady captain doctor professor saint king queen"
)

# What follows belongs to these: always ("the dog", "of it", "because he"), or unless a preposition
# comes ("he was").
_LINKS = _CONJUNCTIONS | _RELATIVES | _PREPOSITIONS
_HOLDS_ALWAYS = _LINKS | _DETERMINERS
_HOLDS = _PRONOUNS | _AUXILIARIES | _DEGREES | _ADJECTIVES | _NUMBERS | _TITLES
_CONTRACTIONS = ("n't", "'ll", "'ve", "'re", "'d", "'m", "'s")
_ADJECTIVE_ENDINGS = ("ful", "ous", "ive", "able", "ible", "less", "ish")
_ADJECTIVE_LENGTH = 7  # below it such endings are as often nouns and verbs: "table", "give", "fish"
_CLOSERS = "\"'”’)]}»"
_OPENERS = "\"'“‘([{«¿¡-–—♪"
_ABBREVIATIONS = frozenset({"mr", "mrs", "ms", "dr", "prof", "st", "vs", "etc", "e.g", "i.e"})


def _bare(word: str) -> str:
    """Return the word in lower case without the marks around it, its apostrophe straight."""
    return word.lower().replace("’", "'").strip("\"'“”‘()[]{}«»¿¡.,;:!?…-–—♪")


def ends_sentence(word: str) -> bool:
    """Return whether a sentence ends with this word: a full stop that is not one of "Mr." or
    "J.".
    """
    core = word.rstrip(_CLOSERS)
    if not core.endswith((".", "?", "!", "…", "。", "？", "！")):
        return False
    stem = core[:-1].lower().lstrip(_OPENERS)
    return core[-1] != "." or not (stem in _ABBREVIATIONS or (len(stem) == 1 and stem.isalpha()))


def _is_name(word: str) -> bool:
    """Return whether it is written like a name, which text all in capitals does not show."""
    core = word.strip(_OPENERS + _CLOSERS)
    return core[:1].isupper() and core[1:2].islower() and _bare(core) not in _HOLDS_ALWAYS


def _holds_next(word: str) -> bool:
    """Return whether a bare word belongs to what follows, unless a preposition or a conjunction
    comes between.
    """
    if word in _HOLDS or word.isdigit() or word.endswith(_CONTRACTIONS):
        return True
    return len(word) >= _ADJECTIVE_LENGTH and word.endswith(_ADJECTIVE_ENDINGS)


def break_penalty(words: Sequence[str], k: int) -> float:
    """Return points for a break before word ``k``, which is neither the first nor beyond the
    last.
    """
    before = words[k - 1]
    after = words[k]
    if ends_sentence(before):
        return SENTENCE_END
    if before.rstrip(_CLOSERS).endswith((",", ";", ":", "-", "–", "—")):
        return CLAUSE_END
    left = _bare(before)
    right = _bare(after)
    # "where he came from | and"
    if left in _HOLDS_ALWAYS and not (left in _PREPOSITIONS and right in _CONJUNCTIONS):
        return INSIDE_PHRASE
    if right in _CONJUNCTIONS:
        return BEFORE_LINK
    if right in _LINKS:
        return PLAIN if _holds_next(left) else BEFORE_LINK
    opens_sentence = k == 1 or ends_sentence(words[k - 2])
    full_name = not opens_sentence and _is_name(before) and _is_name(after)
    return INSIDE_PHRASE if full_name or _holds_next(left) else PLAIN


def break_penalties(words: Sequence[str]) -> Floats:
    """Return points for a break before each word, shape (n + 1,).

    Nothing is split at either end of the text.
    """
    points = np.zeros(len(words) + 1)
    points[1:-1] = [break_penalty(words, k) for k in range(1, len(words))]
    return points


class Layouts:
    """The best lines for every run of up to ``longest`` words at once, so that a search over cues
    only looks up.

    A run takes the fewest lines it fits in; among those the breaks with the fewest points and the
    most even lines. A single word longer than ``max_chars`` stands alone on its line: it is never
    cut. All rows below are indexed by the number of words d and hold one value a start i, shape (n
    - d + 1,); infinity where the run does not fit.
    """

    def __init__(
        self,
        words: Sequence[str],
        penalties: Floats,
        *,
        max_chars: int,
        max_lines: int,
        max_words: int,
        new_lines: Bools | None = None,
    ) -> None:
        """Lay out all runs; ``penalties`` as from ``break_penalties``, shape (n + 1,).

        Words marked in ``new_lines``, shape (n,), begin a line wherever they stand.
        """
        self.words = words
        self._max_chars = max_chars
        self._new_lines = np.cumsum(np.zeros(len(words)) if new_lines is None else new_lines)
        self._edges = np.concatenate(
            ([0], np.cumsum([len(word) + 1 for word in words], dtype=np.int64))
        )
        self._turns = _TURN_WEIGHT * penalties
        # The most words whose characters, with one space each, fit
        room = self._edges + max_lines * (max_chars + 1)
        last = np.searchsorted(self._edges, room, side="right") - 1
        most = int((last - np.arange(len(self._edges))).max())
        self.longest = max(1, min(max_words, most))
        sizes = range(1, self.longest + 1)
        single = {d: row for d in sizes if np.isfinite(row := self._single_line(d)).any()}
        # Words on the top line of a layout of 1, 2, ... lines
        self._tops: list[dict[int, Ints]] = [{}]
        self._used = {d: np.ones(len(words) - d + 1, dtype=np.int64) for d in sizes}
        self.cost: dict[int, Floats] = {d: self._unevenness(single, d, 1) for d in sizes}
        rest = single
        for lines in range(2, max_lines + 1):
            rest = self._with_line_above(single, rest, sizes)
            # Layouts of this many lines are for runs that do not fit into fewer.
            for d in sizes:
                missing = np.isinf(self.cost[d])
                self._used[d][missing] = lines
                self.cost[d] = np.where(missing, self._unevenness(rest, d, lines), self.cost[d])

    def chars(self, d: int) -> Ints:
        """Return characters of each run of d words on one line, spaces included, shape (n - d +
        1,).
        """
        return self._edges[d:] - self._edges[: len(self._edges) - d] - 1

    def lines(self, i: int, d: int) -> tuple[str, ...]:
        """Return the words i to i + d, set in their best lines."""
        broken = []
        for left in range(int(self._used[d][i]), 1, -1):
            top = int(self._tops[left - 1][d][i])
            broken.append(" ".join(self.words[i : i + top]))
            i = i + top
            d = d - top
        return (*broken, " ".join(self.words[i : i + d]))

    def _single_line(self, d: int) -> Floats:
        chars = self.chars(d)
        whole = self._new_lines[d - 1 :] == self._new_lines[: len(self.words) - d + 1]
        fits = (chars <= self._max_chars) & whole | (d == 1)
        return np.where(fits, _RAGGED_WEIGHT * (chars / self._max_chars) ** 2, np.inf)

    def _with_line_above(
        self, top: dict[int, Floats], rest: dict[int, Floats], sizes: range
    ) -> dict[int, Floats]:
        """Layouts with one line more than ``rest``, each with the best choice of its first line."""
        rows = {}
        choices = {}
        for d in sizes:
            n = len(self.words) - d + 1
            best = np.full(n, np.inf)
            choice = np.ones(n, dtype=np.int64)
            for c in (c for c in range(1, d) if c in top and d - c in rest):
                cost = top[c][:n] + self._turns[c : c + n] + rest[d - c][c : c + n]
                choice[cost < best] = c
                np.minimum(best, cost, out=best)
            rows[d] = best
            choices[d] = choice
        self._tops.append(choices)
        return {d: row for d, row in rows.items() if np.isfinite(row).any()}

    def _unevenness(self, rows: dict[int, Floats], d: int, lines: int) -> Floats:
        """Return the rows' cost less the squares that even lines would have: what remains is breaks
        and raggedness.
        """
        even = (self.chars(d) - (lines - 1)) ** 2 / lines / self._max_chars**2
        return rows[d] - _RAGGED_WEIGHT * even if d in rows else np.full(even.shape, np.inf)
