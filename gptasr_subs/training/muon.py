"""Muon: the step of each weight matrix is its momentum with all singular values brought to about 1.

After K. Jordan et al. (2024); steps are as large as AdamW's, by the rule of J. Liu et al. (2025), so that both take the
same rates. Several processes share the work of a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

_QUINTIC = (3.4445, -4.7750, 2.0315)  # of the iteration that drives singular values towards 1
_ITERATIONS = 5
_LIKE_ADAMW = 0.2  # root mean square of a step of AdamW, in rates


class Muon(torch.optim.Optimizer):
    """For matrices; a convolution's weight (out, in, kernel) counts as (out, in * kernel)."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        """``momentum`` is Nesterov's."""
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step along the gradients, which all processes have in common."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            steps = _together(self._directions(parameters, group["momentum"]))
            torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            sizes = [-group["lr"] * _LIKE_ADAMW * max(step.shape) ** 0.5 for step in steps]
            torch._foreach_mul_(steps, sizes)
            shaped = [step.view_as(parameter) for step, parameter in zip(steps, parameters, strict=True)]
            torch._foreach_add_(parameters, shaped)

    def _directions(self, parameters: list[nn.Parameter], momentum: float) -> list[Tensor]:
        gradients = [p.grad for p in parameters if p.grad is not None]
        averages = [self._average(p) for p in parameters]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        return [direction.flatten(1) for direction in torch._foreach_lerp(gradients, averages, momentum)]

    def _average(self, parameter: nn.Parameter) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"]
        return average


def _together(directions: list[Tensor]) -> list[Tensor]:
    """All ``directions`` made orthogonal, each by one of the processes."""
    world, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    own = range(rank, len(directions), world)
    steps = [torch.zeros_like(d) for d in directions] if world > 1 else list(directions)
    for alike in _by_shape(directions, own):
        for index, step in zip(alike, orthogonal(torch.stack([directions[i] for i in alike])), strict=True):
            steps[index] = step
    if world == 1:
        return steps
    flat = torch.cat([step.flatten() for step in steps])
    dist.all_reduce(flat)
    parts = torch.split(flat, [step.numel() for step in steps])
    return [part.view_as(step) for part, step in zip(parts, steps, strict=True)]


def _by_shape(matrices: list[Tensor], indices: Iterable[int]) -> Iterable[list[int]]:
    """``indices`` of matrices of one shape together: a GPU takes no longer for all of them than for one."""
    alike: dict[torch.Size, list[int]] = {}
    for index in indices:
        alike.setdefault(matrices[index].shape, []).append(index)
    return alike.values()


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest ones to ``matrices`` (n, rows, columns) whose singular values are all about 1 (0.7 to 1.2)."""
    first, third, fifth = _QUINTIC
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=third, alpha=fifth), x, beta=first)
    return (x.mT if tall else x).to(matrices.dtype)
