"""The open encoders that generation 3 begins with: Moonshine's reads samples, Whisper's log-mels.

Own code with the layers of their publishers: https://github.com/moonshine-ai/moonshine (MIT) and
https://github.com/openai/whisper (MIT). Both have the same transformer, so it has one set of names
here, Moonshine's as in transformers; ``training/encoders.py`` renames what is loaded.

Shapes: B clips, S samples, C channels, T frames, D width, H heads.
A clip's frames do not depend on what else is in its batch: lengths mask every layer that looks
along time, and frames past a clip's end are 0.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import EncoderConfig
from gptasr_subs.model.kernels import full_attention
from gptasr_subs.model.packing import Convolution, Linear

_THETA = 10000.0  # the longest wave of the rotary positions and of Whisper's table, in radians


class Attention(nn.Module):
    """Self-attention over a clip's frames, in both directions."""

    def __init__(self, config: EncoderConfig) -> None:
        """Query, key and value are one projection: its input is read, or quantised, once."""
        super().__init__()
        biased = config.kind == "whisper"
        self.heads = config.heads
        self.qkv_proj = Linear(config.width, 3 * config.width, bias=biased)
        self.o_proj = Linear(config.width, config.width, bias=biased)

    def forward(self, x: Tensor, mask: Tensor | None, turns: Tensor | None) -> Tensor:
        """Map ``x`` (B, T, D), ``mask`` (B, 1, 1, T), ``turns`` (2, T, rotary / 2) to (B, T, D)."""
        # (B, T, 3 D) to (3, B, H, T, D / H).
        qkv = self.qkv_proj(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key = qkv[:2] if turns is None else rotate(qkv[:2], turns)
        attended = full_attention(query, key, qkv[2], mask=mask)
        joined: Tensor = self.o_proj(attended.transpose(1, 2).flatten(2))
        return joined


def rotate(x: Tensor, turns: Tensor) -> Tensor:
    """Turn the first dimensions of each head of ``x`` (..., T, D / H), two by two.

    Where nothing is trained ``x`` itself is turned.
    """
    if x.device.type == "cpu" and not x.requires_grad:
        # Products of complex numbers, in float32, take a CPU a third of the time.
        turning = x[..., : 2 * turns.shape[-1]]
        copy = turning.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        numbers = torch.view_as_complex(copy.view(*copy.shape[:-1], -1, 2))
        turning.copy_(torch.view_as_real(numbers * torch.complex(*turns.float())).flatten(-2))
        return x
    # Rotary positions (Su et al. 2021): neighbouring dimensions are a plane, which position t turns
    # by t * theta^(-2 i / rotary); the dimensions behind the rotary ones stay as they are.
    cos, sin = turns
    size = 2 * cos.shape[-1]
    first = x[..., 0:size:2]
    second = x[..., 1:size:2]
    turned = torch.stack((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return torch.cat((turned.flatten(-2), x[..., size:]), dim=-1)


def rotations(frames: int, rotary: int, like: Tensor) -> Tensor:
    """Return cosines and sines (2, ``frames``, ``rotary`` / 2), rounded to the type of ``like``."""
    position = torch.arange(frames, device=like.device, dtype=torch.float32)
    exponent = torch.arange(0, rotary, 2, device=like.device, dtype=torch.float32) / rotary
    angle = position[:, None] * _THETA**-exponent
    return torch.stack((angle.cos(), angle.sin())).to(like.dtype)


class Mlp(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, config: EncoderConfig) -> None:
        """``config.inner`` wide inside."""
        super().__init__()
        self.fc1 = Linear(config.width, config.inner)
        self.fc2 = Linear(config.inner, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (B, T, D) to the same shape."""
        out: Tensor = self.fc2(self.fc1.with_gelu(x))
        return out


class Layer(nn.Module):
    """Norm and attention, norm and MLP, each added to what came in."""

    def __init__(self, config: EncoderConfig) -> None:
        """One layer with fresh weights."""
        super().__init__()
        self.input_layernorm = _norm(config)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = _norm(config)
        self.mlp = Mlp(config)

    def forward(self, x: Tensor, mask: Tensor | None, turns: Tensor | None) -> Tensor:
        """Map ``x`` (B, T, D) to the same shape; see ``Attention`` for the rest."""
        x = x + self.self_attn(self.input_layernorm(x), mask, turns)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


def _norm(config: EncoderConfig) -> nn.LayerNorm:
    return nn.LayerNorm(config.width, bias=config.kind == "whisper")


class Transformer(nn.Module):
    """The layers and the last norm: what both encoders have in common."""

    def __init__(self, config: EncoderConfig) -> None:
        """Fresh layers."""
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.layer_norm = _norm(config)

    def attend(self, x: Tensor, mask: Tensor | None, turns: Tensor | None = None) -> Tensor:
        """Map ``x`` (B, T, D) to the same shape; ``mask`` (B, T) is True for a clip's own
        frames.
        """
        seen = None
        if mask is not None:
            # (B, 1, 1, T), never none, for a softmax of none is NaN: a clip of no frames at all
            # looks at the first one, which is padding.
            first = torch.arange(mask.shape[1], device=mask.device) == 0
            seen = (mask | first)[:, None, None]
        for layer in self.layers:
            x = layer(x, seen, turns)
        out: Tensor = self.layer_norm(x)
        return out if mask is None else out * mask[..., None]


class MoonshineEncoder(Transformer):
    """Convolutions over samples and a transformer with rotary positions; 384 samples a frame."""

    def __init__(self, config: EncoderConfig) -> None:
        """Fresh weights in the shape of ``config``."""
        super().__init__(config)
        width = config.width
        self.conv1 = Convolution(1, width, kernel_size=127, stride=64, bias=False)
        self.groupnorm = nn.GroupNorm(1, width)
        self.conv2 = Convolution(width, 2 * width, kernel_size=7, stride=3)
        self.conv3 = Convolution(2 * width, width, kernel_size=3, stride=2)

    def frames(self, lengths: Tensor) -> Tensor:
        """Convert lengths in samples to lengths in frames; below 895 samples there is none."""
        for conv in (self.conv1, self.conv2, self.conv3):
            lengths = strided_lengths(lengths, conv)
        return lengths

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``x`` (B, 1, S) at 16 kHz and its lengths (B,) to (B, T, D) and lengths in frames."""
        x = F.pad(x, (0, max(0, _FIELD - x.shape[-1])))
        ragged = bool((lengths != x.shape[-1]).any())
        x = self._normalise(
            torch.tanh(self.conv1(x.transpose(1, 2))),
            strided_lengths(lengths, self.conv1) if ragged else None,
        )
        x = self.conv3.with_gelu(self.conv2.with_gelu(x)).to(self.layer_norm.weight.dtype)
        lengths = self.frames(lengths)
        mask = _inside(lengths, x.shape[1]) if ragged else None
        turns = rotations(x.shape[1], self.config.rotary, like=x)
        return self.attend(x, mask, turns), lengths

    def _normalise(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Return the group norm of ``x`` (B, T, C) over each clip's own time."""
        norm = self.groupnorm
        if lengths is None:  # of one group, so that it is a layer norm over time and channels
            normal = F.layer_norm(x.float(), x.shape[1:], eps=norm.eps)
            return torch.addcmul(norm.bias, normal, norm.weight)
        # Mean and variance of all channels together, (B, 1, 1).
        inside = _inside(lengths, x.shape[1])[..., None]
        count = (lengths * x.shape[2]).clamp_min(1)[:, None, None]
        x = x.float()
        mean = (x * inside).sum((1, 2), keepdim=True) / count
        centred = (x - mean) * inside
        variance = centred.square().sum((1, 2), keepdim=True) / count
        return torch.addcmul(norm.bias, centred, torch.rsqrt(variance + norm.eps) * norm.weight)


_FIELD = 127 + 64 * (7 - 1 + 3 * (3 - 1))  # samples that one frame of Moonshine's convolutions sees


class WhisperEncoder(Transformer):
    """Convolutions over log-mels and a transformer with a position table; 50 frames a second."""

    embed_positions: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        """Fresh weights in the shape of ``config``; the position table is not trained."""
        super().__init__(config)
        self.conv1 = Convolution(config.n_mels, config.width, kernel_size=3, padding=1)
        self.conv2 = Convolution(config.width, config.width, kernel_size=3, stride=2, padding=1)
        # Sines of falling frequency, then their cosines, (max_frames, D).
        half = config.width // 2
        steps = torch.arange(half) / (half - 1)
        angle = torch.arange(config.max_frames)[:, None] * _THETA**-steps
        self.register_buffer("embed_positions", torch.cat((angle.sin(), angle.cos()), dim=1))

    def frames(self, lengths: Tensor) -> Tensor:
        """Convert lengths in mel frames to lengths in frames."""
        return strided_lengths(lengths, self.conv2)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``x`` (B, n_mels, T) at 100 a second and its lengths (B,) to (B, T / 2, D) and
        theirs.

        Raises ModelError when there are more frames than the position table has rows.
        """
        x = F.pad(x, (0, max(0, 1 - x.shape[-1])))
        ragged = bool((lengths != x.shape[-1]).any())
        inside = _inside(lengths, x.shape[-1]) if ragged else None
        x = self.conv1.with_gelu(_cleared(x.transpose(1, 2), inside))
        x = self.conv2.with_gelu(_cleared(x, inside)).to(self.layer_norm.weight.dtype)
        lengths = self.frames(lengths)
        mask = _inside(lengths, x.shape[1]) if ragged else None
        frames = x.shape[1]
        if frames > len(self.embed_positions):
            raise ModelError(
                f"A clip of {frames / 50:.1f} s is longer than this Whisper encoder reads;"
                f" cut the audio into clips of at most {len(self.embed_positions) / 50:.0f} s."
            )
        placed = x + self.embed_positions[:frames].to(x.dtype)
        return self.attend(placed, mask), lengths


def strided_lengths(lengths: Tensor, conv: nn.Conv1d) -> Tensor:
    """Return the lengths (B,) of what ``conv`` makes of clips of ``lengths``."""
    (kernel,) = conv.kernel_size
    (stride,) = conv.stride
    padding = int(conv.padding[0])
    steps = torch.div(lengths + 2 * padding - kernel, stride, rounding_mode="floor")
    return (steps + 1).clamp_min(0)


def _inside(lengths: Tensor, size: int) -> Tensor:
    """True (B, ``size``) where a clip has not ended."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


def _cleared(x: Tensor, inside: Tensor | None) -> Tensor:
    """``x`` (B, T, C) with zeros past the clips' ends, as a convolution pads a single clip."""
    return x if inside is None else x * inside[..., None]


def build_encoder(config: EncoderConfig) -> MoonshineEncoder | WhisperEncoder:
    """Return the encoder of ``config.kind`` with fresh weights; raises ModelError for any other
    kind.
    """
    if config.kind == "moonshine":
        return MoonshineEncoder(config)
    if config.kind == "whisper":
        return WhisperEncoder(config)
    raise ModelError(f"There is no encoder {config.kind!r}; choose moonshine or whisper.")
