"""Which beams have written the same text: it can be cut into tokens in many ways, and need be searched in one only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from gptasr_subs.model.tokenizer import Tokenizer

_BASE = 1_000_003  # odd, so that no letter is ever forgotten
_SIZE = 1 << 64


class Fingerprints:
    """Numbers of texts, each from that of the text before and the token added; equal texts have equal ones."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """``pieces`` are what the tokens add to a text."""
        numbers = [_number(piece) for piece in pieces]
        self._factors, self._terms = (torch.tensor([_signed(n[part]) for n in numbers]) for part in range(2))

    def to(self, device: torch.device) -> Fingerprints:
        """The same on ``device``."""
        self._factors, self._terms = self._factors.to(device), self._terms.to(device)
        return self

    def add(self, before: Tensor, tokens: Tensor) -> Tensor:
        """Fingerprints of the texts of fingerprint ``before`` with ``tokens`` written; both int64, of one shape."""
        return before * self._factors[tokens] + self._terms[tokens]


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
    return Fingerprints(tokenizer.pieces(range(tokenizer.size)))
