"""Every knob of a training run, with its default. Imports nothing heavy, so that the command line can show them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much of each; ``amount`` scales all of them, 0 leaves the sound as it is."""

    amount: float = 1.0
    tempo: float = 0.14  # largest relative change of speed
    formants: float = 0.16  # largest relative change of the frequency axis: other voices
    bends: float = 0.0  # standard deviation in mel bins by which each formant moves on its own
    sloppy: float = 0.0  # how sloppily each sound is said; see sloppiness.py
    equaliser: float = 1.6  # standard deviation in nepers of a smooth random filter
    loudness: float = 1.2  # nepers of power
    room: float = 0.3  # probability of reverberation
    noise: float = 0.6  # probability of added noise
    band: float = 0.12  # probability of a telephone's or a codec's narrow band
    masks: int = 2  # SpecAugment masks along each axis ...
    frames_a_mask: int = 0  # ... and one more along time for so many mel frames (0: none)
    mask_frames: int = 24  # width of a mask along time at the most, and never over 6 % of the sound
    mask_bins: int = 14  # width of a mask along the mel axis at the most


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is drawn: copies of each source an epoch, the share of joined clips, and the length limits."""

    weights: dict[str, float] = field(default_factory=dict)
    batch_seconds: float = 80.0  # on average at the least
    shortest_limit: float = 3.5  # seconds; the limit grows to ``longest`` over ``curriculum`` steps ...
    longest: float = 15.5
    curriculum: int = 1
    curriculum_from: int = 0  # ... from this one on
    joined: float = 0.2  # share of items made of two or three clips with a pause between
    spliced: float = 0.0  # share of items made of a few words each from many clips; see splicing.py
    halved: float = 0.0  # share of tokens that are written as two shorter ones; see halving.py
    noise_only: float = 0.03  # share of items that hold no speech and have no text
    seed: int = 0


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
    teacher_weight: float = 1.0  # of the distance from a teacher, where there is one
    dense_weight: float = 1.0  # of what another encoder hears, where the store has it
    smoothing: float = 0.1
    dropout: float = 0.0  # of what each part of a GPT layer adds, and within the encoder's blocks
    token_noise: float = 0.0  # share of the tokens read that are replaced by any: what comes next is to be heard
    text_every: int = 4  # steps between two text-only batches (0: none)
    text_batch: int = 48  # sentences in one
    muon: bool = True  # for the layers; without it AdamW trains them too
    weight_decay: float = 0.03
    clip: float = 2.0
    ema: float = 0.998
    augment_over: int = 4000  # steps until augmentation reaches its full amount
    least_augmentation: float = 0.25
    report_every: int = 50
    save_every: int = 500
    evaluate_every: int = 1500
    bf16: bool = True
    workers: int = 0  # processes that make batches ahead; what they make does not depend on their number
    augmentation: Augmentation = field(default_factory=Augmentation)

    def over(self, steps: int) -> TrainOptions:
        """The same plan stretched to ``steps``: each phase keeps its share, a warm-up is a twentieth at the most."""
        stretched = {name: round(getattr(self, name) * steps / self.steps) for name in _PHASES}
        return replace(self, steps=steps, warmup=max(1, min(self.warmup, steps // 20)), **stretched)


_PHASES = ("ctc_steps", "decay_from", "augment_over")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run: from which store, into which folder, and how."""

    store: Path
    folder: Path  # a run that is there already goes on with its own shape and vocabulary
    shape: str = ""  # a name or a JSON file; nothing: that of the shipped checkpoint
    start: str = ""  # a checkpoint whose weights, shape and vocabulary the run begins with
    teacher: str = ""  # a checkpoint to learn from; a new run takes over its vocabulary
    texts: Path | None = None  # sentences, one a line, for text-only batches and the vocabulary
    noise: Path | None = None  # manifest of noises; else they are made
    dev: tuple[Path, ...] = ()
    dev_clips: int = 40
    vocabulary: int = 768
    device: str = "auto"
    options: TrainOptions = field(default_factory=TrainOptions)
    sampling: Sampling = field(default_factory=Sampling)
