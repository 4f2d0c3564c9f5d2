"""Attention without training: of all positions to those before them, and of few queries to a long cache.

On a CPU both are plain products: in bfloat16 the fused kernel takes four times as long and more.

Shapes: B clips, H heads, T positions, L queries, S slots of the cache, D width.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

_BLOCK = 64  # positions: each new shape of a product costs a CPU's library time and memory, for good
_FEW = 4  # queries: each reads the cache anew, so that from 8 on products of matrices are as fast


def attend_before(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """What each position sees of itself and those before it; all (B, H, T, D / H)."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    (clips, heads, size, depth), gap = query.shape, -query.shape[2] % _BLOCK
    query, value = (F.pad(part, (0, 0, 0, gap)) for part in (query * depth**-0.5, value))
    key, later = F.pad(key.transpose(2, 3), (0, gap)), query.new_full((_BLOCK, _BLOCK), -torch.inf).triu(1)
    seen = query.new_empty(clips, size + gap, heads, depth)
    for first in range(0, size, _BLOCK):  # nothing is multiplied that only later positions would see
        end = first + _BLOCK
        scores = query[:, :, first:end] @ key[..., :end]
        scores[..., first:] += later
        seen[:, first:end] = (scores.softmax(-1) @ value[:, :, :end]).transpose(1, 2)
    return seen[:, :size].transpose(1, 2)


def attend_all(query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None) -> Tensor:
    """What each position sees of all; (B, H, T, D / H).

    ``mask`` (B, 1, 1, T) is true where to look: that is from a clip's beginning up to some place.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        for one, size in zip(scores, mask.sum(-1).flatten().tolist(), strict=True):
            one[..., size:] = -torch.inf  # a tenth of the time that filling by the mask takes
    attended: Tensor = scores.softmax(-1) @ value
    return attended


def reads_all(device: torch.device, queries: int) -> bool:
    """Whether ``attend`` is fastest with the whole cache: a part of it would be copied first."""
    return device.type == "cpu" and queries <= _FEW


def attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """What ``query`` (B, H, L, D / H) sees of a cache, in its shape.

    ``keys`` (B, H, D / H, S), ``values`` (B, H, S, D / H), ``bias`` (B, 1, L, S) added to the scores.
    """
    product = _sums_of_rows if reads_all(query.device, query.shape[2]) else torch.matmul
    scores = torch.add(bias, product(query, keys), alpha=query.shape[-1] ** -0.5)
    return product(scores.softmax(-1), values)


def _sums_of_rows(weights: Tensor, table: Tensor) -> Tensor:
    """The product of ``weights`` (B, H, L, R) and ``table`` (B, H, R, C), which it reads once and in order.

    That of matrices takes twice as long for few rows: it is made for many, and lays the table out anew.
    """
    rows, firsts = _bags(weights.shape[:2].numel(), *weights.shape[2:])
    sums = torch.embedding_bag(table.flatten(0, 2), rows, firsts, False, 0, False, weights.flatten())[0]
    return sums.view(*weights.shape[:3], -1)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _bags(groups: int, queries: int, size: int) -> tuple[Tensor, Tensor]:
    """The rows of each sum, one sum after the other, and where each begins: all ``size`` of its group."""
    rows = torch.arange(groups * size, dtype=torch.int32).view(groups, 1, size)
    return rows.expand(-1, queries, -1).flatten(), torch.arange(0, groups * queries * size, size, dtype=torch.int32)
