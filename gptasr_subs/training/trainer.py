"""The training loop of a graft: three phases, each training more parts, resumable to the bit."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import fmean as mean
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from gptasr_subs.errors import ModelError
from gptasr_subs.model.adapter import ConvolutionBlock
from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.training.batches import NO_TOKEN, Batch, Batches
from gptasr_subs.training.old_encoder import OldEncoder, distance
from gptasr_subs.training.options import GraftOptions, Phase

STATE_FILE = "last.pt"

Evaluate = Callable[[GptAsr, int], None]
Report = Callable[[int, dict[str, float]], None]
Losses = dict[str, Tensor]  # by name, each a number

_MIN_SHARE = 0.03  # of the peak learning rate, at the end of a phase

_log = logging.getLogger(__name__)


class Trainer:
    """One process of a training run; ``torchrun`` starts several, each with its own rank.

    It trains on the device of ``network``.
    """

    def __init__(
        self,
        network: GptAsr,
        batches: Batches,
        options: GraftOptions,
        folder: Path,
        sentences: Callable[[int], Tensor] | None = None,
        old_encoder: OldEncoder | None = None,
    ) -> None:
        """``folder`` takes ``last.pt``, from which training is resumed where it exists.

        ``sentences(number)`` gives the tokens of a text-only batch; ``old_encoder`` is needed while
        a phase distils.
        """
        self.network = network
        self.batches = batches
        self.options = options
        self.folder = folder
        self.sentences = sentences
        self.old_encoder = old_encoder
        self.report: Report | None = None
        self.evaluate: Evaluate | None = None
        self.device = network.text_head.weight.device
        self.parts = parameter_groups(network)
        self.optimiser = torch.optim.AdamW(
            [{"params": list(parameters), "name": name} for name, parameters in self.parts.items()],
            lr=0.0,  # set anew in every step
            betas=(0.9, 0.98),  # those of transformers since Vaswani et al. 2017
            weight_decay=options.weight_decay,
            fused=True,  # one pass over the weights instead of ten
        )
        # exponential moving average of the weights: what is evaluated and exported
        self.average = {name: p.detach().clone() for name, p in network.named_parameters()}
        self.step = 0
        self.seconds = 0.0
        self._recent: list[dict[str, float]] = []
        self._reported = (time.monotonic(), 0.0)
        for module in network.modules():
            if isinstance(module, ConvolutionBlock):
                module.dropout = options.dropout
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE_FILE).exists():
            state = read_state(folder, self.device)
            network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.average = state["average"]
            self.step = state["step"]
            self.seconds = state["seconds"]

    def run(self, stop_at: int | None = None) -> None:
        """Train to step ``stop_at`` (default: the end); a loss of NaN raises ``ModelError``."""
        end = self.options.steps if stop_at is None else min(stop_at, self.options.steps)
        self.network.train()
        self._reported = (time.monotonic(), self.seconds)
        while self.step < end:
            self._train_step()
            last = self.step == self.options.steps
            if last or _due(self.step, self.options.report_every):
                self._report()
            if last or _due(self.step, self.options.save_every):
                self.save()
            if last or _due(self.step, self.options.evaluate_every):
                self._evaluate()

    def save(self) -> None:
        """Write ``last.pt``: all that a later process needs to resume to the bit."""
        if self.batches.rank:
            return
        state = {
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "step": self.step,
            "seconds": self.seconds,
        }
        # The file is on the disk before it takes the other's name: a kill or a power cut leaves one
        # of the two whole.
        temporary = self.folder / "last.tmp"
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.folder / STATE_FILE)

    def averaged(self) -> dict[str, Tensor]:
        """Weights after exponential averaging: the ones to evaluate and to ship."""
        return {**self.network.state_dict(), **self.average}

    def _train_step(self) -> None:
        """One optimiser step on this process's micro-batch, gradients averaged over all."""
        phase, first = self.options.phase_at(self.step)
        # A part whose rate is 0 gets no gradient: it is frozen, and backward stops before it.
        rates = {"adapter": phase.lr, "gpt": phase.gpt_lr, "encoder": phase.encoder_lr}
        share = schedule(self.options, phase, self.step - first)
        for group in self.optimiser.param_groups:
            rate = rates[group["name"]]
            group["lr"] = rate * share
            for parameter in group["params"]:
                parameter.requires_grad_(rate > 0)
        # Dropout, masks and token noise depend on the step alone, so a resumed run draws the same.
        torch.manual_seed(self._batch_number())
        batch = self.batches.at(self.step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bf16):
            losses = self._losses(batch, phase)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        numbers = self._all_reduce({name: value.detach() for name, value in losses.items()})
        if not math.isfinite(numbers["loss"]):
            raise ModelError(
                f"The loss of step {self.step} is no number; resume with lower learning rates."
            )
        # All parts share one norm: a part that explodes slows the others down with it.
        trained = [p for part in self.parts.values() for p in part if p.grad is not None]
        nn.utils.clip_grad_norm_(trained, self.options.max_grad_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        self.seconds += batch.seconds * self.batches.world
        # average <- keep * average + (1 - keep) * weights; ``keep`` grows from 0.1 to its limit, so
        # that the untrained weights of the first steps are soon forgotten.
        keep = min(self.options.ema_decay, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            now = [p.detach() for p in self.network.parameters()]
            torch._foreach_lerp_(list(self.average.values()), now, 1 - keep)
        self._recent.append(numbers)

    def _batch_number(self) -> int:
        """Return the number of this process's micro-batch, counted over the whole run."""
        return self.step * self.batches.world + self.batches.rank

    def _losses(self, batch: Batch, phase: Phase) -> Losses:
        """Return the weighted sum ``loss`` of one micro-batch and what it is made of."""
        inputs = batch.inputs.to(self.device)
        lengths = batch.lengths.to(self.device)
        if phase.encoder_lr:
            inputs, lengths = self.network.speech_encoder.encoder(inputs, lengths)
        masked = mask_time(
            inputs,
            lengths,
            self._frames(self.options.mask_every),
            self._frames(self.options.mask_seconds),
        )
        encoded = Encoded(*self.network.speech_encoder.adapter(masked, lengths))
        # loss = w_ctc * L_ctc + w_distil * L_distil + L_text + w_lm * L_lm, as far as the phase
        # has them.
        losses = {"ctc": ctc_loss(self.network, encoded, batch)}
        total = self.options.ctc_weight * losses["ctc"]
        if phase.distil:
            assert self.old_encoder is not None and encoded.lengths is not None
            positions = encoded.lengths.cpu()
            target = self.old_encoder.positions(batch.samples, positions)
            losses["distil"] = distance(encoded.features.float().cpu(), target, positions)
            total = total + phase.distil * losses["distil"]
        if phase.gpt_lr:
            # Teacher forcing on a text with errors: the GPT must look at the audio for the next.
            tokens = _inputs(batch.tokens.to(self.device))
            replaced = torch.rand(tokens.shape, device=tokens.device) < self.options.token_noise
            replaced[:, 0] = False  # never the start token
            other = torch.randint_like(tokens, self.network.config.vocabulary)
            logits = self.network.read(encoded, torch.where(replaced, other, tokens))
            losses["text"] = self._text_loss(logits, batch.tokens)
            total = total + losses["text"]
        # Text alone trains the branch without audio: the internal language model (ILM), whose
        # log-probabilities the search adds by their own weight.
        if phase.gpt_lr and self.sentences and _due(self.step, self.options.lm_every):
            tokens = self.sentences(self._batch_number()).to(self.device)
            losses["lm"] = self._text_loss(self.network.lm_logits(_inputs(tokens)), tokens)
            total = total + self.options.lm_weight * losses["lm"]
        return {"loss": total, **losses}

    def _frames(self, seconds: float) -> int:
        """Encoder frames in ``seconds`` of audio."""
        assert self.network.config.encoder is not None
        return round(seconds * self.network.config.encoder.frames_per_second)

    def _text_loss(self, logits: Tensor, tokens: Tensor) -> Tensor:
        return F.cross_entropy(
            logits.float().transpose(1, 2),
            tokens[:, 1:].to(logits.device),
            label_smoothing=self.options.label_smoothing,
            ignore_index=NO_TOKEN,
        )

    def _all_reduce(self, numbers: Losses) -> dict[str, float]:
        """Average the gradients and ``numbers`` of all processes, in one message."""
        if self.batches.world == 1:
            return {name: float(value) for name, value in numbers.items()}
        # Each process has the same parameters in the same order, so one flat vector will do.
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        own = torch.stack([*numbers.values()])
        flat = torch.cat([*(g.flatten() for g in gradients), own])
        dist.all_reduce(flat)
        flat /= self.batches.world
        *shared, means = torch.split(flat, [*(g.numel() for g in gradients), len(numbers)])
        for gradient, part in zip(gradients, shared, strict=True):
            gradient.copy_(part.view_as(gradient))
        return dict(zip(numbers, means.tolist(), strict=True))

    def _report(self) -> None:
        names = dict.fromkeys(name for numbers in self._recent for name in numbers)
        means = {name: mean(n[name] for n in self._recent if name in n) for name in names}
        began, before = self._reported
        now = time.monotonic()
        speed = (self.seconds - before) / max(now - began, 1e-9)
        if self.report and not self.batches.rank:
            self.report(self.step, {**means, "hours": self.seconds / 3600, "speed": speed})
        self._recent.clear()
        self._reported = (now, self.seconds)

    def _evaluate(self) -> None:
        """Show the averaged weights to ``evaluate``, then put the network's own back."""
        if self.evaluate is None or self.batches.rank:
            return
        # Evaluating costs no second network: the weights change places for that time.
        own = {name: p.detach().clone() for name, p in self.network.named_parameters()}
        self.network.load_state_dict(self.averaged())
        self.evaluate(self.network.eval(), self.step)
        self.network.load_state_dict({**self.network.state_dict(), **own})
        self.network.train()
        self._reported = (time.monotonic(), self.seconds)


def parameter_groups(network: GptAsr) -> dict[str, list[nn.Parameter]]:
    """Return the parts with a learning rate of their own: encoder, adapter, the GPT with both
    heads.
    """
    encoder = list(network.speech_encoder.encoder.parameters())
    adapter = list(network.speech_encoder.adapter.parameters())
    known = {id(p) for p in (*encoder, *adapter)}
    rest = [p for p in network.parameters() if id(p) not in known]
    return {"encoder": encoder, "adapter": adapter, "gpt": rest}


def schedule(options: GraftOptions, phase: Phase, step: int) -> float:
    """Return the share of the peak learning rate at ``step`` of a phase: warm-up, constant, linear
    decay.
    """
    # 1 until the decay begins, then the share of it that is left
    left = (phase.steps - step) / max(1.0, phase.steps * (1 - options.decay_from))
    return min(1.0, (step + 1) / options.warmup) * min(1.0, max(_MIN_SHARE, left))


def mask_time(frames: Tensor, lengths: Tensor, every: int, most: int) -> Tensor:
    """Set stretches of up to ``most`` frames of ``frames`` (B, T, C) to 0, one every ``every``."""
    # SpecAugment's masks along time, on frames of the encoder instead of the spectrogram
    kept = torch.ones(frames.shape[:2])
    for row, length in enumerate(lengths.tolist()):
        for _ in range(int(length) // every):
            width = int(torch.randint(0, most + 1, ()))
            first = int(torch.randint(0, max(1, int(length) - width), ()))
            kept[row, first : first + width] = 0
    return frames * kept[..., None].to(frames.device)


def ctc_loss(network: GptAsr, encoded: Encoded, batch: Batch) -> Tensor:
    """CTC loss of a batch in nats a character."""
    if network.ctc_head is None or encoded.lengths is None:
        raise ModelError("The network has no CTC head (ctc_classes is 0); training needs one.")
    log_probs = network.ctc_head(encoded.features)  # (B, CTC frames, classes)
    # Summed over the batch and divided by its characters, so that each character counts the same.
    # A text too long for its frames has no alignment and an infinite loss: it counts 0.
    total = F.ctc_loss(
        log_probs.transpose(0, 1),
        batch.ctc_targets.to(log_probs.device),
        encoded.lengths * network.config.ctc_frames,
        batch.ctc_target_lengths.to(log_probs.device),
        reduction="sum",
        zero_infinity=True,
    )
    return total / batch.ctc_target_lengths.sum().clamp_min(1)


def read_state(folder: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """``last.pt`` of a run; raises ``ModelError`` where there is none or it is damaged."""
    try:
        state: dict[str, Any] = torch.load(
            folder / STATE_FILE, map_location=device, weights_only=True
        )
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} holds no {STATE_FILE}; give the folder of a training run."
        ) from error
    except Exception as error:  # whatever the unpickler says
        raise ModelError(
            f"{folder / STATE_FILE} cannot be read ({error}); put a copy in its place."
        ) from error
    return state


def _inputs(tokens: Tensor) -> Tensor:
    """Input of the GPT (B, U) of ``tokens`` (B, U + 1): all but the last, padding replaced."""
    return tokens[:, :-1].clamp_min(0)


def _due(step: int, every: int) -> bool:
    return bool(every) and step % every == 0
