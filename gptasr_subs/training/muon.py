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
            steps = _together([self._direction(p, group["momentum"]) for p in parameters])
            for parameter, step in zip(parameters, steps, strict=True):
                rows, columns = step.shape
                size = group["lr"] * _LIKE_ADAMW * max(rows, columns) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(step.view_as(parameter), alpha=-size)

    def _direction(self, parameter: nn.Parameter, momentum: float) -> Tensor:
        state, gradient = self.state[parameter], parameter.grad
        assert gradient is not None
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        average: Tensor = state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(average, momentum).flatten(1)


def _together(directions: list[Tensor]) -> list[Tensor]:
    """All ``directions`` made orthogonal, each by one of the processes."""
    world, rank = (dist.get_world_size(), dist.get_rank()) if dist.is_initialized() else (1, 0)
    own = [orthogonal(d) if i % world == rank else torch.zeros_like(d) for i, d in enumerate(directions)]
    if world == 1:
        return own
    flat = torch.cat([step.flatten() for step in own])
    dist.all_reduce(flat)
    parts = torch.split(flat, [step.numel() for step in own])
    return [part.view_as(step) for part, step in zip(parts, own, strict=True)]


def orthogonal(matrix: Tensor) -> Tensor:
    """The nearest matrix to ``matrix`` (rows, columns) whose singular values are all about 1 (0.7 to 1.2)."""
    first, third, fifth = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.mT if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        square = x @ x.mT
        x = torch.addmm(x, torch.addmm(square, square, square, beta=third, alpha=fifth), x, beta=first)
    return (x.mT if tall else x).to(matrix.dtype)
