"""The GPT-ASR network, top to bottom: encoder, its CTC head, and the GPT-2 that writes the text.

Generation 1 and 2 have a mel encoder of convolutions, generation 3 an open speech encoder and an
adapter.

Shapes: B clips, T frames of the front end, N positions (T / reduction), U text tokens, D width, V
vocabulary. A clip's result does not depend on what else is in its batch: lengths mask every layer
that looks along time.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.errors import ModelError
from gptasr_subs.model.adapter import Adapter
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.encoder import build_encoder, strided_lengths
from gptasr_subs.model.gpt2 import Gpt2
from gptasr_subs.model.packing import prepare_layers


class MaskedGroupNorm(nn.GroupNorm):
    """Group norm over eight channels and all of time.

    With a mask, over the clip's own time only.
    """

    def __init__(self, channels: int) -> None:
        """One group for every eight ``channels``."""
        super().__init__(channels // 8, channels)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """``x`` (B, C, T), ``mask`` (B, 1, T) of ones and zeros.

        What is masked out comes back as 0.
        """
        if mask is None:
            return super().forward(x)
        # Mean and variance of each group over the clip's own time, (B, groups, 1, 1).
        grouped = x.reshape(len(x), self.num_groups, -1, x.shape[-1])  # (B, groups, C / groups, T)
        inside = mask.unsqueeze(1)  # (B, 1, 1, T)
        count = inside.sum((2, 3), keepdim=True) * grouped.shape[2]
        mean = (grouped * inside).sum((2, 3), keepdim=True) / count
        centred = (grouped - mean) * inside
        variance = centred.square().sum((2, 3), keepdim=True) / count
        normal = (centred * torch.rsqrt(variance + self.eps)).flatten(1, 2)
        return (normal * self.weight[:, None] + self.bias[:, None]) * mask


class ResidualBlock(nn.Module):
    """Residual block: conv - norm - ReLU - conv - norm, added to its input, then ReLU."""

    def __init__(self, channels: int) -> None:
        """A block over ``channels`` that keeps the shape."""
        super().__init__()
        self.net = nn.ModuleList(
            [
                *(_conv(channels, channels), MaskedGroupNorm(channels), nn.ReLU()),
                *(_conv(channels, channels), MaskedGroupNorm(channels)),
            ]
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map ``x`` (B, C, T) to the same shape."""
        # The list has the ReLU that stands between, for the sake of the published layer names.
        conv_in, norm_in, _, conv_out, norm_out = self.net
        between = F.relu(norm_in(conv_in(x), mask))
        return F.relu(norm_out(conv_out(between), mask) + x)


class ResidualBlocks(nn.ModuleList):
    """Residual blocks in a row."""

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map ``x`` (B, C, T) to the same shape."""
        for block in self:
            x = block(x, mask)
        return x


def _conv(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int | None = None
) -> nn.Conv1d:
    padding = kernel // 2 if padding is None else padding
    return nn.Conv1d(inputs, outputs, kernel, stride=stride, padding=padding)


class MelEncoder(nn.Module):
    """Strided convolutions that turn mel frames into mel positions.

    Layer names follow the published weights.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Generation 1 reduces time by 4, generation 2 ("lean") by 8."""
        super().__init__()
        mels = config.front_end.n_mels
        width = config.width
        first, second, third = config.blocks
        layers: list[nn.Module]
        if config.generation == 1:
            layers = [
                _conv(mels, width // 4, 5),
                *(ResidualBlock(width // 4) for _ in range(first)),
                *(_conv(width // 4, width // 2, stride=2), MaskedGroupNorm(width // 2), nn.ReLU()),
                *(ResidualBlock(width // 2) for _ in range(second)),
                *(_conv(width // 2, width, stride=2), MaskedGroupNorm(width), nn.ReLU()),
                *(ResidualBlock(width) for _ in range(third)),
            ]
        else:
            layers = [
                _conv(mels, width // 2, 5, stride=2, padding=1),
                MaskedGroupNorm(width // 2),
                nn.ReLU(),
                ResidualBlocks(ResidualBlock(width // 2) for _ in range(first)),
                *(_conv(width // 2, width, stride=2), MaskedGroupNorm(width), nn.ReLU()),
                ResidualBlocks(ResidualBlock(width) for _ in range(second)),
                *(_conv(width, width, stride=2), MaskedGroupNorm(width), nn.ReLU()),
                ResidualBlocks(ResidualBlock(width) for _ in range(third)),
            ]
        self.encoder = nn.ModuleList(layers)

    def forward(self, mel: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Map ``mel`` (B, n_mels, T) and ``lengths`` (B,) to (B, N, D) and lengths in positions."""
        mask = None if lengths is None else _time_mask(lengths, mel.shape[-1], mel.dtype)
        x = mel if mask is None else mel * mask
        # Strided convolutions shorten time, so lengths and mask follow them; what they leave behind
        # a clip's end is cleared, as if the batch ended there.
        for layer in self.encoder:
            if isinstance(layer, nn.Conv1d):
                x = layer(x)
                lengths = None if lengths is None else strided_lengths(lengths, layer)
                mask = None if lengths is None else _time_mask(lengths, x.shape[-1], x.dtype)
            elif isinstance(layer, (MaskedGroupNorm, ResidualBlock, ResidualBlocks)):
                x = layer(x, mask)
            else:
                x = layer(x)
            if mask is not None and isinstance(layer, nn.Conv1d):
                x = x * mask
        return x.transpose(1, 2), lengths


