"""GPT-2 one text token at a time, for all beams of all clips of a batch.

Own loop over the layers, because what is cached differs from the usual: the keys and values of the mel positions are
computed and kept once a clip, whatever the number of beams, and the text's are written once and never moved while any
beam needs them. All beams of a clip look at one cache; a mask says which entries are a beam's own past, and following
another beam is a change of that mask alone.

Where asked for, every beam has a twin that reads the same text without the sound, the network as a language model: one
more row of the same products, and a cache of its own with nothing but text in it. A twin has its beam's past, so the
mask of the beams does for both.

Shapes: B clips, K beams, L lanes (the beams and their twins), H heads, S slots of the cache, N mel positions (the first
slots), D width, V vocabulary.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from gptasr_subs.model.cache import Cache, moved
from gptasr_subs.model.network import Encoded, GptAsr, clips_at_once

_STEPS_AHEAD = 32  # text steps the cache grows by at a time, so that memory follows the text that is really there


class Stepper:
    """The network's state after the mel positions and some text tokens of every beam."""

    alone: Tensor | None = None  # what ``step`` gave, but without the sound: (B, K, V), where it was asked for

    def __init__(self, network: GptAsr, encoded: Encoded, beams: int, alone: bool = False) -> None:
        """Read the mel positions of ``encoded``: the part that all beams of a clip share.

        ``alone`` asks for twins; networks without ``text_solo``, which cannot write without sound, have none.
        """
        prefix, mask = network.prefix(encoded)
        clips, size, room = prefix.shape[0], prefix.shape[1], _STEPS_AHEAD * beams
        self.network, self.beams, self.step_count = network, beams, 0
        self._layers, self._prefix, self.used = network.gpt.layers, size, size
        self.cache = Cache(network.gpt, clips, size + room)
        self.twins = Cache(network.gpt, clips, room) if alone and network.config.text_solo else None
        self.bias = prefix.new_full((clips, 1, beams, size + room), -torch.inf, dtype=network.gpt.dtype)
        self.bias[..., :size] = 0.0 if mask is None else _as_bias(mask, network.gpt.dtype)
        edges = [*range(0, clips, clips_at_once(prefix.device)), clips]
        for first, last in pairwise(edges):
            longest = size if mask is None else int(mask[first:last].sum(1).max())
            self._read_prefix(prefix[first:last, :longest], slice(first, last))

    @property
    def lanes(self) -> int:
        """Texts of each clip that are read in one step."""
        return 2 * self.beams if self.twins else self.beams

    def _read_prefix(self, prefix: Tensor, rows: slice) -> None:
        """Padding stands behind what counts, so causal attention alone keeps it out of the prefix."""
        x = self.network.gpt.place(prefix)
        for number, layer in enumerate(self._layers):
            query, key, value = layer.project(x)
            self.cache.write(number, key, value, 0, rows)
            if layer is not self._layers[-1]:  # nothing reads what the last one says of mel positions
                x = layer.finish(x, F.scaled_dot_product_attention(query, key, value, is_causal=True))

    def step(self, tokens: Tensor) -> Tensor:
        """Feed ``tokens`` (B, K), each beam's latest; log-probabilities (B, K, V) of the next, float32."""
        if self.used + self.beams > self.bias.shape[-1]:
            self._make_room()
        x = self._embedded(tokens)
        now, self.used, self.step_count = self.used, self.used + self.beams, self.step_count + 1
        self.bias[:, 0, :, now : self.used].diagonal(dim1=1, dim2=2).zero_()
        for number, layer in enumerate(self._layers):
            query, key, value = layer.project(x)
            x = layer.finish(x, self._attend(number, query, key, value, now))
        log_probs = self.network.text_logits(self.network.gpt.ln_f(x)).float().log_softmax(-1)
        self.alone = log_probs[:, self.beams :] if self.twins else None
        return log_probs[:, : self.beams]

    def _attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, now: int) -> Tensor:
        """Each lane (B, H, L, D / H) to its own past: the beams to sound and text, their twins to text."""
        beams = slice(0, self.beams)
        self.cache.write(layer, key[:, :, beams], value[:, :, beams], now)
        heard = self.cache.attend(layer, query[:, :, beams], self.bias, self.used)
        if not self.twins:
            return heard
        twins = slice(self.beams, None)
        self.twins.write(layer, key[:, :, twins], value[:, :, twins], now - self._prefix)
        text = self.bias[..., self._prefix :]
        read = self.twins.attend(layer, query[:, :, twins], text, self.used - self._prefix)
        return torch.cat([heard, read], 2)

    def _embedded(self, tokens: Tensor) -> Tensor:
        """The ``tokens`` (B, K) as the lanes read them (B, L, D)."""
        x = self.network.embed_text(tokens.reshape(-1, 1), self.step_count).view(*tokens.shape, -1)
        if self.network.gpt.wpe is not None:  # all beams stand at the same position
            x = x + self.network.gpt.wpe.weight[self._prefix + self.step_count]
        return torch.cat([x, x + self.network.text_solo_embedding], 1) if self.twins else x

    def follow(self, parents: Tensor) -> None:
        """From now on beam k of each clip continues what beam ``parents[:, k]`` has read; ``parents`` (B, K)."""
        if self.beams > 1:
            text = self.bias[..., self._prefix : self.used]
            text.copy_(text.gather(2, parents[:, None, :, None].expand_as(text)))

    def keep(self, rows: Tensor) -> None:
        """Only the clips ``rows`` stay in the batch."""
        self.bias = self.bias[rows]
        self.cache.keep(rows)
        if self.twins:
            self.twins.keep(rows)

    def _make_room(self) -> None:
        """More slots; those that no beam of any clip sees any more are given up."""
        live = (self.bias[..., self._prefix : self.used] == 0).any(2)[:, 0]  # (B, text slots)
        kept, room = int(live.sum(1).max()), _STEPS_AHEAD * self.beams
        order = live.byte().sort(dim=1, descending=True, stable=True).indices[:, :kept]
        self.used = self._prefix + kept
        self.bias = moved(self.bias, order, self._prefix, room, -torch.inf)
        self.cache.rebuild(order, self._prefix, room)
        if self.twins:
            self.twins.rebuild(order, 0, room)


def _as_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask (B, N) of mel positions that count, as (B, 1, 1, N) to add to attention scores."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask == 0, -torch.inf)[:, None, None]
