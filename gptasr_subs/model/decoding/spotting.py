"""Which terms of a glossary may be spoken in a clip, by the CTC head alone.

A word spotter as in CTC-WS (Andrusenko et al. 2024, "Fast Context-Biasing for CTC and Transducer
ASR models with CTC-based Word Spotter"): all terms stand in a trie of letters, and the best
alignment of each of its nodes is followed over the frames, from any frame on. With y_t(k) the
log-probability of class k in frame t less that of the likeliest class, and c(n) the letter of n,

    s_t(n) = max(s_{t-1}(n) + max(y_t(c(n)), y_t(blank)), s_{t-1}(parent of n) + y_t(c(n))).

What a term scores is how far it is from what the head reads by itself: 0 nats is no difference.

What the spotter reads are the ``sounds`` of a clip: its frames with letters, in steps that fit into
a byte. They are small enough to be kept, and show later which terms of another glossary are there.

Shapes: T frames, F frames with letters, C classes, N nodes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from math import log

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.model import ctc
from gptasr_subs.types import FloatArray

Sounds = NDArray[np.uint8]  # (F, C) steps below the likeliest class of the frame

MIN_SCORE = -2.5  # nats a letter below which a term is not spotted

_AUDIBLE = -6.0  # nats below the likeliest class at which no letter begins
_STEPS = 12.0  # a nat


def frames_with_letters(log_probs: FloatArray) -> NDArray[np.int64]:
    """Numbers (F,) of the frames of ``log_probs`` (T, C) in which more than a blank may be read."""
    letters = log_probs[:, ctc.BLANK + 1 :].max(1)
    return np.flatnonzero(letters - log_probs.max(1) > _AUDIBLE)


def sounds_of(log_probs: FloatArray) -> Sounds:
    """What the CTC head reads in a clip, from its ``log_probs`` (T, C)."""
    # In frames of nothing but a blank all terms stay where they are.
    audible = log_probs[frames_with_letters(log_probs)]
    relative = audible - audible.max(1, keepdims=True)
    steps: Sounds = np.minimum(np.round(-_STEPS * relative), 255).astype(np.uint8)
    return steps


def pack(sounds: Sounds) -> bytes:
    """``sounds`` in few bytes."""
    return zlib.compress(sounds.tobytes(), 9)


def unpack(packed: bytes) -> Sounds | None:
    """What ``pack`` made ``packed`` of; None where it is damaged."""
    try:
        return np.frombuffer(zlib.decompress(packed), dtype=np.uint8).reshape(-1, ctc.CLASSES)
    except (zlib.error, ValueError, TypeError):
        return None


class TermSpotter:
    """Looks for terms in what the CTC head reads in a clip."""

    def __init__(self, terms: Iterable[tuple[str, float]], min_score: float = MIN_SCORE) -> None:
        """Put ``terms``, spellings with their weights, into a trie.

        Those are spotted that score more than ``min_score`` (below 0). A spelling without a letter
        never is.
        """
        self.terms = list(terms)
        self._min_score = min_score
        parents = [0]
        labels = [ctc.BLANK]
        children: dict[tuple[int, int], int] = {}
        ends = []
        lengths = []
        for spelling, _ in self.terms:
            node = 0
            letters = ctc.encode_piece(ctc.letters_of(spelling))
            for label in letters:
                if (node, label) not in children:
                    children[node, label] = len(parents)
                    parents.append(node)
                    labels.append(label)
                node = children[node, label]
            ends.append(node)
            lengths.append(max(1, len(letters)))
        self._parents = np.array(parents)  # (N,)
        self._labels = np.array(labels)  # (N,)
        self._ends = np.array(ends, dtype=np.int64)  # of each spelling
        self._lengths = np.array(lengths, dtype=np.float32)

    @property
    def log_prior(self) -> float:
        """How likely each of the terms is, in nats and coarse steps, which one more hardly changes.

        With 1, 4, 16, 64 ... terms it is -log of that, and so it is with about as many.
        """
        return -log(4) * round(log(max(1, len(self.terms)), 4))

    def spot(self, sounds: Sounds) -> list[tuple[str, float]]:
        """The terms that are spotted in ``sounds`` (F, C).

        The weight of each falls in proportion, from its own at 0 to nothing at the lowest score:
        what is found but vaguely must be the likelier for other reasons.
        """
        scores = self.scores(sounds)
        return [
            (
                self.terms[index][0],
                self.terms[index][1] * float(1 - scores[index] / self._min_score),
            )
            for index in np.flatnonzero(scores > self._min_score)
        ]

    def scores(self, sounds: Sounds) -> NDArray[np.float32]:
        """Of each spelling the best score anywhere in ``sounds`` (F, C), in nats a letter."""
        best = np.full(len(self._parents), -np.inf, dtype=np.float32)
        for entered, stayed in self._walk(sounds):
            np.maximum(best, entered, out=best)
            np.maximum(best, stayed, out=best)
        found: NDArray[np.float32] = best[self._ends] / self._lengths
        found[self._ends == 0] = -np.inf
        return found

    def locate(self, sounds: Sounds) -> NDArray[np.int64]:
        """The first and the last frame (terms, 2) of ``sounds`` (F, C) where each scores best."""
        starts = np.zeros(len(self._parents), dtype=np.int64)
        best = np.full(len(self._parents), -np.inf, dtype=np.float32)
        places = np.zeros((len(self._parents), 2), dtype=np.int64)
        for frame, (entered, stayed) in enumerate(self._walk(sounds)):
            starts[0] = frame
            starts = np.where(entered > stayed, starts[self._parents], starts)
            current = np.maximum(entered, stayed)
            better = current > best
            best[better] = current[better]
            places[better, 0] = starts[better]
            places[better, 1] = frame
        return places[self._ends]

    def _walk(self, sounds: Sounds) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield what each node (N,) scores in a frame by being entered and by being stayed in.

        The second array is written to afterwards.
        """
        relative = sounds.astype(np.float32) / -_STEPS
        staying = np.maximum(relative, relative[:, ctc.BLANK, None])
        current = np.full(len(self._parents), -np.inf, dtype=np.float32)
        for frame, stay in zip(relative, staying, strict=True):
            current[0] = 0.0  # a term may begin in any frame
            entered = current[self._parents]
            entered += frame[self._labels]
            current += stay[self._labels]
            yield entered, current
            np.maximum(current, entered, out=current)
