"""The settings of a graft, with their defaults, and the recipe file that changes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from gptasr_subs.errors import UsageError
from gptasr_subs.storage.files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_Knobs = TypeVar("_Knobs")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much of each; probabilities are a clip's."""

    speed: float = 0.1  # largest relative change
    room: float = 0.25  # probability of reverberation
    noise: float = 0.4  # probability of added noise ...
    noise_ratio: tuple[float, float] = (5.0, 35.0)  # ... at this signal-to-noise ratio, dB
    equaliser: float = 2.5  # standard deviation in dB of a smooth random filter
    telephone: float = 0.06  # probability of a telephone's band
    gain: tuple[float, float] = (-14.0, 6.0)  # dB


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of training: ``steps`` optimiser steps and the peak learning rates of three parts.

    A part whose learning rate is 0 is frozen; while the encoder is, its frames come from a cache.
    """

    steps: int
    lr: float = 1e-3  # of the adapter
    gpt_lr: float = 0.0  # of the GPT and both heads
    encoder_lr: float = 0.0
    batch_seconds: float = 100.0
    joined: float = 0.0  # share of clips that another one follows
    distil: float = 0.0  # weight of the distance from the positions that the old encoder gives


@dataclass(frozen=True, slots=True)
class GraftOptions:
    """How to train. Everything is scheduled by steps, never by the clock."""

    adapter: Phase = Phase(600, distil=1.0)
    text: Phase = Phase(6000, gpt_lr=3e-4, joined=0.2)
    full: Phase = Phase(
        12000, lr=5e-4, gpt_lr=2e-4, encoder_lr=6e-5, batch_seconds=60.0, joined=0.3
    )
    warmup: int = 100  # steps at the start of each phase
    decay_from: float = 0.4  # share of a phase after which its learning rates fall, to 3 %
    ctc_weight: float = 0.4
    label_smoothing: float = 0.05
    # share of the tokens read that become any other: the next one must be taken from the audio
    token_noise: float = 0.06
    dropout: float = 0.05  # of what each block of the adapter adds
    lm_every: int = 4  # steps between two text-only batches (0: none) ...
    lm_weight: float = 0.5
    lm_batch: int = 32  # ... and the sentences of one
    mask_every: float = 3.0  # seconds of audio to one mask along time ...
    mask_seconds: float = 0.35  # ... of at most this length
    weight_decay: float = 0.01
    max_grad_norm: float = 2.0
    ema_decay: float = 0.998
    bf16: bool = True  # multiply in bfloat16, with weights and sums in float32
    longest: float = 16.2  # seconds of a clip, or of some joined
    seed: int = 0
    report_every: int = 50
    save_every: int = 500
    evaluate_every: int = 1000
    dev_clips: int = 50
    weights: Mapping[str, float] = field(default_factory=dict)  # how often a source is drawn (1)
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def phases(self) -> tuple[Phase, Phase, Phase]:
        """The three phases in order."""
        return self.adapter, self.text, self.full

    @property
    def steps(self) -> int:
        """Length of the whole run."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> tuple[Phase, int]:
        """Return the phase that ``step`` lies in, and its first step."""
        # a step behind the last one belongs to the last phase
        first = 0
        for phase in self.phases[:-1]:
            if step < first + phase.steps:
                return phase, first
            first += phase.steps
        return self.full, first


@dataclass(frozen=True, slots=True)
class Graft:
    """One run: which encoder goes onto which checkpoint, from which store, into which folder."""

    encoder: str  # a folder or a hub id
    onto: str
    store: Path
    folder: Path  # a run that is there already is resumed
    text: Path | None = None  # sentences, one a line, for text-only batches
    noise: Path | None = None  # manifest of noises and rooms; else noises are made
    dev: tuple[Path, ...] = ()
    device: str = "auto"
    options: GraftOptions = field(default_factory=GraftOptions)


def read_recipe(file: Path) -> GraftOptions:
    """Read options from a TOML file; the others keep their defaults. Raises ``UsageError``."""
    try:
        values = tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{file} is not a recipe in TOML ({error}); correct it.") from error
    # The tables of a recipe are the nested dataclasses, so each is read like the whole.
    usual = GraftOptions()
    parts = {name: getattr(usual, name) for name in ("adapter", "text", "full", "augmentation")}
    read = {name: _changed(part, values.pop(name, {}), file) for name, part in parts.items()}
    return _changed(usual, {**values, **read}, file)


def _changed(usual: _Knobs, values: Mapping[str, Any], file: Path) -> _Knobs:
    """``usual`` with the ``values`` of a table. Raises ``UsageError`` for another name or type."""
    known = {knob.name: getattr(usual, knob.name) for knob in fields(usual)}  # type: ignore[arg-type]
    changed = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(
                f"{file} sets {name!r}, which is no option; the options are {', '.join(known)}."
            )
        changed[name] = tuple(value) if isinstance(value, list) else value
        # TOML writes 1 for 1.0
        wanted = (int, float) if isinstance(known[name], float) else type(known[name])
        if not isinstance(changed[name], wanted):
            raise UsageError(
                f"{file} sets {name} to {value!r}; it is {known[name]!r} by default: give its like."
            )
    return replace(usual, **changed)  # type: ignore[type-var]