def _time_mask(lengths: Tensor, size: int, dtype: torch.dtype) -> Tensor:
    return (torch.arange(size, device=lengths.device) < lengths[:, None])[:, None].to(dtype)


class CtcHead(nn.Module):
    """Reads characters off the mel positions: several CTC frames for each position."""

    def __init__(self, config: ModelConfig) -> None:
        """A norm and one linear layer of ``ctc_frames * ctc_classes`` outputs."""
        super().__init__()
        self.classes = config.ctc_classes
        self.norm = nn.LayerNorm(config.width)
        self.linear = nn.Linear(config.width, config.ctc_frames * config.ctc_classes)

    def forward(self, encoded: Tensor) -> Tensor:
        """Map ``encoded`` (B, N, D) to log-probabilities (B, N * ctc_frames, ctc_classes),
        float32.
        """
        frames = self.linear(self.norm(encoded))  # (B, N, ctc_frames * ctc_classes)
        # The frames of a position follow one another in time.
        frames = frames.unflatten(-1, (-1, self.classes)).flatten(1, 2)
        out: Tensor = frames.float().log_softmax(-1)
        return out


class Encoded(NamedTuple):
    """A batch after the encoder: ``features`` (B, N, D), ``lengths`` (B,) in positions or none."""

    features: Tensor
    lengths: Tensor | None


def clips_at_once(device: torch.device) -> int:
    """Return how many clips, neighbours of like length, go through the wide layers together.

    Few fit into a CPU's caches.
    """
    return 4 if device.type == "cpu" else 64


# On a CPU an open encoder reads a multiple of this many frames at once: each new shape costs oneDNN
# 5 ms and 7 MB, for good. A clip goes alone, which is a little faster than four together, because
# it stays in the caches.
_BLOCK = 32


