"""Align a long text with a whole recording, though not all of either is in the other.

This is forced alignment: Viterbi decoding over the CTC states of the text, as in ``ctc.align``
(Graves 2012, section 7.4; Kürzinger et al. 2020, "CTC-Segmentation of Large Corpora", have the same
aim), with three liberties. Before every word stands a filler state that takes any audio at a
penalty. Words may be skipped at a penalty. And only a band of the text around the best state so far
is considered, so that time and memory grow with the recording alone.

With v_t(s) the log-probability of the best path that is in state s at frame t, and e_t(s) what the
state emits there,

    v_t(s) = e_t(s) + max of  v_{t-1}(s)      stay,
                              v_{t-1}(s - 1)  step,
                              v_{t-1}(s - 2)  leave out a blank between two different characters,

and for the filler s of a word, with s' the filler n words before it,

    v_t(s) = max(v_t(s), v_t(s') - n * skip penalty).

Shapes: T frames, C classes, S states of the text, W states of the band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Moves = NDArray[np.uint8]

# Moves, by how many states they advance; a skipped word advances none, for it takes no frame.
_STAY = 0
_STEP = 1
_LEAVE_OUT = 2
_SKIP_WORDS = 3


@dataclass(frozen=True, slots=True)
class Penalties:
    """What liberties cost, in nats.

    Measured on videos half of whose words the recogniser gets wrong.

    ``filler``: a frame with a letter that is not in the text. ``skip``: a word that is not spoken.
    ``band``: letters of the text that are considered around the best state.
    """

    filler: float = 4.0
    skip: float = 4.0
    band: int = 1200


class WordFrames(NamedTuple):
    """Where a word is spoken: ``first`` to ``last`` frame, mean ``posterior`` of its letters."""

    first: int
    last: int
    posterior: float


def find_words(
    log_probs: FloatArray, words: Sequence[Sequence[int]], penalties: Penalties = Penalties()
) -> list[WordFrames | None]:
    """Return frames of ``log_probs`` (T, C) in which each word is spoken; None for one that is not.

    ``words`` are their CTC classes, without spaces.
    """
    if not len(log_probs) or not any(words):
        return [None] * len(words)
    states = _States(words)
    path = _best_path(log_probs, states, penalties)
    found: list[WordFrames | None] = []
    for first, after in pairwise(states.first_letters):
        # The frames in which the path is in a letter of the word; it never goes back.
        begin, end = np.searchsorted(path, [2 * first + 1, 2 * after])
        frames = np.arange(begin, end)[path[begin:end] % 2 == 1]
        if not len(frames):
            found.append(None)
            continue
        posteriors = np.exp(log_probs[frames, states.classes[path[frames]]])
        found.append(WordFrames(int(frames[0]), int(frames[-1]), float(posteriors.mean())))
    return found


class _States:
    """The S CTC states of a text: letter k is state 2 k + 1.

    State 2 k is the blank before it, or at the start of a word the filler.
    """

    def __init__(self, words: Sequence[Sequence[int]]) -> None:
        letters = np.array([letter for word in words for letter in word], dtype=np.int64)
        size = 2 * len(letters) + 1
        # of each word, the number of its first
        self.first_letters = np.cumsum([0, *map(len, words)])
        self.classes = np.full(size, ctc.BLANK)
        self.classes[1::2] = letters
        self.is_filler = np.zeros(size, dtype=bool)
        self.is_filler[2 * self.first_letters] = True
        self.may_skip_blank = np.zeros(size, dtype=bool)
        self.may_skip_blank[3::2] = letters[1:] != letters[:-1]
        # Words without letters share a filler with their successor.
        self.word_number = np.cumsum(self.is_filler) - 1


def _best_path(log_probs: FloatArray, states: _States, penalties: Penalties) -> Ints:
    """Return the state (T,) of each frame on the best path."""
    size = len(states.classes)
    width = min(size, 2 * penalties.band)

    # A frame in a filler is a pause, or any letter at a penalty.
    pause = np.logaddexp(log_probs[:, ctc.BLANK], log_probs[:, ctc.SPACE])
    letter = log_probs[:, 1 : ctc.SPACE].max(1)
    fillers = np.maximum(pause, letter - penalties.filler).astype(np.float64)  # (T,)

    lows = []  # first state of each frame's band
    moves = []  # and the best move into each state of it
    low = 0
    best = np.full(width, -np.inf)  # v_t of the band
    best[0] = 0.0
    for frame in range(len(log_probs)):
        # Move the band on, such that its best state stands at a third of it.
        wanted = min(low + int(best.argmax()) - width // 3, size - width)
        forward = max(0, wanted - low)
        low += forward
        best = np.append(best[forward:], np.full(forward, -np.inf))
        band = slice(low, low + width)
        emitted = np.where(
            states.is_filler[band], fillers[frame], log_probs[frame][states.classes[band]]
        )
        best, move = _advance(best, emitted, states, band, skip=penalties.skip)
        lows.append(low)
        moves.append(_pack(move))

    # The best state to end in: a pause, or the last letter of a word. Words after it are skipped.
    inside = np.arange(low, low + width)
    following = np.minimum(inside + 1, size - 1)
    may_end = states.is_filler[inside] | states.is_filler[following]
    next_word = states.word_number[np.where(states.is_filler[inside], inside, following)]
    skipped = penalties.skip * (states.word_number[-1] - next_word)
    state = low + int(np.where(may_end, best - skipped, -np.inf).argmax())
    return _trace(lows, moves, states, state)


def _advance(
    best: Floats, emitted: Floats, states: _States, band: slice, *, skip: float
) -> tuple[Floats, Moves]:
    """One frame on: v_t and the move into each state, from v_{t-1} and the emissions, all (W,)."""
    stepped = np.append(-np.inf, best[:-1])
    left_out = np.append([-np.inf] * 2, best[:-2])[: len(best)]
    left_out = np.where(states.may_skip_blank[band], left_out, -np.inf)
    reached = np.maximum(best, np.maximum(stepped, left_out))
    move = np.where(reached == best, _STAY, np.where(reached == stepped, _STEP, _LEAVE_OUT))
    move = move.astype(np.uint8)
    reached = reached + emitted

    # Skipped words: from filler i to filler j at (j - i) penalties, the best i for every j at once
    # by a running maximum of v(i) + i * skip.
    fillers = np.flatnonzero(states.is_filler[band])
    along = skip * np.arange(len(fillers))
    skipped = np.maximum.accumulate(reached[fillers] + along) - along
    move[fillers[skipped > reached[fillers]]] = _SKIP_WORDS
    reached[fillers] = skipped
    return reached, move


def _trace(lows: list[int], moves: list[Moves], states: _States, state: int) -> Ints:
    """Return the path (T,) that ends in ``state``, from the last frame to the first."""
    # A skipped word takes no frame: several may be skipped at one frame, so follow them all.
    path = np.empty(len(moves), dtype=np.int64)
    fillers = 2 * np.unique(states.first_letters)
    for frame in range(len(moves) - 1, -1, -1):
        path[frame] = state
        while (move := _unpack(moves[frame], state - lows[frame])) == _SKIP_WORDS:
            state = int(fillers[np.searchsorted(fillers, state) - 1])
            path[frame] = state
        state -= move  # the moves are numbered by how far they come
    return path


def _pack(move: Moves) -> Moves:
    """Four moves (W,) in a byte: those of all frames of a video must fit into memory."""
    padded = np.append(move, np.zeros(-len(move) % 4, np.uint8)).reshape(-1, 4)
    out: NDArray[np.uint8] = (padded << np.array([0, 2, 4, 6], np.uint8)).sum(1).astype(np.uint8)
    return out


def _unpack(packed: Moves, index: int) -> int:
    return int(packed[index // 4] >> (2 * (index % 4))) & 3
