"""Distillation: a student learns a larger GPT-ASR's distributions over tokens and characters, beside the text itself.

The teacher hears what the student hears, changed as it is, with the same text before each token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gptasr_subs.errors import UsageError
from gptasr_subs.model.checkpoint import Checkpoint
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.training.batches import NO_TOKEN, Batch


class Teacher(nn.Module):
    """A checkpoint that never changes, and how far a student is from it."""

    shift: Tensor
    scale: Tensor
    other_scale: Tensor

    def __init__(self, checkpoint: Checkpoint, config: ModelConfig, tokenizer: Tokenizer) -> None:
        """``config`` and ``tokenizer`` are the student's; raises ``UsageError`` where the two cannot be compared."""
        super().__init__()
        _refuse(checkpoint, config, tokenizer)
        self.network = checkpoint.model.eval().requires_grad_(False)
        own, other = checkpoint.config.front_end, config.front_end
        self.register_buffer("shift", _column(other.shift, 0.0) - _column(own.shift, 0.0))
        self.register_buffer("scale", _column(own.scale, 1.0))
        self.register_buffer("other_scale", _column(other.scale, 1.0))
        self._spells = _same_frames(checkpoint.config, config)

    def loss(self, student: GptAsr, encoded: Encoded, logits: Tensor | None, batch: Batch, ctc_weight: float) -> Tensor:
        """Kullback-Leibler divergence in nats a token, from the student's ``logits`` (B, U, V) to the teacher's.

        To it is added, by ``ctc_weight``, the one of the CTC heads in nats a frame where their frames are the same;
        without ``logits`` that one is all.
        """
        with torch.no_grad():
            heard = self.network.encode(self.normalised(batch.mel))
        loss = encoded.features.new_zeros(())
        if self._spells and student.ctc_head is not None and self.network.ctc_head is not None:
            letters = divergence(self.network.ctc_head(heard.features), student.ctc_head(encoded.features)).mean()
            loss = loss + (letters if logits is None else ctc_weight * letters)
        if logits is not None:
            with torch.no_grad():
                wanted = self.network.read(heard, batch.tokens[:, :-1].clamp_min(0))
            there = batch.tokens[:, 1:] != NO_TOKEN
            loss = loss + divergence(wanted, logits)[there].mean()
        return loss

    def normalised(self, mel: Tensor) -> Tensor:
        """The student's log-mels (B, n_mels, T) as the teacher's front end gives them."""
        converted: Tensor = (mel * self.other_scale + self.shift) / self.scale
        return converted


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher || student) over the last axis of two tensors of logits (..., n) to (...), in float32."""
    wanted, found = (logits.float().log_softmax(-1) for logits in (teacher, student))
    return (wanted.exp() * (wanted - found)).sum(-1)


def _refuse(checkpoint: Checkpoint, config: ModelConfig, tokenizer: Tokenizer) -> None:
    own = checkpoint.config
    facts = {
        "vocabulary": checkpoint.tokenizer.to_json() == tokenizer.to_json()
        and (own.vocabulary, own.start_token, own.stop_token)
        == (config.vocabulary, config.start_token, config.stop_token),
        "front end": own.front_end.plain == config.front_end.plain,
        "limit": own.max_mel_frames >= config.max_mel_frames and own.max_text_tokens >= config.max_text_tokens,
    }
    if wrong := next((fact for fact, same in facts.items() if not same), ""):
        raise UsageError(
            f"The teacher {checkpoint.name!r} has another {wrong} than the run; "
            "a new run takes over the vocabulary, and its shape must keep within the teacher's limits."
        )


def _same_frames(own: ModelConfig, other: ModelConfig) -> bool:
    def frames(config: ModelConfig) -> tuple[int, int, int]:
        return config.ctc_classes, config.ctc_frames, config.generation

    return frames(own) == frames(other)


def _column(values: tuple[float, ...], default: float) -> Tensor:
    return torch.tensor(values or (default,))[:, None]
