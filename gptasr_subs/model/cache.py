"""Keys and values of what the network has read: in slots that are written once, for all beams of a clip together.

Shapes: B clips, H heads, S slots, n new ones, K beams, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gptasr_subs.model.gpt2 import Gpt2

_ROUND = 64  # slots: each new shape of a product costs a CPU's library time and memory, for good


class Cache:
    """Of every layer of a GPT; which slots a beam sees is the caller's business."""

    def __init__(self, gpt: Gpt2, clips: int, slots: int) -> None:
        """``slots`` of zeros for each clip."""
        heads, width = gpt.layers[0].attn.heads, gpt.wte.weight.shape[1]
        shape = clips, heads, width // heads, slots  # keys lie transposed, as the products with few queries read them
        device, dtype = gpt.wte.weight.device, gpt.dtype
        self.keys = [torch.zeros(shape, device=device, dtype=dtype) for _ in gpt.layers]
        self.values = [keys.new_zeros((clips, heads, slots, width // heads)) for keys in self.keys]

    def write(self, layer: int, key: Tensor, value: Tensor, first: int, rows: slice = slice(None)) -> None:
        """``key`` and ``value`` (B, H, n, D / H) of the clips ``rows`` into the slots from ``first`` on."""
        after = first + key.shape[2]
        self.keys[layer][rows, ..., first:after] = key.transpose(2, 3)
        self.values[layer][rows, :, first:after] = value

    def attend(self, layer: int, query: Tensor, bias: Tensor, used: int) -> Tensor:
        """What ``query`` (B, H, K, D / H) sees of the ``used`` first slots: (B, H, K, D / H).

        ``bias`` (B, 1, K, S) is added to the scores; behind ``used`` it is minus infinity. Two products are twice as
        fast here as the fused kernels for many queries.
        """
        end = min(bias.shape[-1], -(-used // _ROUND) * _ROUND)
        keys, values = self.keys[layer][..., :end], self.values[layer][:, :, :end]
        scores = (query * query.shape[-1] ** -0.5) @ keys + bias[..., :end]
        attended: Tensor = scores.softmax(-1) @ values
        return attended

    def keep(self, rows: Tensor) -> None:
        """Only the clips ``rows`` stay."""
        for layer in range(len(self.keys)):
            self.keys[layer] = self.keys[layer][rows]
            self.values[layer] = self.values[layer][rows]

    def rebuild(self, order: Tensor, prefix: int, room: int) -> None:
        """Behind the ``prefix`` the slots ``order`` (B, n), counted from its end, and ``room`` empty ones."""
        for layer in range(len(self.keys)):  # one after the other, so that only one is there twice
            self.keys[layer] = moved(self.keys[layer], order, prefix, room)
            values = moved(self.values[layer].transpose(2, 3), order, prefix, room)
            self.values[layer] = values.transpose(2, 3).contiguous()


def moved(slots: Tensor, order: Tensor, prefix: int, room: int, empty: float = 0.0) -> Tensor:
    """``slots`` (B, ., ., S) as ``Cache.rebuild`` says; the room is filled with ``empty``."""
    kept = order.shape[1]
    fresh = slots.new_full((*slots.shape[:3], prefix + kept + room), empty)
    fresh[..., :prefix] = slots[..., :prefix]
    chosen = (order + prefix)[:, None, None].expand(*slots.shape[:3], -1)
    fresh[..., prefix : prefix + kept] = slots.gather(3, chosen)
    return fresh
