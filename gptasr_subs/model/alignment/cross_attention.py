"""When each token is spoken, by the GPT's attention to the audio; for models without a CTC head.

Some heads of a GPT-ASR attend to the audio of the very token that they write. Calibration finds
which: over a few texts, those whose attention is strongest along one monotonic path through text
and audio. Their mean then gives the path of any text, by dynamic time warping (Sakoe and Chiba
1978, "Dynamic programming algorithm optimization for spoken word recognition"); Whisper's word
times are found in the same way.

With c(u, n) the negated attention of token u to position n, the cost of the best path to a cell is

    d(u, n) = c(u, n) + min(d(u, n - 1), d(u - 1, n - 1), d(u - 1, n)).

Shapes: L layers, H heads, U tokens (the stop token at the end is one), N mel positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.types import FloatArray

Heads = tuple[tuple[int, int], ...]  # layer and head
Ints = NDArray[np.int64]

_CHOSEN_HEADS = 6  # fewer are led astray by one, more blur the path
_MEDIAN_WIDTH = 3  # mel positions whose median is taken

# Moves into a cell of the path.
_FROM_LEFT = 0
_FROM_DIAGONAL = 1
_FROM_ABOVE = 2


@torch.inference_mode()
def attention_to_audio(
    network: GptAsr, mel: Tensor, lengths: Tensor, tokens: Sequence[int]
) -> FloatArray:
    """Attention (L, H, U, N) to one clip, ``mel`` (1, n_mels, T), as the GPT writes ``tokens``."""
    return attention_to_positions(network, network.encode(mel, lengths), tokens)


@torch.inference_mode()
def attention_to_positions(network: GptAsr, encoded: Encoded, tokens: Sequence[int]) -> FloatArray:
    """As ``attention_to_audio``, from the mel positions of one clip."""
    # The forward pass of the network layer by layer, for the fused kernel keeps no weights.
    prefix, _ = network.prefix(encoded)  # (1, N, D)
    text = torch.tensor([[network.config.start_token, *tokens]], device=prefix.device)
    x = network.gpt.add_positions(torch.cat([prefix, network.embed_text(text)], 1))
    size = prefix.shape[1]
    layers = []
    for layer in network.gpt.layers:
        query, key, value = layer.project(x)  # (1, H, N + U, D / H) each
        # softmax(q @ k^T / sqrt(D / H)) of the text's queries, each up to itself: (H, U, N + U)
        scores = query[0, :, size:].float() @ key[0].float().transpose(1, 2)
        later = torch.ones_like(scores[0], dtype=torch.bool).triu(size + 1)
        weights = (scores / query.shape[-1] ** 0.5).masked_fill(later, -torch.inf).softmax(-1)
        layers.append(weights[:, :, : encoded.features.shape[1]])
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = layer.finish(x, attended)
    return torch.stack(layers).cpu().numpy()


def choose_heads(attentions: Iterable[FloatArray], count: int = _CHOSEN_HEADS) -> Heads:
    """Return the heads that attend to the audio in step with the text, best first.

    Each of ``attentions`` is (L, H, U, N).
    """
    scores = []  # mean (L, H) of each head's standardised attention along its own best path
    for attention in attentions:
        scores.append(np.zeros(attention.shape[:2], np.float32))
        for layer, head in np.ndindex(*attention.shape[:2]):
            plane = _standardise(attention[layer, head])
            rows, columns = _best_path(plane)
            scores[-1][layer, head] = plane[rows, columns].mean()
    mean = np.mean(scores, axis=0)
    heads = mean.shape[1]
    best = np.argsort(-mean, axis=None, kind="stable")[:count]
    return tuple((int(index) // heads, int(index) % heads) for index in best)


def token_positions(attention: FloatArray, heads: Heads) -> Ints:
    """Return the mel position (U,) at which each token begins, in order."""
    planes = [_standardise(attention[layer, head]) for layer, head in heads]
    rows, columns = _best_path(np.mean(planes, axis=0))
    # A token begins where the path first comes to its row.
    firsts = np.searchsorted(rows, np.arange(attention.shape[2]))
    return columns[firsts]


def _standardise(plane: FloatArray) -> FloatArray:
    """Attention (U, N) beside what is usual at each position, single peaks smoothed away.

    Where every token attends to a position, that says nothing of any of them.
    """
    # Attention to the text is left out, so rows do not sum to 1; then z-scores at each position.
    shares = plane / np.maximum(plane.sum(1, keepdims=True), 1e-9)
    standard = (shares - shares.mean(0)) / (shares.std(0) + 1e-6)
    half = _MEDIAN_WIDTH // 2
    wide = np.pad(standard, ((0, 0), (half, half)), mode="edge")
    out: FloatArray = np.median(sliding_window_view(wide, _MEDIAN_WIDTH, axis=1), axis=-1)
    return out


def _best_path(plane: FloatArray) -> tuple[Ints, Ints]:
    """Return rows and columns of the best path through ``plane`` (U, N), first cell to last."""
    cost = -plane.astype(np.float64)
    moves = np.zeros(cost.shape, np.int8)
    moves[1:, 0] = _FROM_ABOVE
    total = np.cumsum(cost[:, 0])  # d of the column before, (U,)
    for column in range(1, cost.shape[1]):
        # Into the column from the left or the diagonal ...
        diagonal = np.append(np.inf, total[:-1])
        moves[:, column] = diagonal < total  # _FROM_DIAGONAL, else _FROM_LEFT
        entered = np.minimum(total, diagonal)
        # ... and down in it: d(u) = min over v <= u of entered(v) + c(v) + ... + c(u), which is a
        # running minimum once the sum of the costs from the top is subtracted.
        down = np.cumsum(cost[:, column])
        start = entered - np.append(0.0, down[:-1])
        best = np.minimum.accumulate(start)
        moves[1:, column][best[1:] == best[:-1]] = _FROM_ABOVE
        total = best + down

    # Back along the moves, from the last cell to the first.
    row = cost.shape[0] - 1
    column = cost.shape[1] - 1
    cells = [(row, column)]
    while row or column:
        move = moves[row, column]
        if move != _FROM_LEFT:
            row -= 1
        if move != _FROM_ABOVE:
            column -= 1
        cells.append((row, column))
    rows, columns = np.array(cells[::-1]).T
    return rows, columns
