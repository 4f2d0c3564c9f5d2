"""When each token is heard, by what the GPT looks at while it writes it: for checkpoints without a CTC head.

Some heads of a GPT-ASR look at the sound of the very token they write. Calibration finds which: over a few texts, those
whose attention is strongest along one path through text and sound in step. Their mean then gives the path of any text,
by dynamic time warping.

Shapes: L layers, H heads, K chosen heads, U tokens (the stop token at the end is one), N mel positions.
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

_CHOSEN = 6  # heads: fewer are led astray by one, more blur the path
_SMOOTH = 3  # mel positions whose median is taken


@torch.inference_mode()
def attention_to_sound(
    network: GptAsr, mel: Tensor, lengths: Tensor, tokens: Sequence[int]
) -> FloatArray:
    """How the GPT looks at one clip, ``mel`` (1, n_mels, T), as it writes ``tokens`` and stops: (L, H, U, N)."""
    return attention_to_positions(network, network.encode(mel, lengths), tokens)


@torch.inference_mode()
def attention_to_positions(network: GptAsr, encoded: Encoded, tokens: Sequence[int]) -> FloatArray:
    """As ``attention_to_sound``, from the mel positions of one clip."""
    prefix, _ = network.prefix(encoded)
    read = torch.tensor([[network.config.start_token, *tokens]], device=prefix.device)
    x = network.gpt.add_positions(torch.cat([prefix, network.embed_text(read)], 1))
    layers = []
    for layer in network.gpt.layers:
        query, key, value = layer.project(x)
        layers.append(
            _weights(query[0], key[0], prefix.shape[1])[:, :, : encoded.features.shape[1]]
        )
        x = layer.finish(x, F.scaled_dot_product_attention(query, key, value, is_causal=True))
    weights: FloatArray = torch.stack(layers).cpu().numpy()
    return weights


def _weights(query: Tensor, key: Tensor, prefix: int) -> Tensor:
    """Attention (H, U, N) of the text's rows, from the queries and keys (H, N + U, D / H) of a layer."""
    scores = query[:, prefix:].float() @ key.float().transpose(1, 2) / query.shape[-1] ** 0.5
    later = torch.ones_like(scores[0], dtype=torch.bool).triu(prefix + 1)
    weights: Tensor = scores.masked_fill(later, -torch.inf).softmax(-1)[:, :, :prefix]
    return weights


def choose_heads(attentions: Iterable[FloatArray], count: int = _CHOSEN) -> Heads:
    """The heads that look along the sound in step with the text, best first; each attention is (L, H, U, N)."""
    scores = np.mean([_scores(attention) for attention in attentions], axis=0)
    best = np.argsort(-scores, axis=None, kind="stable")[:count]
    return tuple((int(index) // scores.shape[1], int(index) % scores.shape[1]) for index in best)


def _scores(attention: FloatArray) -> FloatArray:
    """Mean (L, H) of each head's standardised attention along its own best path."""
    scores = np.zeros(attention.shape[:2], np.float32)
    for layer, head in np.ndindex(*scores.shape):
        plane = _standardised(attention[layer, head])
        rows, columns = _path(plane)
        scores[layer, head] = plane[rows, columns].mean()
    return scores


def token_positions(attention: FloatArray, heads: Heads) -> Ints:
    """The mel position at which each token begins to be heard, (U,), in order."""
    planes = [_standardised(attention[layer, head]) for layer, head in heads]
    rows, columns = _path(np.mean(planes, axis=0))
    firsts = np.searchsorted(rows, np.arange(attention.shape[2]))
    positions: Ints = columns[firsts]
    return positions


def _standardised(plane: FloatArray) -> FloatArray:
    """(U, N) beside what is usual at each position, where every token may look; single peaks smoothed away."""
    usual = plane / np.maximum(plane.sum(1, keepdims=True), 1e-9)
    usual = (usual - usual.mean(0)) / (usual.std(0) + 1e-6)
    wide = np.pad(usual, ((0, 0), (_SMOOTH // 2, _SMOOTH // 2)), mode="edge")
    smooth: FloatArray = np.median(sliding_window_view(wide, _SMOOTH, axis=1), axis=-1)
    return smooth


def _path(plane: FloatArray) -> tuple[Ints, Ints]:
    """Rows and columns of the best path from the first to the last cell of ``plane`` (U, N), never backwards."""
    cost = -plane.astype(np.float64)
    before = np.cumsum(cost[:, 0])
    moves = np.zeros(
        cost.shape, np.int8
    )  # 0 from the left, 1 from the left and above, 2 from above
    moves[1:, 0] = 2
    for column in range(1, cost.shape[1]):
        diagonal = np.append(np.inf, before[:-1])
        moves[:, column] = diagonal < before
        entered = np.minimum(before, diagonal)
        down = np.cumsum(cost[:, column])
        start = entered - np.append(
            0.0, down[:-1]
        )  # what remains of a way that came in at each row
        least = np.minimum.accumulate(start)
        moves[1:, column][least[1:] == least[:-1]] = 2
        before = least + down
    return _trace(moves)


def _trace(moves: NDArray[np.int8]) -> tuple[Ints, Ints]:
    row, column = moves.shape[0] - 1, moves.shape[1] - 1
    cells = [(row, column)]
    while row or column:
        move = moves[row, column]
        row, column = row - (move > 0), column - (move < 2)
        cells.append((row, column))
    rows, columns = np.array(cells[::-1]).T
    return rows, columns
