"""The training loop: CTC on the mel encoder first, then CTC and text together, resumable to the bit."""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.errors import ModelError
from gptasr_subs.model.gpt2 import Layer
from gptasr_subs.model.network import Block, Encoded, GptAsr
from gptasr_subs.training.batches import NO_TOKEN, Batch, Batches, made_ahead
from gptasr_subs.training.dense import DenseHead
from gptasr_subs.training.distillation import Teacher
from gptasr_subs.training.muon import Muon
from gptasr_subs.training.options import Augmentation, TrainOptions

STATE_FILE = "last.pt"

Evaluate = Callable[[GptAsr, int], None]
Report = Callable[[int, dict[str, float]], None]
State = dict[str, Tensor]
Losses = dict[str, Tensor]  # by name, each a number

_HIDDEN = re.compile(r"^0\.(mel_encoder|gpt\.h)\.")  # layers of the network, the first of what is trained

_log = logging.getLogger(__name__)


class Trainer:
    """One process of a training run; ``torchrun`` starts several, each with its own rank.

    It trains on the device of ``network``.
    """

    def __init__(
        self,
        network: GptAsr,
        batches: Batches,
        options: TrainOptions,
        folder: Path,
        evaluate: Evaluate | None = None,
        texts: Callable[[int], Tensor] | None = None,
        report: Report | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        """``folder`` takes ``last.pt`` and goes on from it where it exists; ``texts(number)`` gives text-only tokens.

        ``evaluate`` sees the averaged weights, ``report`` means of the losses since the last one: only in rank 0.
        A ``teacher`` is on the device of ``network``.
        """
        self.network, self.batches, self.options, self.folder = network, batches, options, folder
        self.evaluate, self.texts, self.report, self.teacher = evaluate, texts, report, teacher
        self.device = network.text_head.weight.device
        dimensions = batches.dense.dimensions
        self.dense = DenseHead(network.config.width, dimensions).to(self.device) if dimensions else None
        self._trained = nn.ModuleList([network, self.dense] if self.dense else [network])
        self.optimisers = _optimisers(self._trained, options)
        self.average = {name: p.detach().clone() for name, p in network.named_parameters()}
        self.step, self.heard = 0, 0.0
        self._pending: Losses = {}
        self._losses: list[float] = []
        self._recent: list[dict[str, float]] = []
        for part in network.modules():
            if isinstance(part, (Block, Layer)):
                part.dropout = options.dropout
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE_FILE).exists():
            self._resume()

    def run(self, until: int | None = None) -> list[float]:
        """Train to step ``until`` (the end by default); give the loss of each step run, over all processes."""
        end, parts = until or self.options.steps, self.options.accumulate
        keys = [(step, part) for step in range(self.step, end) for part in range(parts)]
        upcoming = made_ahead(self._batch, keys, self.options.workers, pinned=self.device.type == "cuda")
        self.network.train()
        self._losses = []
        self._start_clock()
        while self.step < end:
            self._one_step(upcoming)
            self._after_step()
        self._read_pending()
        return self._losses

    def save(self) -> None:
        """Write ``last.pt``: all that a later process needs to go on as if nothing had happened."""
        self._read_pending()
        if self.batches.rank:
            return
        state = {"network": self.network.state_dict(), "optimisers": [o.state_dict() for o in self.optimisers]}
        if self.dense:
            state["dense"] = self.dense.state_dict()
        temporary = self.folder / "last.tmp"
        with temporary.open("wb") as file:
            torch.save({**state, "average": self.average, "step": self.step, "heard": self.heard}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / STATE_FILE)

    def averaged(self) -> State:
        """Weights after exponential averaging: the ones to evaluate and to ship."""
        return {**self.network.state_dict(), **self.average}

    def _resume(self) -> None:
        state = read_state(self.folder, self.device)
        self.network.load_state_dict(state["network"])
        if self.dense:
            self.dense.load_state_dict(state["dense"])
        for optimiser, own in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(own)
        self.average, self.step, self.heard = state["average"], state["step"], state["heard"]

    def _batch(self, key: tuple[int, int]) -> Batch:
        step, part = key
        return self.batches.at(step, augmentation_at(self.options, step), part, self.options.accumulate)

    def _one_step(self, upcoming: Iterator[Batch]) -> None:
        rate = learning_rate(self.options, self.step)
        for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
            group["lr"] = rate
        parts = [self._backward(next(upcoming), part) for part in range(self.options.accumulate)]
        numbers = self._share({name: torch.stack([p[name] for p in parts]).mean() for name in parts[0]})
        self._read_pending()
        nn.utils.clip_grad_norm_(self._trained.parameters(), self.options.clip)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self._update_average()
        self._pending = numbers

    def _read_pending(self) -> None:
        """Numbers of the last step, a step late: to wait for them at once would leave a GPU without work."""
        if not self._pending:
            return
        numbers = dict(zip(self._pending, torch.stack([*self._pending.values()]).tolist(), strict=True))
        self._pending = {}
        if not math.isfinite(numbers["loss"]):
            raise ModelError(
                f"The loss of step {self.step - 1} is no number; go on from {STATE_FILE} with a lower rate."
            )
        self.heard += numbers.pop("seconds") * self.options.accumulate * self.batches.world
        self._losses.append(numbers["loss"])
        self._recent.append(numbers)

    def _backward(self, batch: Batch, part: int) -> Losses:
        """Add the gradients of one micro-batch; its losses, and the seconds of sound in it."""
        self._seed(part)
        with self._precision():
            terms = self._terms(batch.to(self.device), part)
            loss = torch.stack([weight * value for weight, value in terms.values()]).sum()
        (loss / self.options.accumulate).backward()  # type: ignore[no-untyped-call]
        values = {name: value.detach() for name, (_, value) in terms.items()}
        return {"loss": loss.detach(), **values, "seconds": loss.new_tensor(batch.seconds)}

    def _seed(self, part: int) -> None:
        """What is left to chance in the network depends on step and share alone, like the batches."""
        if self.options.dropout or self.options.token_noise:
            torch.manual_seed(self._number(part))

    def _number(self, part: int) -> int:
        """Of this process's ``part`` of the step, counted over all micro-batches of the run."""
        shares = self.batches.world * self.options.accumulate
        return self.step * shares + self.batches.share(part, self.options.accumulate)

    def _terms(self, batch: Batch, part: int) -> dict[str, tuple[float, Tensor]]:
        """The losses of one micro-batch, each with its weight in their sum."""
        options, joint = self.options, self.step >= self.options.ctc_steps
        encoded = self.network.encode(batch.mel)
        logits = self.network.read(encoded, self._noisy(_inputs(batch.tokens))) if joint else None
        terms: dict[str, tuple[float, Tensor | None]] = {
            "ctc": (options.ctc_weight if joint else 1.0, ctc_loss(self.network, encoded.features, batch)),
            "text": (1.0, None if logits is None else self._text_loss(logits, batch.tokens)),
            "alone": (0.5, self._text_alone(joint, part)),
            "taught": (options.teacher_weight, self._taught(encoded, logits, batch)),
            "dense": (options.dense_weight, self._dense_loss(encoded.features, batch)),
        }
        return {name: (weight, value) for name, (weight, value) in terms.items() if value is not None}

    def _noisy(self, tokens: Tensor) -> Tensor:
        """``tokens`` (B, U), some replaced by any others; never the first, which begins the text."""
        if not self.options.token_noise:
            return tokens
        replaced = torch.rand(tokens.shape, device=tokens.device) < self.options.token_noise
        replaced[:, 0] = False
        return torch.where(replaced, torch.randint_like(tokens, self.network.config.vocabulary), tokens)

    def _taught(self, encoded: Encoded, logits: Tensor | None, batch: Batch) -> Tensor | None:
        if self.teacher is None:
            return None
        return self.teacher.loss(self.network, encoded, logits, batch, self.options.ctc_weight)

    def _dense_loss(self, features: Tensor, batch: Batch) -> Tensor | None:
        return None if self.dense is None or batch.dense is None else self.dense.loss(features, batch.dense)

    def _text_alone(self, joint: bool, part: int) -> Tensor | None:
        if not (joint and self.texts and self._due(self.options.text_every)):
            return None
        tokens = self.texts(self._number(part)).to(self.device)
        return self._text_loss(self.network.read_text_alone(_inputs(tokens)), tokens)

    def _text_loss(self, logits: Tensor, tokens: Tensor) -> Tensor:
        smoothing = self.options.smoothing
        logits = logits.float().transpose(1, 2)
        return F.cross_entropy(logits, tokens[:, 1:], label_smoothing=smoothing, ignore_index=NO_TOKEN)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bf16)

    def _share(self, numbers: Losses) -> Losses:
        """Average the gradients and ``numbers`` of all processes, in one message."""
        if self.batches.world == 1:
            return numbers
        gradients = [p.grad for p in self._trained.parameters() if p.grad is not None]
        own = torch.stack([*numbers.values()])
        flat = torch.cat([*(g.flatten() for g in gradients), own])
        dist.all_reduce(flat)
        flat /= self.batches.world
        *parts, shared = torch.split(flat, [*(g.numel() for g in gradients), len(numbers)])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return dict(zip(numbers, shared.clone().unbind(), strict=True))  # a view would keep all the gradients

    @torch.no_grad()
    def _update_average(self) -> None:
        keep = min(self.options.ema, (1 + self.step) / (20 + self.step))
        now = [p.detach() for p in self.network.parameters()]
        torch._foreach_lerp_(list(self.average.values()), now, 1 - keep)

    def _due(self, every: int) -> bool:
        return bool(every) and self.step % every == 0

    def _after_step(self) -> None:
        last = self.step == self.options.steps
        if last or self._due(self.options.report_every):
            self._report()
        if last or self._due(self.options.save_every):
            self.save()
        if last or self._due(self.options.evaluate_every):
            self._evaluate()

    def _start_clock(self) -> None:
        self._began, self._heard_before = time.monotonic(), self.heard

    def _report(self) -> None:
        self._read_pending()
        names = dict.fromkeys(name for numbers in self._recent for name in numbers)
        means = {name: _mean([numbers[name] for numbers in self._recent if name in numbers]) for name in names}
        if self.report and not self.batches.rank:
            speed = (self.heard - self._heard_before) / max(time.monotonic() - self._began, 1e-9)
            pace = {"rate": learning_rate(self.options, self.step), "hours": self.heard / 3600, "speed": speed}
            self.report(self.step, means | pace)
        self._recent.clear()
        self._start_clock()

    def _evaluate(self) -> None:
        """Show the averaged weights to ``evaluate``, then put the network's own back."""
        if self.evaluate is None or self.batches.rank:
            return
        own = {name: p.detach().clone() for name, p in self.network.named_parameters()}
        self.network.load_state_dict(self.averaged())
        self.evaluate(self.network.eval(), self.step)
        self.network.load_state_dict({**self.network.state_dict(), **own})
        self.network.train()
        self._start_clock()


