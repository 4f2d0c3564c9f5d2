"""Batches for the trainer, each a function of (seed, step): a resumed run sees what it would have.

A step is made of as many micro-batches as there are processes, whichever works on which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gptasr_subs.model import ctc
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.log_mel import build_front_end, clip_frames
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.training.augmentation import augment, level
from gptasr_subs.training.frames import FrameCache
from gptasr_subs.training.noise import Noises
from gptasr_subs.training.options import GraftOptions
from gptasr_subs.training.sampling import POOL, Item, Sampler
from gptasr_subs.training.store import SAMPLE_RATE, AudioStore
from gptasr_subs.types import FloatArray

NO_TOKEN = -100  # stands where a row of a batch has no token: the loss leaves it out

_MAX_TEXT_TOKENS = 80
_TEXT_SEED = 7
_MAX_PAUSE = 0.6  # seconds between two joined clips
_LETTERS_A_CTC_FRAME = 0.9  # at most: CTC needs a blank between equal letters


@dataclass(frozen=True, slots=True)
class Batch:
    """B clips padded to one length."""

    # (B, n_mels, T) frames of the front end, or (B, T, C) cached frames of the encoder
    inputs: Tensor
    lengths: Tensor  # (B,) of those frames
    tokens: Tensor  # (B, U + 1) start token, text, stop token; ``NO_TOKEN`` where there is none
    ctc_targets: Tensor  # all CTC targets of the batch in one row
    ctc_target_lengths: Tensor  # (B,)
    samples: tuple[FloatArray, ...]  # of each clip
    seconds: float


class Batches:
    """Makes the batches of one process, the one of ``rank`` among ``world``."""

    def __init__(
        self,
        store: AudioStore,
        noises: Noises,
        tokenizer: Tokenizer,
        config: ModelConfig,
        options: GraftOptions,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Look at no sample yet. Raises ``UsageError`` where no clip can be drawn."""
        self.store = store
        self.noises = noises
        self.tokenizer = tokenizer
        self.config = config
        self.options = options
        self.rank = rank
        self.world = world
        self.cache: FrameCache | None = None  # needed while the encoder is frozen
        self._front_end = build_front_end(config.front_end)
        seconds = np.array([store.seconds(index) for index in range(len(store))])
        weights = []
        for index in range(len(store)):
            # A clip with more letters than CTC has frames for is never drawn.
            letters = len(ctc.encode(store.text(index)))
            fits = letters <= seconds[index] / config.seconds_per_ctc_frame * _LETTERS_A_CTC_FRAME
            weights.append(options.weights.get(store.source(index), 1.0) if fits else 0.0)
        self._sampler = Sampler(seconds, weights, options.longest, options.seed)
        self._pool: tuple[tuple[int, ...], list[list[Item]]] = ((), [])

    def at(self, step: int) -> Batch:
        """This process's micro-batch of ``step``."""
        phase, first = self.options.phase_at(step)
        items = self._items(step, first, phase.batch_seconds, phase.joined)
        rng = np.random.default_rng((self.options.seed, step, self.rank))
        # Cached frames are those of unchanged clips: only a trained encoder sees augmentation.
        if phase.encoder_lr:
            clips = [self._augmented(item, rng) for item in items]
            inputs = [clip_frames(self._front_end, samples) for samples in clips]
            padded = pad_sequence(inputs, batch_first=True).transpose(1, 2)  # (B, n_mels, T)
        else:
            assert self.cache is not None
            clips = [np.concatenate([self.store.samples(clip) for clip in item]) for item in items]
            inputs = [torch.cat([self.cache.frames(clip) for clip in item]) for item in items]
            padded = pad_sequence(inputs, batch_first=True)  # (B, T, C)
        texts = [" ".join(filter(None, map(self.store.text, item))) for item in items]
        # A text that is too long loses its end: the GPT has no more positions.
        tokens = [self.tokenizer.encode(text)[: self.config.max_text_tokens - 1] for text in texts]
        targets = [torch.tensor(ctc.encode(text), dtype=torch.long) for text in texts]
        return Batch(
            inputs=padded,
            lengths=torch.tensor([len(one) for one in inputs]),
            tokens=token_rows(tokens, self.config),
            ctc_targets=torch.cat(targets),
            ctc_target_lengths=torch.tensor([len(target) for target in targets]),
            samples=tuple(clips),
            seconds=sum(len(samples) for samples in clips) / SAMPLE_RATE,
        )

    def _items(self, step: int, first: int, batch_seconds: float, joined: float) -> list[Item]:
        """Return the clips of this process's share of ``step``; pools begin anew with a phase."""
        # A pool is drawn for POOL steps of all processes; each process takes its share by rank.
        number, place = divmod(step - first, POOL)
        key = (first, number)
        if self._pool[0] != key:
            seeded = first + number * POOL  # no two pools of a run have the same seed
            self._pool = (key, self._sampler.pool(seeded, self.world, batch_seconds, joined))
        return self._pool[1][place * self.world + self.rank]

    def _augmented(self, item: Item, rng: np.random.Generator) -> FloatArray:
        """Join the clips of ``item`` with pauses, up to the length that the network takes."""
        parts: list[FloatArray] = []
        for clip in item:
            samples = self.store.samples(clip)
            if parts:
                # A pause is noise as loud as the first 50 ms of the clip that follows.
                size = int(rng.uniform(0, _MAX_PAUSE) * SAMPLE_RATE)
                parts.append(
                    (rng.normal(size=size) * 10 ** (level(samples[:800]) / 20)).astype(np.float32)
                )
            parts.append(samples)
        whole = np.concatenate(parts)
        changed = augment(whole, self.noises, self.options.augmentation, rng)
        most = int(self.config.max_seconds * SAMPLE_RATE)
        return changed if len(changed) <= most else whole[:most]


class TextBatches:
    """Batches of text alone from encoded sentences, each a pure function of its number."""

    def __init__(
        self, sentences: Sequence[str], tokenizer: Tokenizer, config: ModelConfig, size: int
    ) -> None:
        """Keep ``sentences``, of which each batch has ``size``."""
        self._sentences = sentences
        self._tokenizer = tokenizer
        self._config = config
        self._size = size

    def __call__(self, number: int) -> Tensor:
        """Tokens (B, U + 1) with start and stop, ``NO_TOKEN`` where there is none."""
        # drawn with replacement: like the audio batches, a function of the number alone
        rng = np.random.default_rng((_TEXT_SEED, number))
        chosen = rng.integers(len(self._sentences), size=self._size)
        texts = [
            self._tokenizer.encode(self._sentences[index])[:_MAX_TEXT_TOKENS] for index in chosen
        ]
        return token_rows(texts, self._config)


def token_rows(texts: Sequence[Sequence[int]], config: ModelConfig) -> Tensor:
    """(B, U + 1): each text between start and stop token, then ``NO_TOKEN``."""
    tokens = torch.full((len(texts), max(map(len, texts)) + 2), NO_TOKEN)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text) + 2] = torch.tensor([config.start_token, *text, config.stop_token])
    return tokens
