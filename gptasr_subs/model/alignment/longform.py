"""A long text found in the CTC log-probabilities of a film, though some of it is never said and some sound not in it.

The best path (Viterbi) through the letters of the text, as in ``ctc.align``, with three liberties. Before every word
stands a filler that takes any sound at a price; words may be passed over at a price; and only a band of the text
around the best place so far is looked at, so that time and memory grow with the film alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STAY, _STEP, _SKIP, _PASS = (
    0,
    1,
    2,
    3,
)  # in the same state, from the last, from the one before; a word passed over


@dataclass(frozen=True, slots=True)
class Prices:
    """What liberties cost, in nats. Measured on films half of whose words the recogniser gets wrong.

    ``filler``: a frame in which a letter is heard that is not in the text. ``word``: a word that is not said.
    ``band``: letters of the text that are looked at around the best place.
    """

    filler: float = 4.0
    word: float = 4.0
    band: int = 1200


class Found(NamedTuple):
    """Where a word is heard: frames ``first`` to ``last`` inclusive, mean ``posterior`` of its letters."""

    first: int
    last: int
    posterior: float


def find_words(
    log_probs: FloatArray, spelled: Sequence[Sequence[int]], prices: Prices = Prices()
) -> list[Found | None]:
    """Frames of ``log_probs`` (T, C) in which each word (its classes, no spaces) is heard; None for one that is not."""
    if not len(log_probs) or not any(spelled):
        return [None] * len(spelled)
    text = _Text(spelled)
    path = _follow(log_probs, text, prices)
    return [_found(path, log_probs, text, word) for word in range(len(spelled))]


class _Text:
    """Every letter k is state 2k + 1; state 2k is the blank before it, or at the start of a word the filler."""

    def __init__(self, spelled: Sequence[Sequence[int]]) -> None:
        letters = np.array([letter for word in spelled for letter in word], dtype=np.int64)
        self.firsts = np.cumsum(
            [0, *map(len, spelled)]
        )  # of each word, the number of its first letter
        self.classes = np.full(2 * len(letters) + 1, ctc.BLANK)
        self.classes[1::2] = letters
        self.is_filler = np.zeros(len(self.classes), dtype=bool)
        self.is_filler[2 * self.firsts] = True
        self.may_skip = np.zeros(len(self.classes), dtype=bool)
        self.may_skip[3::2] = letters[1:] != letters[:-1]
        self.word_number = (
            np.cumsum(self.is_filler) - 1
        )  # words with no letters share a filler with their successor


def _follow(log_probs: FloatArray, text: _Text, prices: Prices) -> Ints:
    """The state (T,) of each frame on the best path."""
    lows, moves = [], []
    low, width = 0, min(len(text.classes), 2 * prices.band)
    filler = _filler_costs(log_probs, prices)
    best = np.full(width, -np.inf)
    best[0] = 0.0
    for frame in range(len(log_probs)):
        forward = max(
            0, min(low + int(best.argmax()) - width // 3, len(text.classes) - width) - low
        )
        low, best = low + forward, np.append(best[forward:], np.full(forward, -np.inf))
        best, move = _advance(
            best, text, slice(low, low + width), log_probs[frame], filler[frame], prices.word
        )
        lows.append(low)
        moves.append(_packed(move))
    return _trace(lows, moves, width, text, _last_state(best, low, text, prices))


def _filler_costs(log_probs: FloatArray, prices: Prices) -> Floats:
    """Log-probability (T,) of a frame in a filler: a pause, or any letter for its price."""
    pause = np.logaddexp(log_probs[:, ctc.BLANK], log_probs[:, ctc.SPACE])
    letters = log_probs[:, 1 : ctc.SPACE].max(1)
    costs: Floats = np.maximum(pause, letters - prices.filler).astype(np.float64)
    return costs


def _advance(
    best: Floats, text: _Text, band: slice, frame: FloatArray, filler: float, word: float
) -> tuple[Floats, NDArray[np.uint8]]:
    is_filler = text.is_filler[band]
    step = np.append(-np.inf, best[:-1])
    skip = np.append([-np.inf] * 2, best[:-2])[: len(best)]
    skip = np.where(text.may_skip[band], skip, -np.inf)
    reached = np.maximum(best, np.maximum(step, skip))
    move = np.where(reached == best, _STAY, np.where(reached == step, _STEP, _SKIP)).astype(
        np.uint8
    )
    emitted = np.where(is_filler, filler, frame[text.classes[band]])
    reached = reached + emitted
    fillers = np.flatnonzero(is_filler)
    along = word * np.arange(len(fillers))
    passed = np.maximum.accumulate(reached[fillers] + along) - along
    move[fillers[passed > reached[fillers]]] = _PASS
    reached[fillers] = passed
    return reached, move


def _packed(move: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Four moves in a byte: what is remembered of a film must fit into memory."""
    padded = np.append(move, np.zeros(-len(move) % 4, np.uint8)).reshape(-1, 4)
    packed: NDArray[np.uint8] = (padded << np.array([0, 2, 4, 6], np.uint8)).sum(1).astype(np.uint8)
    return packed


def _last_state(best: Floats, low: int, text: _Text, prices: Prices) -> int:
    """The best state to end in; the words after it are not said, at their price."""
    states = np.arange(low, low + len(best))
    following = np.minimum(states + 1, len(text.classes) - 1)
    ends = (
        text.is_filler[states] | text.is_filler[following]
    )  # a pause, or the last letter of a word
    left = prices.word * (
        text.word_number[-1] - text.word_number[np.where(text.is_filler[states], states, following)]
    )
    return low + int(np.where(ends, best - left, -np.inf).argmax())


def _trace(
    lows: list[int], moves: list[NDArray[np.uint8]], width: int, text: _Text, state: int
) -> Ints:
    path = np.empty(len(moves), dtype=np.int64)
    fillers = 2 * np.unique(text.firsts)
    for frame in range(len(moves) - 1, -1, -1):
        path[frame] = state
        while (move := _move(moves[frame], state - lows[frame])) == _PASS:
            state = int(fillers[np.searchsorted(fillers, state) - 1])
            path[frame] = state
        state -= move
    return path


def _move(packed: NDArray[np.uint8], place: int) -> int:
    return int(packed[place // 4] >> (2 * (place % 4))) & 3


def _found(path: Ints, log_probs: FloatArray, text: _Text, word: int) -> Found | None:
    """Where the path goes through the letters of the word, if it does."""
    begin, end = np.searchsorted(
        path, [2 * text.firsts[word] + 1, 2 * text.firsts[word + 1]]
    )  # it never goes back
    frames = np.arange(begin, end)[path[begin:end] % 2 == 1]
    if not len(frames):
        return None
    posterior = float(np.exp(log_probs[frames, text.classes[path[frames]]]).mean())
    return Found(int(frames[0]), int(frames[-1]), posterior)
