"""GPT-2 one text token at a time, for all beams of all clips of a batch.

Own loop over the layers, because what is cached differs from the usual: the keys and values of the mel positions are
computed and kept once a clip, whatever the number of beams, and the text's are written once and never moved while any
beam needs them. All beams of a clip look at one cache; a mask says which entries are a beam's own past, and following
another beam is a change of that mask alone.

Where asked for, every beam has a twin that reads the same text without the sound, the network as a language model: one
more row of the same products, whose mask shows it no mel positions.

Shapes: B clips, K beams, L lanes (the beams and their twins), H heads, S slots of the cache, N mel positions (the first
slots), D width, V vocabulary.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from gptasr_subs.model.decoding.kernels import attend, attend_before, reads_all
from gptasr_subs.model.network import Encoded, GptAsr, clips_at_once

# Slots: each new shape of a product costs a CPU's library time and memory, for good.
_ROUND, _ROUND_CACHE = 64, 16
# The cache grows by so many text steps at a time, fewer where they take many slots: memory follows the text that is
# really there, and slots that no beam sees any more are soon given up.
_STEPS_AHEAD, _SLOTS_AHEAD = 32, 256


class Stepper:
    """The network's state after the mel positions and some text tokens of every beam."""

    alone: Tensor | None = None  # what ``step`` gave, but without the sound: (B, K, V), where it was asked for

    def __init__(self, network: GptAsr, encoded: Encoded, beams: int, alone: bool = False) -> None:
        """Read the mel positions of ``encoded``: the part that all beams of a clip share.

        ``alone`` asks for twins; networks without ``text_solo``, which cannot write without sound, have none.
        """
        prefix, mask = network.prefix(encoded)
        self.network, self.beams, self.step_count = network, beams, 0
        self.lanes = 2 * beams if alone and network.config.text_solo else beams
        self._layers, self._prefix = network.gpt.layers, prefix.shape[1]
        self.used = self._prefix
        config, (clips, size, width) = network.config, prefix.shape
        self._ahead = self.lanes * max(1, min(_STEPS_AHEAD, _SLOTS_AHEAD // self.lanes))
        self._whole = reads_all(prefix.device, self.lanes)
        slots, depth = self._room(), width // config.heads
        shape = (clips, config.heads, depth, slots)  # keys lie transposed, as the products with few queries read them
        self.keys = [prefix.new_zeros(shape, dtype=network.gpt.dtype) for _ in self._layers]
        self.values = [keys.new_zeros((clips, config.heads, slots, depth)) for keys in self.keys]
        self.bias = self.keys[0].new_full((clips, 1, self.lanes, slots), -torch.inf)  # added to attention scores
        self.bias[:, :, :beams, :size] = 0.0 if mask is None else _as_bias(mask, network.gpt.dtype)
        edges = [*range(0, clips, clips_at_once(prefix.device)), clips]
        for first, last in pairwise(edges):
            longest = size if mask is None else int(mask[first:last].sum(1).max())
            self._read_prefix(prefix[first:last, :longest], slice(first, last))

    def _read_prefix(self, prefix: Tensor, rows: slice) -> None:
        """Padding stands behind what counts, so causal attention alone keeps it out of the prefix."""
        x, size = self.network.gpt.place(prefix), prefix.shape[1]
        for layer, keys, values in zip(self._layers, self.keys, self.values, strict=True):
            query, key, value = layer.project(x)
            keys[rows, ..., :size], values[rows, :, :size] = key.transpose(2, 3), value
            if layer is not self._layers[-1]:  # nothing reads what the last one says of mel positions
                x = layer.finish(x, attend_before(query, key, value))

    def step(self, tokens: Tensor) -> Tensor:
        """Feed ``tokens`` (B, K), each beam's latest; log-probabilities (B, K, V) of the next, float32."""
        if self.used + self.lanes > self.bias.shape[-1]:
            self._make_room()
        x = self._embedded(tokens)
        now, self.used, self.step_count = self.used, self.used + self.lanes, self.step_count + 1
        self.bias[:, 0, :, now : self.used].diagonal(dim1=1, dim2=2).zero_()
        slots = self.bias.shape[-1]  # what is not used yet is masked
        end = slots if self._whole else min(slots, _round_up(self.used, _ROUND))
        bias = self.bias[..., :end]
        for layer, keys, values in zip(self._layers, self.keys, self.values, strict=True):
            query, key, value = layer.project(x)
            keys[..., now : self.used], values[:, :, now : self.used] = key.transpose(2, 3), value
            x = layer.finish(x, attend(query, keys[..., :end], values[:, :, :end], bias))
        log_probs = self.network.text_logits(self.network.gpt.ln_f(x)).float().log_softmax(-1)
        self.alone = log_probs[:, self.beams :] if self.lanes > self.beams else None
        return log_probs[:, : self.beams]

    def _embedded(self, tokens: Tensor) -> Tensor:
        """The ``tokens`` (B, K) as the lanes read them (B, L, D)."""
        x = self.network.embed_text(tokens.reshape(-1, 1), self.step_count).view(*tokens.shape, -1)
        if self.network.gpt.wpe is not None:  # all beams stand at the same position
            x = x + self.network.gpt.wpe.weight[self._prefix + self.step_count]
        return torch.cat([x, x + self.network.text_solo_embedding], 1) if self.lanes > self.beams else x

    def follow(self, parents: Tensor) -> None:
        """From now on beam k of each clip continues what beam ``parents[:, k]`` has read; ``parents`` (B, K)."""
        if self.beams > 1:
            if self.lanes > self.beams:
                parents = torch.cat([parents, parents + self.beams], 1)
            text = self.bias[..., self._prefix : self.used]
            text.copy_(text.gather(2, parents[:, None, :, None].expand_as(text)))

    def keep(self, rows: Tensor) -> None:
        """Only the clips ``rows`` stay in the batch."""
        self.bias = self.bias[rows]
        for layer in range(len(self._layers)):
            self.keys[layer] = self.keys[layer][rows]
            self.values[layer] = self.values[layer][rows]

    def _make_room(self) -> None:
        """More slots; those that no beam of any clip sees any more are given up."""
        live = (self.bias[..., self._prefix : self.used] == 0).any(2)[:, 0]  # (B, text slots)
        kept = int(live.sum(1).max())
        order = None
        if kept < live.shape[1]:
            order = live.byte().sort(dim=1, descending=True, stable=True).indices[:, :kept] + self._prefix
        self.used = self._prefix + kept
        self.bias = self._moved(self.bias, order, 3, -torch.inf)
        for layer in range(len(self._layers)):  # one after the other, so that only one is there twice
            self.keys[layer] = self._moved(self.keys[layer], order, 3)
            self.values[layer] = self._moved(self.values[layer], order, 2)

    def _moved(self, cache: Tensor, order: Tensor | None, dim: int, empty: float = 0.0) -> Tensor:
        """``cache`` with room behind its slots, which lie along ``dim``; of the text's only ``order`` (B, .) if any."""
        shape = [*cache.shape[:dim], self._room(), *cache.shape[dim + 1 :]]
        moved, same = cache.new_full(shape, empty), self.used if order is None else self._prefix
        moved.narrow(dim, 0, same).copy_(cache.narrow(dim, 0, same))
        if order is not None:
            behind = moved.narrow(dim, same, order.shape[1])
            slots = order[:, None, None] if dim == 3 else order[:, None, :, None]
            behind.copy_(cache.gather(dim, slots.expand_as(behind)))
        return moved

    def _room(self) -> int:
        """Slots of a cache that has just grown."""
        return _round_up(self.used + self._ahead, _ROUND_CACHE)


def _round_up(slots: int, step: int) -> int:
    return -(-slots // step) * step


def _as_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask (B, N) of mel positions that count, as (B, 1, 1, N) to add to attention scores."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask == 0, -torch.inf)[:, None, None]
