"""The CTC head's alphabet: spelling, reading, scoring, and forced alignment of a text to the frames it is heard in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, tensor
from torch.nn import functional as F

from gptasr_subs.types import FloatArray

ALPHABET = "\0abcdefghijklmnopqrstuvwxyz' "  # class 0 is the blank
CLASSES = len(ALPHABET)
BLANK, SPACE = 0, ALPHABET.index(" ")

_CLASS = {character: index for index, character in enumerate(ALPHABET) if index}
_FOLDED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l", "đ": "d", "’": "'", "ʼ": "'"}
)
_DASHES = re.compile(r"[-\u2010-\u2015\u2212/]")
_QUOTES = re.compile(
    r"(?<![a-z])'+|'+(?![a-z])"
)  # an apostrophe that opens or closes a word is a quotation mark


_SPOKEN = {"mr": "mister", "mrs": "missus", "dr": "doctor"}  # read out in full, written short


class TokenSpan(NamedTuple):
    """Where one character is heard: frames ``first`` to ``last`` inclusive, mean ``posterior`` over them."""

    first: int
    last: int
    posterior: float


def normalize_text(text: str) -> str:
    """``text`` in the 28 letters of the alphabet: lower case, accents folded, dashes as spaces, the rest dropped."""
    folded = unicodedata.normalize("NFKD", text.lower().translate(_FOLDED))
    kept = "".join(
        c for c in _DASHES.sub(" ", folded).replace("\n", " ").replace("\t", " ") if c in _CLASS
    )
    return " ".join(_SPOKEN.get(word, word) for word in _QUOTES.sub("", kept).split())


def encode(text: str) -> list[int]:
    """Classes of ``normalize_text(text)``; empty where nothing of it can be spelled."""
    return [_CLASS[character] for character in normalize_text(text)]


def encode_piece(piece: str) -> list[int]:
    """Classes of a piece of text letter by letter, its spaces kept; what cannot be spelled is left out."""
    folded = unicodedata.normalize("NFKD", _DASHES.sub(" ", piece.lower().translate(_FOLDED)))
    return [_CLASS[character] for character in folded if character in _CLASS]


def greedy_decode(log_probs: Tensor) -> str:
    """What ``log_probs`` (T, C) read as: the best class of each frame, repeats merged, blanks dropped."""
    best = log_probs.argmax(-1).tolist()
    return " ".join("".join(ALPHABET[index] for index, _ in groupby(best) if index).split())


def score(log_probs: Tensor, lengths: Tensor, texts: Sequence[str]) -> Tensor:
    """Log-probability (B,) of each text; ``log_probs`` (B, T, C) with ``lengths`` (B,) in frames, on any device.

    Minus infinity where a text is too long for its frames.
    """
    targets = [encode(text) for text in texts]
    flat = tensor([index for target in targets for index in target], dtype=lengths.dtype)
    sizes = tensor([len(target) for target in targets], dtype=lengths.dtype)
    frames = (
        log_probs.float().cpu().transpose(0, 1)
    )  # the CPU has this loss everywhere; MPS has not
    loss = F.ctc_loss(frames, flat, lengths.cpu(), sizes, blank=BLANK, reduction="none")
    return -loss.to(log_probs.device)


def align(log_probs: FloatArray, targets: Sequence[int]) -> list[TokenSpan]:
    """The most probable frames of each target in ``log_probs`` (T, C); empty where they do not fit into T frames."""
    if not targets or _min_frames(targets) > len(log_probs):
        return []
    states = np.full(2 * len(targets) + 1, BLANK)
    states[1::2] = targets
    emitted = log_probs[:, states].astype(np.float64)
    path = _best_path(emitted, states)
    return [_span(path, emitted, state) for state in range(1, len(states), 2)]


def _min_frames(targets: Sequence[int]) -> int:
    return len(targets) + sum(left == right for left, right in pairwise(targets))


def _best_path(emitted: NDArray[np.float64], states: NDArray[np.int64]) -> NDArray[np.int64]:
    """Viterbi over ``emitted`` (T, S): the state (T,) of each frame on the best path."""
    frames, size = emitted.shape
    may_skip = np.zeros(
        size, dtype=bool
    )  # a blank between two different characters may be left out
    may_skip[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    reached = np.full((3, size), -np.inf)  # by staying, by one step, by a skip
    best = np.where(np.arange(size) < 2, emitted[0], -np.inf)
    moves = np.zeros((frames, size), dtype=np.int64)
    for frame in range(1, frames):
        reached[0] = best
        reached[1, 1:] = best[:-1]
        reached[2, 2:] = np.where(may_skip[2:], best[:-2], -np.inf)
        moves[frame] = reached.argmax(0)
        best = reached.max(0) + emitted[frame]
    return _trace(moves, size - 1 if best[-1] >= best[-2] else size - 2)


def _trace(moves: NDArray[np.int64], state: int) -> NDArray[np.int64]:
    path = np.empty(len(moves), dtype=np.int64)
    for frame in range(len(moves) - 1, -1, -1):
        path[frame] = state
        state -= int(moves[frame, state])
    return path


def _span(path: NDArray[np.int64], emitted: NDArray[np.float64], state: int) -> TokenSpan:
    first, after = np.searchsorted(path, [state, state + 1])  # the path never goes back
    return TokenSpan(int(first), int(after) - 1, float(np.exp(emitted[first:after, state]).mean()))
