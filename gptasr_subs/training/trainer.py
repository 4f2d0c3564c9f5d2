"""The training loop: CTC on the mel encoder first, then CTC and text together, resumable to the bit."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.model.network import GptAsr
from gptasr_subs.training.augmentation import Augmentation
from gptasr_subs.training.batches import Batch, Batches

_log = logging.getLogger(__name__)

Evaluate = Callable[[GptAsr, int], None]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How to train. Steps count optimiser steps; everything is scheduled by them, never by the clock."""

    steps: int = 20000
    ctc_steps: int = 8000  # first steps, on the encoder and its CTC head alone: the cheapest sound there is
    rate: float = 1.5e-3
    text_rate: float = 1.0e-3  # from ``ctc_steps`` on
    warmup: int = 300
    decay_from: int = 15000  # constant until here, then linear to 2 % at ``steps``
    accumulate: int = 1  # micro-batches a step, in each process
    ctc_weight: float = 0.5
    smoothing: float = 0.1
    text_every: int = 4  # steps between two text-only batches (0: none)
    weight_decay: float = 0.03
    clip: float = 2.0
    ema: float = 0.998
    augment_over: int = 4000  # steps until augmentation reaches its full amount
    least_augmentation: float = 0.25
    report_every: int = 50
    save_every: int = 500
    evaluate_every: int = 1500
    bf16: bool = True
    augmentation: Augmentation = field(default_factory=Augmentation)


class Trainer:
    """One process of a training run; ``torchrun`` starts several, each with its own rank."""

    def __init__(
        self,
        network: GptAsr,
        batches: Batches,
        options: TrainOptions,
        folder: Path,
        evaluate: Evaluate | None = None,
        texts: Callable[[int], Tensor] | None = None,
    ) -> None:
        """``folder`` takes ``last.pt`` and goes on from it where it exists; ``texts(step)`` gives text-only tokens."""
        self.network, self.batches, self.options, self.folder = network, batches, options, folder
        self.evaluate, self.texts = evaluate, texts
        self.optimiser = _optimiser(network, options)
        self.average = {name: p.detach().clone() for name, p in network.named_parameters()}
        self.step, self.heard = 0, 0.0
        self._losses: list[dict[str, float]] = []
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "last.pt").exists():
            self._resume(folder / "last.pt")

    def run(self, until: int | None = None) -> list[float]:
        """Train to step ``until`` (the end by default); return the loss of each step run."""
        losses = []
        began, heard = time.monotonic(), self.heard
        self.network.train()
        while self.step < (until or self.options.steps):
            losses.append(self._one_step())
            if self._due(self.options.report_every):
                self._report(time.monotonic() - began, self.heard - heard)
                began, heard = time.monotonic(), self.heard
            if self._due(self.options.save_every) or self.step == self.options.steps:
                self.save()
            if self._due(self.options.evaluate_every) or self.step == self.options.steps:
                self._evaluate()
                began = time.monotonic()
        return losses

    def save(self) -> None:
        """Write ``last.pt``: all that a later process needs to go on as if nothing had happened."""
        if self.batches.rank:
            return
        state = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        temporary = self.folder / "last.tmp"
        torch.save({**state, "average": self.average, "step": self.step, "heard": self.heard}, temporary)
        os.replace(temporary, self.folder / "last.pt")

    def averaged(self) -> dict[str, Tensor]:
        """Weights after exponential averaging: the ones to evaluate and to ship."""
        return {**self.network.state_dict(), **self.average}

    def _resume(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average, self.step, self.heard = state["average"], state["step"], state["heard"]

    def _due(self, every: int) -> bool:
        return bool(every) and self.step % every == 0

    def _one_step(self) -> float:
        options = self.options
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(options, self.step)
        losses: dict[str, float] = {}
        for part in range(options.accumulate):
            batch = self.batches.at(self.step * options.accumulate + part, self._augmentation())
            for name, value in self._backward(batch).items():
                losses[name] = losses.get(name, 0.0) + value / options.accumulate
            self.heard += batch.seconds * self.batches.world
        self._share_gradients()
        nn.utils.clip_grad_norm_(self.network.parameters(), options.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._update_average()
        self._losses.append(losses)
        return losses["loss"]

    def _backward(self, batch: Batch) -> dict[str, float]:
        joint = self.step >= self.options.ctc_steps
        with self._precision():
            encoded = self.network.encode(batch.mel)
            ctc = ctc_loss(self.network, encoded.features, batch)
            text = self._text_loss(self.network.read(encoded, _inputs(batch.tokens)), batch.tokens) if joint else None
            loss = ctc if text is None else text + self.options.ctc_weight * ctc
            alone = self._text_alone(joint)
            loss = loss if alone is None else loss + 0.5 * alone
        (loss / self.options.accumulate).backward()  # type: ignore[no-untyped-call]
        parts = {"loss": loss, "ctc": ctc, "text": text, "alone": alone}
        return {name: value.item() for name, value in parts.items() if value is not None}

    def _text_alone(self, joint: bool) -> Tensor | None:
        if not (joint and self.texts and self._due(self.options.text_every)):
            return None
        tokens = self.texts(self.step * self.batches.world + self.batches.rank)
        return self._text_loss(self.network.read_text_alone(_inputs(tokens)), tokens)

    def _text_loss(self, logits: Tensor, tokens: Tensor) -> Tensor:
        return F.cross_entropy(
            logits.float().transpose(1, 2), tokens[:, 1:], label_smoothing=self.options.smoothing, ignore_index=-100
        )

    def _augmentation(self) -> Augmentation:
        ramp = min(1.0, self.options.least_augmentation + self.step / self.options.augment_over)
        whole = self.options.augmentation
        return Augmentation(**{**{n: getattr(whole, n) for n in whole.__slots__}, "amount": whole.amount * ramp})

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.network.text_head.weight.device.type, torch.bfloat16, enabled=self.options.bf16)

    def _share_gradients(self) -> None:
        """Average the gradients of all processes, in one message."""
        if self.batches.world == 1:
            return
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        dist.all_reduce(flat)
        flat /= self.batches.world
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self.options.ema, (1 + self.step) / (20 + self.step))
        now = [p.detach() for p in self.network.parameters()]
        torch._foreach_lerp_(list(self.average.values()), now, 1 - keep)

    def _report(self, seconds: float, heard: float) -> None:
        recent = self._losses[-self.options.report_every :]
        means = {n: sum(r[n] for r in recent if n in r) / max(1, sum(n in r for r in recent)) for n in recent[-1]}
        shown = " ".join(f"{name} {value:.3f}" for name, value in means.items())
        rate = learning_rate(self.options, self.step)
        if not self.batches.rank:
            _log.info("step %d heard %.2f h %s rate %.1e %.0fx", self.step, self.heard / 3600, shown, rate, heard / seconds)
        self._losses.clear()

    def _evaluate(self) -> None:
        if self.evaluate is None or self.batches.rank:
            return
        own = {name: p.detach().clone() for name, p in self.network.named_parameters()}
        self.network.load_state_dict(self.averaged())
        self.evaluate(self.network.eval(), self.step)
        self.network.load_state_dict({**self.network.state_dict(), **own})
        self.network.train()


