"""The CTC head's alphabet, and what can be done with its log-probabilities.

Connectionist temporal classification (Graves et al. 2006) writes one class a frame. Repeats are
merged and blanks dropped, so a blank must stand between two equal characters. A text of U
characters has S = 2 U + 1 states: its characters with a blank before, between and behind them.

Shapes: B clips, T frames, C classes, S states.
"""

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
BLANK = 0
SPACE = ALPHABET.index(" ")

_CLASS = {character: index for index, character in enumerate(ALPHABET) if index}
_FOLDED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l", "đ": "d", "’": "'", "ʼ": "'"}
)
_DASHES = re.compile(r"[-\u2010-\u2015\u2212/]")
# An apostrophe that opens or closes a word is a quotation mark.
_QUOTES = re.compile(r"(?<![a-z])'+|'+(?![a-z])")
_SPOKEN = {"mr": "mister", "mrs": "missus", "dr": "doctor"}  # read out in full, written short


class TokenSpan(NamedTuple):
    """Where one character is spoken: ``first`` to ``last`` frame, mean ``posterior`` over them."""

    first: int
    last: int
    posterior: float


def normalize_text(text: str) -> str:
    """``text`` in the 28 characters of the alphabet.

    Lower case, accents folded, dashes as spaces, abbreviations as they are spoken, the rest
    dropped.
    """
    folded = unicodedata.normalize("NFKD", text.lower().translate(_FOLDED))
    spaced = _DASHES.sub(" ", folded).replace("\n", " ").replace("\t", " ")
    kept = "".join(character for character in spaced if character in _CLASS)
    return " ".join(_SPOKEN.get(word, word) for word in _QUOTES.sub("", kept).split())


def encode(text: str) -> list[int]:
    """Return classes of ``normalize_text(text)``; empty where nothing of it is in the alphabet."""
    return [_CLASS[character] for character in normalize_text(text)]


def encode_piece(piece: str) -> list[int]:
    """Return classes of a piece of text, its spaces kept; what is not in the alphabet is left
    out.
    """
    folded = unicodedata.normalize("NFKD", _DASHES.sub(" ", piece.lower().translate(_FOLDED)))
    return [_CLASS[character] for character in folded if character in _CLASS]


def letters_of(text: str) -> str:
    """``text`` as ``encode_piece`` writes it, spaces single."""
    return " ".join("".join(ALPHABET[label] for label in encode_piece(text)).split())


def greedy_decode(log_probs: Tensor) -> str:
    """Return the text of the best classes in ``log_probs`` (T, C), repeats merged, blanks
    dropped.
    """
    best = log_probs.argmax(-1).tolist()
    return " ".join("".join(ALPHABET[index] for index, _ in groupby(best) if index).split())


def score(log_probs: Tensor, lengths: Tensor, texts: Sequence[str]) -> Tensor:
    """Return the log-probability (B,) of each text by ``log_probs`` (B, T, C) of ``lengths`` (B,)
    in frames.

    Minus infinity where a text is too long for its frames.
    """
    # The loss is the negative log-probability of a text, summed over all its alignments.
    targets = [encode(text) for text in texts]
    flat = tensor([index for target in targets for index in target], dtype=lengths.dtype)
    sizes = tensor([len(target) for target in targets], dtype=lengths.dtype)
    # On the CPU, for MPS does not have this loss; (T, B, C).
    frames = log_probs.float().cpu().transpose(0, 1)
    loss = F.ctc_loss(frames, flat, lengths.cpu(), sizes, blank=BLANK, reduction="none")
    return -loss.to(log_probs.device)


def align(log_probs: FloatArray, targets: Sequence[int]) -> list[TokenSpan]:
    """Return the most probable frames of each target in ``log_probs`` (T, C).

    Empty where the targets do not fit into T frames.
    """
    min_frames = len(targets) + sum(left == right for left, right in pairwise(targets))
    if not targets or min_frames > len(log_probs):
        return []
    states = np.full(2 * len(targets) + 1, BLANK)
    states[1::2] = targets
    emitted = log_probs[:, states].astype(np.float64)  # (T, S)
    path = _best_path(emitted, states)

    spans = []
    for state in range(1, len(states), 2):
        first, after = np.searchsorted(path, [state, state + 1])  # the path never goes back
        posterior = float(np.exp(emitted[first:after, state]).mean())
        spans.append(TokenSpan(int(first), int(after) - 1, posterior))
    return spans


def _best_path(emitted: NDArray[np.float64], states: NDArray[np.int64]) -> NDArray[np.int64]:
    """Viterbi over ``emitted`` (T, S): the state (T,) of each frame on the best path.

    v_t(s) = emitted_t(s) + max(v_{t-1}(s), v_{t-1}(s - 1), v_{t-1}(s - 2)), the last of them only
    where s - 1 is a blank between two different characters.
    """
    frames, size = emitted.shape
    may_skip_blank = np.zeros(size, dtype=bool)
    may_skip_blank[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    reached = np.full((3, size), -np.inf)  # by staying, by one step, past a blank
    best = np.where(np.arange(size) < 2, emitted[0], -np.inf)  # v_0: a path begins in either of two
    moves = np.zeros((frames, size), dtype=np.int64)
    for frame in range(1, frames):
        reached[0] = best
        reached[1, 1:] = best[:-1]
        reached[2, 2:] = np.where(may_skip_blank[2:], best[:-2], -np.inf)
        moves[frame] = reached.argmax(0)
        best = reached.max(0) + emitted[frame]

    # It ends in the last character or in the blank behind it. From there back along the moves.
    state = size - 1 if best[-1] >= best[-2] else size - 2
    path = np.empty(frames, dtype=np.int64)
    for frame in range(frames - 1, -1, -1):
        path[frame] = state
        state -= int(moves[frame, state])
    return path
