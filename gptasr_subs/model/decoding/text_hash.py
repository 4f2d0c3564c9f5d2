"""Hashes that tell which beams have written the same text.

A text can be cut into tokens in many ways, and only one of them need be searched. The hash of a
text is the polynomial of Rabin and Karp (1987) in its characters c_1 ... c_n,

    hash = c_1 * base^(n - 1) + ... + c_n    modulo 2^64,

so writing a token with m characters is one multiplication by base^m and one addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from gptasr_subs.model.tokenizer import Tokenizer

_BASE = 1_000_003  # odd, so that no power of it is 0 modulo 2^64
_SIZE = 1 << 64


class TextHash(NamedTuple):
    """What each token does to a text's hash: hash * ``factors`` + ``terms``, both (V,) int64."""

    factors: Tensor
    terms: Tensor

    @staticmethod
    def of(pieces: Sequence[str]) -> TextHash:
        """Return the hash of texts whose tokens add ``pieces``."""
        # Of each piece base^m and its own hash, modulo 2^64.
        factors = []
        terms = []
        for piece in pieces:
            factor = 1
            term = 0
            for character in piece:
                factor = factor * _BASE % _SIZE
                term = (term * _BASE + ord(character)) % _SIZE
            factors.append(_signed(factor))
            terms.append(_signed(term))
        return TextHash(torch.tensor(factors), torch.tensor(terms))

    def to(self, device: torch.device) -> TextHash:
        """Return the same on ``device``."""
        return TextHash(self.factors.to(device), self.terms.to(device))

    def add(self, hashes: Tensor, tokens: Tensor) -> Tensor:
        """Return the ``hashes`` of texts once ``tokens`` are written behind them.

        Both int64, of one shape.
        """
        return hashes * self.factors[tokens] + self.terms[tokens]


def _signed(number: int) -> int:
    """Return an unsigned 64-bit number as the signed one of the same bits; int64 wraps around
    alike.
    """
    return number - _SIZE if number >= _SIZE // 2 else number


@lru_cache(maxsize=2)
def text_hash_of(tokenizer: Tokenizer) -> TextHash:
    """Return the hash of the texts that ``tokenizer`` makes."""
    return TextHash.of(tokenizer.pieces(range(tokenizer.size)))
