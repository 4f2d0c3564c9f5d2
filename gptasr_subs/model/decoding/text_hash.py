"""Which beams have written the same text: it can be cut into tokens in many ways, and need be searched in one only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from gptasr_subs.model.tokenizer import Tokenizer

_BASE = 1_000_003  # odd, so that no letter is ever forgotten
_SIZE = 1 << 64


class Fingerprints(NamedTuple):
    """Numbers of texts, each from that of the text before and the token added; equal texts have equal ones."""

    factors: Tensor  # (V,) int64, by token
    terms: Tensor

    @staticmethod
    def of(pieces: Sequence[str]) -> Fingerprints:
        """Those of texts whose tokens add ``pieces``."""
        numbers = torch.tensor([[_signed(part) for part in _number(piece)] for piece in pieces])
        return Fingerprints(*numbers.unbind(1))

    def to(self, device: torch.device) -> Fingerprints:
        """The same on ``device``."""
        return Fingerprints(self.factors.to(device), self.terms.to(device))

    def add(self, before: Tensor, tokens: Tensor) -> Tensor:
        """Fingerprints of the texts of fingerprint ``before`` with ``tokens`` written; both int64, of one shape."""
        return before * self.factors[tokens] + self.terms[tokens]


def _number(piece: str) -> tuple[int, int]:
    """What a text's number is multiplied by, and what is added, as a polynomial in ``_BASE``, both modulo 2 ** 64."""
    factor, term = 1, 0
    for character in piece:
        factor, term = factor * _BASE % _SIZE, (term * _BASE + ord(character)) % _SIZE
    return factor, term


def _signed(number: int) -> int:
    return number - _SIZE if number >= _SIZE // 2 else number


@lru_cache(maxsize=2)
def fingerprints_of(tokenizer: Tokenizer) -> Fingerprints:
    """Those of the texts that ``tokenizer`` makes."""
    return Fingerprints.of(tokenizer.pieces(range(tokenizer.size)))
