"""Attention: of positions to those before them, of few queries to a long cache.

Both are softmax(query @ key^T / sqrt(depth) + bias) @ value (Vaswani et al. 2017, "Attention Is All
You Need"). On a CPU they are plain products: in bfloat16 the fused kernel takes four times as long
and more.

Shapes: B clips, H heads, T positions, R queries (rows), S positions of the cache, D width.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

# Positions in a block: each new shape of a product costs a CPU's library time and memory, for good.
_BLOCK = 64
_FEW = 4  # queries: each reads the cache anew, so that from 8 on products of matrices are as fast


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return what each position sees of itself and those before it; all (B, H, T, D / H)."""
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    clips, heads, size, depth = query.shape
    gap = -size % _BLOCK
    query = F.pad(query * depth**-0.5, (0, 0, 0, gap))  # (B, H, T + gap, D / H)
    value = F.pad(value, (0, 0, 0, gap))
    key = F.pad(key.transpose(2, 3), (0, gap))  # (B, H, D / H, T + gap)
    later = query.new_full((_BLOCK, _BLOCK), -torch.inf).triu(1)
    # Positions before heads: joining the heads afterwards needs no copy.
    attended = query.new_empty(clips, size + gap, heads, depth)
    # One block of queries at a time, with the keys up to its end: products that only later
    # positions would see are never computed. Within the block, ``later`` hides what comes after
    # each position.
    for first in range(0, size, _BLOCK):
        end = first + _BLOCK
        scores = query[:, :, first:end] @ key[..., :end]  # (B, H, block, end)
        scores[..., first:] += later
        attended[:, first:end] = (scores.softmax(-1) @ value[:, :, :end]).transpose(1, 2)
    return attended[:, :size].transpose(1, 2)


def full_attention(query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None) -> Tensor:
    """Return what each position sees of all, (B, H, T, D / H).

    ``mask`` (B, 1, 1, T) is true where to look: from a clip's beginning up to some place.
    """
    if query.device.type == "cpu" and query.requires_grad:
        return plain_attention(query, key, value, mask)
    if query.device.type != "cpu" or query.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)  # (B, H, T, T)
    if mask is not None:
        for one, size in zip(scores, mask.sum(-1).flatten().tolist(), strict=True):
            one[..., size:] = -torch.inf  # a tenth of the time that filling by the mask takes
    out: Tensor = scores.softmax(-1) @ value
    return out


def plain_attention(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
    """Return what each position sees of those that ``seen`` says, (B, H, T, D / H).

    ``seen`` is true where to look, in a shape that fits (B, H, T, T); none for everywhere. In
    training on a CPU this is twice as fast, forward and backward, as the fused kernel.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)  # (B, H, T, T)
    if seen is not None:
        scores = scores + torch.zeros_like(seen, dtype=scores.dtype).masked_fill(~seen, -torch.inf)
    out: Tensor = scores.softmax(-1).to(value.dtype) @ value
    return out


def use_whole_cache(device: torch.device, queries: int) -> bool:
    """Return whether ``cached_attention`` is fastest on all of the cache; a part would be
    copied.
    """
    return device.type == "cpu" and queries <= _FEW


def cached_attention(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Return what ``query`` (B, H, R, D / H) sees of a cache, in its shape.

    ``keys`` (B, H, D / H, S), ``values`` (B, H, S, D / H), ``bias`` (B, 1, R, S) added to the
    scores.
    """
    few = use_whole_cache(query.device, query.shape[2])
    product = _weighted_row_sums if few else torch.matmul
    scores = torch.add(bias, product(query, keys), alpha=query.shape[-1] ** -0.5)  # (B, H, R, S)
    return product(scores.softmax(-1), values)


def _weighted_row_sums(weights: Tensor, table: Tensor) -> Tensor:
    """Return the product of ``weights`` (B, H, R, I) and ``table`` (B, H, I, J), read once and in
    order.

    A product of matrices takes twice as long for few rows: it lays the table out anew. Here each
    row of the result is a bag of an embedding table: the sum of I rows of the table with their
    weights.
    """
    groups = weights.shape[0] * weights.shape[1]
    rows, firsts = _bags(groups, queries=weights.shape[2], size=weights.shape[3])
    sums = torch.embedding_bag(
        table.flatten(0, 2),  # (B * H * I, J)
        rows,
        firsts,
        scale_grad_by_freq=False,
        mode=0,  # sums
        sparse=False,
        per_sample_weights=weights.flatten(),  # (B * H * R * I,)
    )[0]
    return sums.view(*weights.shape[:3], -1)  # (B, H, R, J)


@lru_cache(maxsize=16)
@torch.inference_mode(mode=False)
def _bags(groups: int, queries: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the table's rows in each sum, all ``size`` of its group, and where each sum begins."""
    rows = torch.arange(groups * size, dtype=torch.int32).view(groups, 1, size)
    firsts = torch.arange(0, groups * queries * size, size, dtype=torch.int32)
    return rows.expand(-1, queries, -1).flatten(), firsts
