"""What lies between an open speech encoder and the GPT in generation 3.

Shapes: B clips, T encoder frames, N positions (T / frames, rounded up), C channels,
D width of the GPT.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.model.config import AdapterConfig
from gptasr_subs.model.packing import Linear


class ConvolutionBlock(nn.Module):
    """Norm, grouped convolution along time, GELU and linear layer, added to what came in."""

    def __init__(self, config: AdapterConfig) -> None:
        """Keep the shape (B, T, C)."""
        super().__init__()
        width = config.width
        self.norm = nn.LayerNorm(width)
        self.conv = nn.Conv1d(
            width,
            width,
            kernel_size=config.kernel,
            padding=config.kernel // 2,
            groups=config.groups,
        )
        self.linear = Linear(width, width)
        self.dropout = 0.0  # in training, of what is added

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map ``x`` (B, T, C), ``mask`` (B, T, 1) of ones and zeros, to the same shape as ``x``."""
        # a clip's end must look the same whatever follows it in the batch
        normal = self.norm(x) * mask
        mixed = F.gelu(self.conv(normal.transpose(1, 2))).transpose(1, 2)
        added = self.linear(mixed)
        return x + F.dropout(added, self.dropout, self.training)


class Adapter(nn.Module):
    """Residual convolutions over encoder frames, then some neighbours joined to one position."""

    def __init__(self, config: AdapterConfig, encoder_width: int, width: int) -> None:
        """Read frames of ``encoder_width`` channels, give positions of ``width``."""
        super().__init__()
        self.frames = config.frames
        self.norm = nn.LayerNorm(encoder_width)
        self.input = Linear(encoder_width, config.width)
        self.blocks = nn.ModuleList(ConvolutionBlock(config) for _ in range(config.blocks))
        self.join = Linear(config.frames * config.width, config.inner)
        self.output = Linear(config.inner, width)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``frames`` (B, T, C) and ``lengths`` (B,) to (B, N, D) and lengths in positions."""
        positions = torch.div(lengths + self.frames - 1, self.frames, rounding_mode="floor")
        positions = positions.clamp_min(1)  # the GPT needs something to look at, even of a click
        longest = int(positions.max())
        # As many positions as the padded frames have room for: few sizes come in, few are made.
        size = self.frames * max(longest, -(-frames.shape[1] // self.frames))
        mask = (torch.arange(size, device=lengths.device) < lengths[:, None])[..., None]
        mask = mask.to(frames.dtype)
        # Pad to whole positions, (B, N * frames, C); sums of the blocks keep their digits.
        x = self.input(self.norm(frames)).to(frames.dtype)
        x = F.pad(x, (0, 0, 0, size - frames.shape[1]))
        for block in self.blocks:
            x = block(x, mask)
        # Neighbouring frames stand beside one another in the channels, (B, N, frames * C).
        joined = (x * mask).reshape(len(x), -1, self.frames * x.shape[2])
        out = self.output(self.join.with_gelu(joined)).to(frames.dtype)
        return out[:, :longest], positions
