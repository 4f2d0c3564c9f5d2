"""Batches for the trainer, each a pure function of (seed, step): a resumed run sees exactly what it would have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from gptasr_subs.model import ctc
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.training.augmentation import Augmentation, Mel, augment, mask
from gptasr_subs.training.corpora import MelStore

_POOL = 24  # batches that are drawn, sorted by length and shuffled together


@dataclass(frozen=True, slots=True)
class Batch:
    """B clips padded to one length: mels (B, n_mels, T), text with start and stop, CTC targets."""

    mel: Tensor
    tokens: Tensor  # (B, U + 1) start token, text, stop token; -100 where there is none
    spelled: Tensor  # all CTC targets of the batch in one row
    spelled_lengths: Tensor  # (B,)
    seconds: float


@dataclass(frozen=True, slots=True)
class Sampling:
    """What is drawn: copies of each source an epoch, the share of joined clips, and the length limits."""

    weights: dict[str, float] = field(default_factory=dict)
    batch_seconds: float = 80.0
    shortest_limit: float = 3.5  # seconds; the limit grows to ``longest`` over ``curriculum`` steps
    longest: float = 15.5
    curriculum: int = 1
    joined: float = 0.2  # share of items made of two or three clips with a pause between
    noise_only: float = 0.03  # share of items that hold no speech and have no text
    seed: int = 0


class Batches:
    """Draws batches from a store. ``rank`` of ``world`` takes its share of every pool."""

    def __init__(
        self,
        store: MelStore,
        noises: list[Mel],
        tokenizer: Tokenizer,
        config: ModelConfig,
        sampling: Sampling,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Nothing is read yet."""
        self.store, self.noises, self.tokenizer, self.config = store, noises, tokenizer, config
        self.sampling, self.rank, self.world = sampling, rank, world
        self._weights = np.array([sampling.weights.get(row["source"], 1.0) for row in store.rows])
        self._seconds = np.array([row["seconds"] for row in store.rows])
        self._pool = lru_cache(maxsize=1)(self._draw_pool)

    def at(self, step: int, augmentation: Augmentation) -> Batch:
        """The batch of ``step``."""
        pool = self._pool(step // _POOL)
        items = pool[(step % _POOL) * self.world + self.rank]
        rng = np.random.default_rng((self.sampling.seed, step, self.rank))
        return self._collate([self._item(item, augmentation, rng) for item in items])

    def _limit(self, step: int) -> float:
        share = min(1.0, step / self.sampling.curriculum)
        return self.sampling.shortest_limit + share * (self.sampling.longest - self.sampling.shortest_limit)

    def _draw_pool(self, number: int) -> list[list[tuple[int, ...]]]:
        rng = np.random.default_rng((self.sampling.seed, number))
        wanted = _POOL * self.world
        items = self._draw_items(wanted * self.sampling.batch_seconds, self._limit(number * _POOL), rng)
        items.sort(key=lambda item: self._length(item) * rng.uniform(0.97, 1.03))
        pool = list(self._cut(items, wanted))
        rng.shuffle(pool)  # type: ignore[arg-type]
        return pool

    def _draw_items(self, seconds: float, limit: float, rng: np.random.Generator) -> list[tuple[int, ...]]:
        allowed = np.flatnonzero((self._seconds <= limit) & (self._seconds > 0.25))
        chance = self._weights[allowed] / self._weights[allowed].sum()
        items: list[tuple[int, ...]] = []
        total = 0.0
        while total < seconds:
            for index in rng.choice(allowed, 256, p=chance):
                items.append(self._maybe_join(int(index), allowed, chance, limit, rng))
                total += self._length(items[-1])
        return items

    def _maybe_join(
        self, index: int, allowed: np.ndarray, chance: np.ndarray, limit: float, rng: np.random.Generator
    ) -> tuple[int, ...]:
        if rng.random() < self.sampling.noise_only:
            return ()
        item: tuple[int, ...] = (index,)
        while rng.random() < self.sampling.joined and len(item) < 3:
            other = int(allowed[np.searchsorted(np.cumsum(chance), rng.random()).clip(0, len(allowed) - 1)])
            if self._length((*item, other)) > limit:
                break
            item = (*item, other)
        return item

    def _length(self, item: tuple[int, ...]) -> float:
        return float(sum(self._seconds[index] for index in item)) if item else 3.0

    def _cut(self, items: list[tuple[int, ...]], count: int) -> Iterator[list[tuple[int, ...]]]:
        """``count`` runs of neighbours in length, each about ``batch_seconds`` long when padded."""
        total = sum(self._length(item) for item in items)
        batch: list[tuple[int, ...]] = []
        done, made = 0.0, 0
        for item in items:
            batch.append(item)
            done += self._length(item)
            if done >= total * (made + 1) / count and made < count - 1:
                yield batch
                batch, made = [], made + 1
        yield batch

    def _item(self, item: tuple[int, ...], options: Augmentation, rng: np.random.Generator) -> tuple[Mel, str]:
        front = self.config.front_end
        if item:
            mel = self._joined(item, options, rng)
        else:
            noise = self.noises[rng.integers(len(self.noises))]
            size = int(rng.uniform(1, 6) * front.frames_per_second)
            mel = np.take(noise, np.arange(size) + rng.integers(len(noise)), axis=0, mode="wrap")
        mel = augment(mel, self.noises, options, rng)[: self.config.max_mel_frames - 8]
        normal = (mel - np.float32(front.shift)) / np.float32(front.scale)
        return mask(normal, options, rng), " ".join(self.store.text(index) for index in item)

    def _joined(self, item: tuple[int, ...], options: Augmentation, rng: np.random.Generator) -> Mel:
        parts: list[Mel] = []
        for index in item:
            mel = self.store.mel(index)
            hush = np.quantile(mel, 0.05, axis=0, keepdims=True)
            pause = int(rng.uniform(0.05, 0.5) * self.config.front_end.frames_per_second * options.amount)
            parts += [np.repeat(hush, pause, 0) + rng.normal(0, 0.5, (pause, mel.shape[1])).astype(np.float32), mel]
        return np.concatenate(parts).astype(np.float32)

    def _collate(self, items: list[tuple[Mel, str]]) -> Batch:
        size = max(len(mel) for mel, _ in items)
        mels = np.stack([_pad(mel, size) for mel, _ in items])
        texts = [self.tokenizer.encode(text)[: self.config.max_text_tokens - 1] for _, text in items]
        tokens = torch.full((len(items), max(map(len, texts)) + 2), -100)
        for row, text in zip(tokens, texts, strict=True):
            row[: len(text) + 2] = torch.tensor([self.config.start_token, *text, self.config.stop_token])
        spelled = [ctc.spell(text) for _, text in items]
        return Batch(
            torch.from_numpy(mels).transpose(1, 2).contiguous(),
            tokens,
            torch.tensor([c for word in spelled for c in word], dtype=torch.long),
            torch.tensor([len(word) for word in spelled]),
            sum(len(mel) for mel, _ in items) / self.config.front_end.frames_per_second,
        )


def _pad(mel: Mel, size: int) -> Mel:
    """Lengthen with the clip's own quietest sound, since a real window ends in room tone, not in nothing."""
    hush = np.quantile(mel, 0.05, axis=0, keepdims=True)
    return np.concatenate([mel, np.repeat(hush, size - len(mel), 0)]).astype(np.float32)