class SpeechEncoder(nn.Module):
    """The encoder of generation 3: an open one, and the adapter between it and the GPT.

    The GPT gets positions of about 0.1 s.
    """

    def __init__(self, config: ModelConfig) -> None:
        """Fresh weights; raises ``ModelError`` where ``config`` describes no encoder."""
        super().__init__()
        if config.encoder is None or config.adapter is None:
            raise ModelError(
                "A network of generation 3 needs an encoder and an adapter; "
                "correct its configuration."
            )
        self.encoder = build_encoder(config.encoder)
        self.adapter = Adapter(config.adapter, config.encoder.width, config.width)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map frames (B, n_mels, T) and lengths (B,) to (B, N, D) and lengths in positions."""
        if lengths is None:
            lengths = torch.full((len(x),), x.shape[-1], device=x.device)
        out: tuple[Tensor, Tensor] = self.adapter(*self.encoder(x, lengths))
        return out


class GptAsr(nn.Module):
    """Mel encoder, optional CTC head, and GPT-2 over ``[mel positions] ++ [text tokens]``."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the network of ``config`` with fresh weights."""
        super().__init__()
        self.config = config
        if config.generation == 3:
            self.speech_encoder = SpeechEncoder(config)
        else:
            self.mel_encoder = MelEncoder(config)
        # Only generation 1 was trained with GPT-2's own position table added to the other two.
        positions = config.max_mel_positions + config.max_text_tokens + 2
        self.gpt = Gpt2(
            config.vocabulary,
            config.width,
            config.layers,
            config.heads,
            positions=positions if config.generation == 1 else 0,
        )
        self.mel_pos_embedding = nn.Embedding(config.max_mel_positions, config.width)
        self.text_pos_embedding = nn.Embedding(config.max_text_tokens + 1, config.width)
        nn.init.normal_(self.text_pos_embedding.weight, std=0.02)
        self.final_norm = nn.LayerNorm(config.width)
        self.text_head = nn.Linear(config.width, config.vocabulary)
        self.ctc_head = CtcHead(config) if config.ctc_classes else None
        if config.text_solo:
            self.text_solo_embedding = nn.Parameter(torch.randn(1, 1, config.width) * 0.02)

    def prepare_for_inference(self, dtype: torch.dtype = torch.float32) -> None:
        """Make ready for decoding, for good: products in ``dtype``, weights in a fast layout.

        Norms, sums, the two heads and the mel encoder, on which all else hangs, stay float32; so
        does an open encoder on a GPU.
        """
        prepare_layers(self, dtype)

    def encode(self, mel: Tensor, lengths: Tensor | None = None) -> Encoded:
        """Map ``mel`` (B, n_mels, T) and lengths to mel positions, before the position table."""
        encoder = self.speech_encoder if self.config.generation == 3 else self.mel_encoder
        return Encoded(*encoder(mel, lengths))

    def encode_in_parts(self, mel: Tensor, lengths: Tensor) -> Encoded:
        """As ``encode``, a few clips at a time: little padding where neighbours are alike."""
        size = clips_at_once(mel.device)
        block = 1
        encoder = self.config.encoder
        if encoder is not None and mel.device.type == "cpu":
            size = 1
            block = _BLOCK * encoder.hop
        parts = []
        for first in range(0, len(mel), size):
            some = slice(first, first + size)
            # As long as the part's longest clip up to a multiple of ``block``; only what comes out
            # is padded to one length.
            frames = -(-int(lengths[some].max()) // block) * block
            fitted = F.pad(mel[some], (0, frames - mel.shape[-1]))
            parts.append(self.encode(fitted, lengths[some]))
        longest = max(part.features.shape[1] for part in parts)
        features = torch.cat(
            [F.pad(part.features, (0, 0, 0, longest - part.features.shape[1])) for part in parts]
        )
        return Encoded(
            features, torch.cat([part.lengths for part in parts if part.lengths is not None])
        )

    def prefix(self, encoded: Encoded) -> tuple[Tensor, Tensor | None]:
        """Return mel positions as GPT-2 reads them (B, N, D), and the mask (B, N) of those that
        count.
        """
        features, lengths = encoded
        # Generation 1 was always padded with zeros to the full table, and nothing was masked.
        if self.config.generation == 1:
            features = F.pad(features, (0, 0, 0, self.config.max_mel_positions - features.shape[1]))
            lengths = None
        table = self.mel_pos_embedding.weight[: features.shape[1]]
        mask = (
            None
            if lengths is None
            else _time_mask(lengths, features.shape[1], features.dtype)[:, 0]
        )
        return features + table, mask

    def embed_text(self, tokens: Tensor, offset: int = 0) -> Tensor:
        """``tokens`` (B, U) that stand at text positions ``offset``.. to (B, U, D)."""
        table = self.text_pos_embedding.weight[offset : offset + tokens.shape[1]]
        out: Tensor = self.gpt.wte(tokens) + table
        return out

    def text_logits(self, hidden: Tensor) -> Tensor:
        """GPT-2's last layer (..., D) to logits (..., V)."""
        out: Tensor = self.text_head(self.final_norm(hidden))
        return out

    def forward(self, mel: Tensor, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Teacher-forced logits (B, U, V) for ``tokens`` (B, U) that begin with the start token."""
        return self.read(self.encode(mel, lengths), tokens)

    def read(self, encoded: Encoded, tokens: Tensor) -> Tensor:
        """As ``forward``, from mel positions that are already encoded."""
        prefix, mask = self.prefix(encoded)  # (B, N, D), (B, N)
        if mask is not None:
            mask = F.pad(mask, (0, tokens.shape[1]), value=1.0)  # the text all counts, (B, N + U)
        hidden = self.gpt(torch.cat([prefix, self.embed_text(tokens)], 1), mask)  # (B, N + U, D)
        return self.text_logits(hidden[:, prefix.shape[1] :])

    def lm_logits(self, tokens: Tensor) -> Tensor:
        """Return logits (B, U, V) with no audio at all: the internal language model (ILM)."""
        # Trained on text without audio, the network knows that by a vector added to each token.
        embedded = self.embed_text(tokens)
        if self.config.text_solo:
            embedded = embedded + self.text_solo_embedding
        return self.text_logits(self.gpt(embedded))
