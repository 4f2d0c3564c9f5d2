"""GPT-2 one text token at a time, for all beams of all clips of a batch.

This is a loop of its own over the layers, because its cache differs from the usual one. The keys
and values of the mel positions are computed and stored once a clip, whatever the number of beams.
Those of the text are written once and not moved while any beam needs them: all beams of a clip read
one cache, and an attention bias says which positions are a beam's own past. A beam that continues
another one only gets the other's bias.

On request each beam has a second row that reads the same text without the audio: the internal
language model (ILM). It goes through the same products; its bias hides the mel positions.

Shapes: B clips, K beams, R rows (K, or 2 K with the internal language model), H heads, S positions
of the cache, N mel positions (the first ones of the cache), D width, V vocabulary.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from gptasr_subs.model.kernels import cached_attention, causal_attention, use_whole_cache
from gptasr_subs.model.network import Encoded, GptAsr, clips_at_once

# Sizes are rounded up: each new shape of a product costs a CPU's library time and memory, for good.
_ROUND_READ = 64
_ROUND_CACHE = 16

# The cache grows by this many text steps at a time, fewer where they take many positions: memory
# follows the text that is really there, and positions that no beam sees any more are soon given up.
_STEPS_AHEAD = 32
_POSITIONS_AHEAD = 256


class IncrementalDecoder:
    """The network's state after the mel positions and some text tokens of every beam."""

    def __init__(
        self, network: GptAsr, encoded: Encoded, beam_size: int, with_ilm: bool = False
    ) -> None:
        """Read the mel positions of ``encoded``: the part that all beams of a clip share.

        ``with_ilm`` asks for the internal language model; networks without ``text_solo``, which
        cannot write without audio, have none.
        """
        prefix, mask = network.prefix(encoded)  # (B, N, D), (B, N)
        config = network.config
        clips, size, width = prefix.shape
        depth = width // config.heads
        self.network = network
        self.beam_size = beam_size
        self.step_count = 0
        self.rows = 2 * beam_size if with_ilm and config.text_solo else beam_size
        self.used = size  # positions of the cache that are written
        self.ilm_log_probs: Tensor | None = None  # of the latest step, (B, K, V)
        self._layers = network.gpt.layers
        self._prefix = size
        steps_ahead = max(1, min(_STEPS_AHEAD, _POSITIONS_AHEAD // self.rows))
        self._ahead = self.rows * steps_ahead
        self._whole = use_whole_cache(prefix.device, self.rows)

        # Keys are stored transposed, as products with few queries read them.
        capacity = self._capacity()
        keys_shape = (clips, config.heads, depth, capacity)  # (B, H, D / H, S)
        values_shape = (clips, config.heads, capacity, depth)  # (B, H, S, D / H)
        self.keys = [prefix.new_zeros(keys_shape, dtype=network.gpt.dtype) for _ in self._layers]
        self.values = [keys.new_zeros(values_shape) for keys in self.keys]

        # Added to attention scores, (B, 1, R, S): 0 for what a row sees, minus infinity elsewhere.
        # At first the beams see their clip's mel positions, and the rows without audio nothing.
        self.bias = self.keys[0].new_full((clips, 1, self.rows, capacity), -torch.inf)
        self.bias[:, :, :beam_size, :size] = 0.0
        if mask is not None:
            hidden = torch.zeros_like(mask, dtype=network.gpt.dtype)
            hidden = hidden.masked_fill_(mask == 0, -torch.inf)
            self.bias[:, :, :beam_size, :size] = hidden[:, None, None]

        edges = [*range(0, clips, clips_at_once(prefix.device)), clips]
        for first, last in pairwise(edges):
            longest = size if mask is None else int(mask[first:last].sum(1).max())
            self._read_prefix(prefix[first:last, :longest], slice(first, last))

    def _read_prefix(self, prefix: Tensor, clips: slice) -> None:
        """Cache keys and values of ``prefix`` (clips, n, D).

        Padding stands behind what counts, so causal attention by itself keeps it out.
        """
        size = prefix.shape[1]
        x = self.network.gpt.add_positions(prefix)
        for layer, keys, values in zip(self._layers, self.keys, self.values, strict=True):
            query, key, value = layer.project(x)  # (clips, H, n, D / H) each
            keys[clips, ..., :size] = key.transpose(2, 3)
            values[clips, :, :size] = value
            # Nothing reads what the last layer makes of mel positions.
            if layer is not self._layers[-1]:
                x = layer.finish(x, causal_attention(query, key, value))

    def step(self, tokens: Tensor) -> Tensor:
        """Feed ``tokens`` (B, K), each beam's latest.

        Log-probabilities (B, K, V) of the next, float32.
        """
        if self.used + self.rows > self.bias.shape[-1]:
            self._grow_cache()

        # One new position of the cache for each row, which only that row sees.
        x = self._embed(tokens)  # (B, R, D)
        first = self.used
        self.used += self.rows
        self.step_count += 1
        self.bias[:, 0, :, first : self.used].diagonal(dim1=1, dim2=2).zero_()

        # Read up to a round number of positions; those not used yet are hidden by the bias.
        capacity = self.bias.shape[-1]
        end = capacity if self._whole else min(capacity, _round_up(self.used, _ROUND_READ))
        bias = self.bias[..., :end]
        for layer, keys, values in zip(self._layers, self.keys, self.values, strict=True):
            query, key, value = layer.project(x)  # (B, H, R, D / H) each
            keys[..., first : self.used] = key.transpose(2, 3)
            values[:, :, first : self.used] = value
            x = layer.finish(x, cached_attention(query, keys[..., :end], values[:, :, :end], bias))
        logits = self.network.text_logits(self.network.gpt.ln_f(x))  # (B, R, V)
        log_probs = logits.float().log_softmax(-1)
        if self.rows > self.beam_size:
            self.ilm_log_probs = log_probs[:, self.beam_size :]
        return log_probs[:, : self.beam_size]

    def _embed(self, tokens: Tensor) -> Tensor:
        """Return the ``tokens`` (B, K) as the rows read them (B, R, D)."""
        x = self.network.embed_text(tokens.reshape(-1, 1), self.step_count)  # (B * K, 1, D)
        x = x.view(*tokens.shape, -1)
        if self.network.gpt.wpe is not None:  # all beams stand at the same position
            x = x + self.network.gpt.wpe.weight[self._prefix + self.step_count]
        if self.rows > self.beam_size:
            x = torch.cat([x, x + self.network.text_solo_embedding], 1)
        return x

    def reorder(self, parents: Tensor) -> None:
        """From now on beam k of each clip continues what beam ``parents[:, k]`` has read.

        (B, K).
        """
        if self.beam_size == 1:
            return
        if self.rows > self.beam_size:
            parents = torch.cat([parents, parents + self.beam_size], 1)  # (B, R)
        text = self.bias[..., self._prefix : self.used]  # (B, 1, R, text positions)
        text.copy_(text.gather(2, parents[:, None, :, None].expand_as(text)))

    def retain(self, clips: Tensor) -> None:
        """Leave only the ``clips`` in the batch."""
        self.bias = self.bias[clips]
        for layer in range(len(self._layers)):
            self.keys[layer] = self.keys[layer][clips]
            self.values[layer] = self.values[layer][clips]

    def _grow_cache(self) -> None:
        """Make room for more positions, and give up those that no beam of any clip sees."""
        text = self.bias[..., self._prefix : self.used]
        live = (text == 0).any(2)[:, 0]  # (B, text positions)
        kept = int(live.sum(1).max())
        order = None
        if kept < live.shape[1]:
            # Live positions first, in their order; clips with fewer keep some dead ones behind
            # them.
            ranks = live.byte().sort(dim=1, descending=True, stable=True).indices
            order = ranks[:, :kept] + self._prefix  # (B, kept)
        self.used = self._prefix + kept
        self.bias = self._compact(self.bias, order, dim=3, fill=-torch.inf)
        for layer in range(len(self._layers)):  # one after the other: only one is in memory twice
            self.keys[layer] = self._compact(self.keys[layer], order, dim=3)
            self.values[layer] = self._compact(self.values[layer], order, dim=2)

    def _compact(
        self, cache: Tensor, order: Tensor | None, *, dim: int, fill: float = 0.0
    ) -> Tensor:
        """``cache`` with more room along ``dim``.

        Of the text positions only ``order`` (B, kept), if any.
        """
        shape = list(cache.shape)
        shape[dim] = self._capacity()
        grown = cache.new_full(shape, fill)
        same = self.used if order is None else self._prefix  # positions that stay where they are
        grown.narrow(dim, 0, same).copy_(cache.narrow(dim, 0, same))
        if order is not None:
            text = grown.narrow(dim, same, order.shape[1])
            positions = order[:, None, None] if dim == 3 else order[:, None, :, None]
            text.copy_(cache.gather(dim, positions.expand_as(text)))
        return grown

    def _capacity(self) -> int:
        """Return positions of a cache that has just grown."""
        return _round_up(self.used + self._ahead, _ROUND_CACHE)


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step
