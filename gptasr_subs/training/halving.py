"""Tokens written as two shorter ones: so a network learns to spell words that it never heard from their parts.

Of the words that a training set says less than twice, nearly all come out wrong, however clear they are. A text that is
cut into tokens in one way only teaches each token in the company it always keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gptasr_subs.model.tokenizer import Tokenizer


class Halves:
    """The pairs of tokens that say the same as one token, of a whole vocabulary."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Look all of them up."""
        pieces = tokenizer.pieces(range(tokenizer.size))
        known = {piece: token for token, piece in enumerate(pieces) if piece}
        self._pairs = [
            [(known[left], known[right]) for left, right in _cuts(piece) if left in known and right in known]
            for piece in pieces
        ]

    def __call__(self, tokens: Sequence[int], share: float, rng: np.random.Generator) -> list[int]:
        """``tokens``, a ``share`` of them halved where that is possible; with a share of 0 nothing is drawn."""
        if not share:
            return list(tokens)
        written: list[int] = []
        for token, chance in zip(tokens, rng.random(len(tokens)), strict=True):
            pairs = self._pairs[token]
            written += pairs[rng.integers(len(pairs))] if pairs and chance < share else (token,)
        return written


def _cuts(piece: str) -> list[tuple[str, str]]:
    return [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
