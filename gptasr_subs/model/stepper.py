"""GPT-2 one text token at a time, for all beams of all clips of a batch.

Own loop over the layers of Hugging Face's GPT-2, because what it caches differs: the keys and values of the mel
positions are computed and kept once a clip, whatever the number of beams, and the text's are written once and never
moved. All beams of a clip look at one cache; a mask says which entries are a beam's own past, and following
another beam is a change of that mask alone.

Shapes: B clips, K beams, H heads, S slots of the cache, N mel positions (the first slots), D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gptasr_subs.model.network import Encoded, GptAsr

_SLOTS_AHEAD = 32  # text steps the cache grows by at a time, so that memory follows the text that is really there


class Stepper:
    """The network's state after the mel positions and some text tokens of every beam."""

    def __init__(self, network: GptAsr, encoded: Encoded, beams: int) -> None:
        """Read the mel positions of ``encoded``: the part that all beams of a clip share."""
        prefix, mask = network.prefix(encoded)
        self.network, self.beams, self.step_count = network, beams, 0
        self.heads, self.used = network.config.heads, prefix.shape[1]
        self._prefix = self.used
        self.keys: list[Tensor] = []  # one (B, H, S, D / H) a layer
        self.values: list[Tensor] = []
        self.bias = _as_bias(mask, prefix, beams)
        self._read_prefix(prefix)

    def _read_prefix(self, prefix: Tensor) -> None:
        """Padding stands behind what counts, so causal attention alone keeps it out of the prefix."""
        x = prefix + self._positions(0, self._prefix)
        for block in self.network.gpt.h:
            query, key, value = self._project(block, x)
            self.keys.append(key)
            self.values.append(value)
            x = _finish(block, x, F.scaled_dot_product_attention(query, key, value, is_causal=True))

    def step(self, tokens: Tensor) -> Tensor:
        """Feed ``tokens`` (B, K), each beam's latest; log-probabilities (B, K, V) of the next, float32."""
        self._make_room()
        x = self.network.embed_text(tokens.reshape(-1, 1), self.step_count).view(*tokens.shape, -1)
        x = x + self._positions(self._prefix + self.step_count, 1)
        end = self.used + self.beams
        bias = torch.cat([self.bias, self._own_slot(len(tokens))], -1)
        for layer, block in enumerate(self.network.gpt.h):
            query, key, value = self._project(block, x)
            self.keys[layer][:, :, self.used : end] = key
            self.values[layer][:, :, self.used : end] = value
            seen = self.keys[layer][:, :, :end], self.values[layer][:, :, :end]
            x = _finish(block, x, F.scaled_dot_product_attention(query, *seen, attn_mask=bias))
        self.bias, self.used, self.step_count = bias, end, self.step_count + 1
        return self.network.text_logits(self.network.gpt.ln_f(x)).float().log_softmax(-1)

    def follow(self, parents: Tensor) -> None:
        """From now on beam k of each clip continues what beam ``parents[:, k]`` has read; ``parents`` (B, K)."""
        if self.beams > 1:
            self.bias = self.bias.gather(2, parents[:, None, :, None].expand_as(self.bias))

    def keep(self, rows: Tensor) -> None:
        """Only the clips ``rows`` stay in the batch."""
        self.bias = self.bias[rows]
        self.keys = [key[rows] for key in self.keys]
        self.values = [value[rows] for value in self.values]

    def _project(self, block: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``x`` (B, T, D) to query, key and value (B, H, T, D / H)."""
        projected = block.attn.c_attn(block.ln_1(x))
        query, key, value = projected.view(*x.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return query, key, value

    def _positions(self, first: int, count: int) -> Tensor:
        """GPT-2's own position table, which generation 1 adds to GPT-ASR's two; zeros in generation 2."""
        rows: Tensor = self.network.gpt.wpe(torch.arange(first, first + count, device=self.bias.device))
        return rows

    def _own_slot(self, clips: int) -> Tensor:
        own = torch.full((self.beams, self.beams), -torch.inf, device=self.bias.device, dtype=self.bias.dtype)
        return own.fill_diagonal_(0.0).expand(clips, 1, -1, -1)

    def _make_room(self) -> None:
        if self.used + self.beams > self.keys[0].shape[2]:
            more = (0, 0, 0, _SLOTS_AHEAD * self.beams)
            self.keys = [F.pad(key, more) for key in self.keys]
            self.values = [F.pad(value, more) for value in self.values]


def _as_bias(mask: Tensor | None, prefix: Tensor, beams: int) -> Tensor:
    """The mask (B, N) of mel positions that count, as (B, 1, K, N) to add to attention scores."""
    bias = prefix.new_zeros(prefix.shape[0], 1, 1, prefix.shape[1])
    if mask is not None:
        bias = bias.masked_fill(mask[:, None, None] == 0, -torch.inf)
    return bias.expand(-1, -1, beams, -1)


def _finish(block: Any, x: Tensor, attended: Tensor) -> Tensor:
    """The rest of a GPT-2 layer after attention ``attended`` (B, H, T, D / H)."""
    x = x + block.attn.c_proj(attended.transpose(1, 2).flatten(2))
    out: Tensor = x + block.mlp(block.ln_2(x))
    return out