def learning_rate(options: TrainOptions, step: int) -> float:
    """Warm-up at the start of either phase, constant, then linear decay."""
    first = step < options.ctc_steps
    since = step if first else step - options.ctc_steps
    peak = options.rate if first else options.text_rate
    left = (options.steps - step) / max(1, options.steps - options.decay_from)
    return peak * min(1.0, (since + 1) / options.warmup) * min(1.0, max(0.02, left))


def ctc_loss(network: GptAsr, features: Tensor, batch: Batch) -> Tensor:
    """CTC loss of a batch in nats a character."""
    assert network.ctc_head is not None, "training wants a configuration with a CTC head"
    log_probs = network.ctc_head(features)
    frames = torch.full((len(features),), log_probs.shape[1])
    losses = F.ctc_loss(
        log_probs.transpose(0, 1), batch.spelled, frames, batch.spelled_lengths, reduction="sum", zero_infinity=True
    )
    return losses / max(1, len(batch.spelled))


def _inputs(tokens: Tensor) -> Tensor:
    return tokens[:, :-1].clamp_min(0)


def _optimiser(network: nn.Module, options: TrainOptions) -> torch.optim.AdamW:
    matrices = [p for n, p in network.named_parameters() if p.ndim > 1 and "pos_embedding" not in n]
    rest = [p for n, p in network.named_parameters() if not (p.ndim > 1 and "pos_embedding" not in n)]
    groups = [{"params": matrices, "weight_decay": options.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98), fused=True)


def parameters_in_millions(network: nn.Module) -> float:
    """Parameters of a network in millions."""
    return math.fsum(p.numel() for p in network.parameters()) / 1e6