def read_state(folder: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """``last.pt`` of a run; raises ``ModelError`` where there is none or it is damaged."""
    try:
        state: dict[str, Any] = torch.load(folder / STATE_FILE, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{folder} holds no {STATE_FILE}; give the folder of a training run.") from error
    except Exception as error:  # whatever the unpickler says
        raise ModelError(f"{folder / STATE_FILE} cannot be read ({error}); put a copy in its place.") from error
    return state


def learning_rate(options: TrainOptions, step: int) -> float:
    """Warm-up at the start of either phase, constant, then linear decay."""
    first = step < options.ctc_steps
    since = step if first else step - options.ctc_steps
    peak = options.rate if first else options.text_rate
    left = (options.steps - step) / max(1, options.steps - options.decay_from)
    return peak * min(1.0, (since + 1) / options.warmup) * min(1.0, max(0.02, left))


def augmentation_at(options: TrainOptions, step: int) -> Augmentation:
    """Augmentation grows with the steps: what is heard first is clear."""
    ramp = min(1.0, options.least_augmentation + step / options.augment_over)
    return replace(options.augmentation, amount=options.augmentation.amount * ramp)


def ctc_loss(network: GptAsr, features: Tensor, batch: Batch) -> Tensor:
    """CTC loss of a batch in nats a character."""
    if network.ctc_head is None:
        raise ModelError("The shape has no CTC head (ctc_classes is 0); training needs one.")
    log_probs = network.ctc_head(features)
    frames = torch.full((len(features),), log_probs.shape[1])
    losses = F.ctc_loss(
        log_probs.transpose(0, 1), batch.spelled, frames, batch.spelled_lengths, reduction="sum", zero_infinity=True
    )
    return losses / max(1, len(batch.spelled))


def parameters_in_millions(network: nn.Module) -> float:
    """Parameters of a network in millions."""
    return math.fsum(p.numel() for p in network.parameters()) / 1e6


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _inputs(tokens: Tensor) -> Tensor:
    return tokens[:, :-1].clamp_min(0)


def _optimisers(network: nn.Module, options: TrainOptions) -> list[torch.optim.Optimizer]:
    """Muon for what turns features into features, AdamW for tables, heads, norms and biases."""
    matrices, tables, rest = [], [], []
    for name, parameter in network.named_parameters():
        if parameter.ndim < 2 or "pos_embedding" in name:
            rest.append(parameter)
        elif options.muon and _HIDDEN.search(name):
            matrices.append(parameter)
        else:
            tables.append(parameter)
    groups = [{"params": tables, "weight_decay": options.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    adam = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98), fused=True)
    return [adam, Muon(matrices, options.rate, options.weight_decay)] if matrices else [adam]
