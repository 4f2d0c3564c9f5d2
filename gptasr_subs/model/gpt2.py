"""GPT-2 (Radford et al. 2019) as far as GPT-ASR uses it, with the layer names of its state dicts.

Own code, for importing the library that has it takes longer than subtitling ten minutes.

Shapes: B sequences, T positions, D width, H heads.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.model.kernels import plain_attention
from gptasr_subs.model.packing import InferenceLayer, Product, take_product

_STD = 0.02  # of fresh weights


class Conv1D(InferenceLayer, nn.Module):
    """A linear layer whose weight has the shape of GPT-2's state dicts, (inputs, outputs)."""

    def __init__(self, inputs: int, outputs: int, std: float = _STD) -> None:
        """Fresh weights with the deviation ``std``."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs) * std)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self._product: Product | None = None

    @property
    def dtype(self) -> torch.dtype:
        """The number format of its products."""
        return self.weight.dtype if self._product is None else self._product.dtype

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., inputs) to (..., outputs), in the weight's number format."""
        if self._product is None:
            x = x if self.weight.dtype == torch.float32 else x.to(self.weight.dtype)
            return F.linear(x, self.weight.t(), self.bias)
        return self._product(x)

    def with_gelu(self, x: Tensor) -> Tensor:
        """As ``forward``, and a GELU of what comes out."""
        if self._product is None:
            return F.gelu(self(x), approximate="tanh")
        return self._product(x, gelu="tanh")

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Make ready for decoding in ``dtype``, for good.

        The weight then lies in memory the other way round: products with few rows, as in every step
        of decoding, read it so at up to twice the speed. On a CPU there is a layout that is faster
        still.
        """
        self._product = take_product(self, self.weight.t().contiguous(), dtype)


class Attention(nn.Module):
    """The projections around attention; what is attended to is the caller's business."""

    def __init__(self, width: int, heads: int, std_out: float) -> None:
        """``heads`` of ``width // heads`` each."""
        super().__init__()
        self.heads = heads
        self.c_attn = Conv1D(width, 3 * width)
        self.c_proj = Conv1D(width, width, std_out)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``x`` (B, T, D) to query, key and value (B, H, T, D / H)."""
        projected = self.c_attn(x).view(*x.shape[:2], 3, self.heads, -1)  # (B, T, 3, H, D / H)
        query, key, value = projected.permute(2, 0, 3, 1, 4).unbind()
        return query, key, value

    def join(self, attended: Tensor) -> Tensor:
        """Map ``attended`` (B, H, T, D / H) to (B, T, D)."""
        out: Tensor = self.c_proj(attended.transpose(1, 2).flatten(2))
        return out


class Mlp(nn.Module):
    """Two projections around a GELU."""

    def __init__(self, width: int, std_out: float) -> None:
        """Four times ``width`` inside."""
        super().__init__()
        self.c_fc = Conv1D(width, 4 * width)
        self.c_proj = Conv1D(4 * width, width, std_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (B, T, D) to the same shape."""
        out: Tensor = self.c_proj(self.c_fc.with_gelu(x))
        return out


class TransformerBlock(nn.Module):
    """Norm and attention, norm and MLP, each added to what came in."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        """One of ``layers`` layers: their number sets how loud a fresh one is."""
        super().__init__()
        # As in GPT-2: what the layers add keeps its deviation however many there are.
        std_out = _STD / sqrt(2 * layers)
        self.ln_1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, std_out)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, std_out)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``x`` (B, T, D) to query, key and value (B, H, T, D / H)."""
        return self.attn.project(self.ln_1(x))

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """``x`` (B, T, D) after this layer, given what its attention saw (B, H, T, D / H)."""
        x = x + self.attn.join(attended)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Gpt2(nn.Module):
    """The layers with the token table and, where asked for, GPT-2's own position table."""

    def __init__(
        self, vocabulary: int, width: int, layers: int, heads: int, positions: int = 0
    ) -> None:
        """``positions`` are rows of the position table; with 0 there is none."""
        super().__init__()
        self.wte = nn.Embedding(vocabulary, width)
        nn.init.normal_(self.wte.weight, std=_STD)
        self.wpe = nn.Embedding(positions, width) if positions else None
        if self.wpe is not None:
            nn.init.normal_(self.wpe.weight, std=_STD)
        self.h = nn.ModuleList(TransformerBlock(width, heads, layers) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)

    @property
    def layers(self) -> list[TransformerBlock]:
        """The layers, the first one first."""
        return [layer for layer in self.h if isinstance(layer, TransformerBlock)]

    @property
    def dtype(self) -> torch.dtype:
        """The number format that the layers multiply in; what they add up stays float32."""
        return self.layers[0].attn.c_attn.dtype

    def add_positions(self, x: Tensor, first: int = 0) -> Tensor:
        """``x`` (B, T, D) plus the position table from row ``first`` on, if there is one."""
        return x if self.wpe is None else x + self.wpe.weight[first : first + x.shape[1]]

    def forward(self, embedded: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map ``embedded`` (B, T, D) to the last layer (B, T, D).

        ``mask`` (B, T) has zeros where not to look.
        """
        x = self.add_positions(embedded)
        seen = None
        if mask is not None:
            # (B, 1, T, T): each position may see those up to itself that count
            square = mask.new_ones(mask.shape[1], mask.shape[1], dtype=torch.bool)
            seen = square.tril() & (mask != 0)[:, None, None]
        for layer in self.layers:
            x = layer.finish(x, _attend(*layer.project(x), seen))
        out: Tensor = self.ln_f(x)
        return out


def _attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
    """Let each position see those that ``seen`` says, or all up to itself."""
    if not query.requires_grad or query.device.type != "cpu":
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, is_causal=seen is None
        )
    if seen is None:
        seen = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    return plain_attention(query, key, value, seen)
