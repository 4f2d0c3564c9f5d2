"""Muon: steps with no direction larger than another, whatever shape a weight has."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gptasr_subs.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (16, 80), (80, 16)])
def test_directions_become_equally_large(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.manual_seed(0)) * torch.logspace(0, -1, shape[1])
    singular = torch.linalg.svdvals(orthogonal(matrix[None]))
    assert singular.min() > 0.5
    assert singular.max() < 1.3


def test_orthogonal_keeps_the_directions_themselves() -> None:
    matrix = torch.randn(12, 40, generator=torch.manual_seed(1))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    nearest = left @ right
    found = orthogonal(matrix[None])[0]
    assert torch.cosine_similarity(found.flatten(), nearest.flatten(), 0) > 0.97


def test_a_step_is_as_large_as_one_of_adamw_and_leads_downhill() -> None:
    convolution = nn.Conv1d(32, 16, 3)
    before = convolution.weight.detach().clone()
    optimiser = Muon([convolution.weight], lr=0.01, weight_decay=0.0)
    sound = torch.randn(4, 32, 20, generator=torch.manual_seed(2))
    loss = convolution(sound).square().mean()
    loss.backward()
    optimiser.step()
    step = convolution.weight.detach() - before
    assert step.square().mean().sqrt().item() == pytest.approx(0.2 * 0.01, rel=0.3)
    assert convolution(sound).square().mean() < loss


def test_muon_solves_what_it_is_given() -> None:
    torch.manual_seed(3)
    layer, wanted = nn.Linear(8, 8, bias=False), torch.randn(8, 8)
    optimiser = Muon([layer.weight], lr=0.1, weight_decay=0.0)
    inputs = torch.randn(64, 8)
    losses = []
    for step in range(300):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 300)
        optimiser.zero_grad()
        loss = (layer(inputs) - inputs @ wanted.T).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 1e-3 * losses[0]


def test_decay_alone_shrinks_weights_without_a_direction() -> None:
    weight = nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.zeros(4, 4)
    Muon([weight], lr=0.1, weight_decay=0.5).step()
    assert torch.allclose(weight, torch.full((4, 4), 0.95))
