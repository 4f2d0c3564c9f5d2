"""Small searches and what they are made of."""

from __future__ import annotations

import torch
from torch import Tensor

from gptasr_subs.model.network import GptAsr
from tests.support.tiny import tiny_network

STEPS = 8


def ragged_mels(generation: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    frames = 160 if generation == 1 else 320
    lengths = torch.tensor([frames, frames - 70, frames - 1, 40])
    return torch.randn(4, 80, frames, generator=generator), lengths


def eager_to_stop(generation: int, seed: int) -> GptAsr:
    """Different clips and beams of it stop at different steps, some never."""
    stops = {
        (1, 0): 143,
        (1, 1): 6,
        (2, 0): 26,
        (2, 1): 9,
    }  # tokens that these random weights like now and then
    return tiny_network(generation, seed=seed, stop_token=stops[generation, seed])
