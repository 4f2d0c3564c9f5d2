"""Batches for the trainer, each a pure function of (seed, step): a resumed run sees exactly what it would have.

A step is made of ``shares`` micro-batches, whoever works on them: two processes with one each see the same sound as one
process that accumulates two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset

from gptasr_subs.model import ctc
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.tokenizer import Tokenizer
from gptasr_subs.training.augmentation import Mel, augment, mask, pace, play
from gptasr_subs.training.corpora import MelStore, normalised
from gptasr_subs.training.dense import DenseTargets, Indices, Rows, row_frames
from gptasr_subs.training.halving import Halves
from gptasr_subs.training.options import Augmentation, Sampling, TrainOptions
from gptasr_subs.training.sampling import POOL, Item, Part, Sampler
from gptasr_subs.training.sloppiness import Positions
from gptasr_subs.training.splicing import Cuts

NO_TOKEN = -100  # stands where a row of a batch has no token: the loss leaves it out

_MOST_TEXT_TOKENS, _TEXT_SEED = 80, 7
_PAUSED = 0.2  # share of the parts from the middle of a clip that have a pause before them
_AHEAD = 4  # batches that each worker makes in advance


@dataclass(frozen=True, slots=True)
class Batch:
    """B clips padded to one length: mels (B, n_mels, T), text with start and stop, CTC targets."""

    mel: Tensor
    tokens: Tensor  # (B, U + 1) start token, text, stop token; ``NO_TOKEN`` where there is none
    spelled: Tensor  # all CTC targets of the batch in one row
    spelled_lengths: Tensor  # (B,)
    seconds: float
    dense: Tensor | None = None  # (B, rows, dimensions), see dense.py; zeros where nothing is known

    def to(self, device: torch.device) -> Batch:
        """The same on ``device``; lengths stay, as CTC reads them on the processor."""
        return self._each(lambda part: part.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The same where a GPU fetches it without waiting."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        dense = None if self.dense is None else change(self.dense)
        return replace(
            self, mel=change(self.mel), tokens=change(self.tokens), spelled=change(self.spelled), dense=dense
        )


@dataclass(frozen=True, slots=True)
class _Example:
    """Normalised log-mel (n_frames, n_mels), text, and the rows of dense targets (rows, dimensions)."""

    mel: Mel
    text: str
    dense: Rows


class Batches:
    """Makes the batches of one process, the one of ``rank`` among ``world``."""

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
        """Nothing is read yet but where the words lie. Raises ``UsageError`` where no clip can be drawn."""
        self.store, self.noises, self.tokenizer, self.config = store, noises, tokenizer, config
        self.sampling, self.rank, self.world = sampling, rank, world
        seconds = np.array([row["seconds"] for row in store.rows], dtype=np.float64)
        self._cuts = Cuts(store) if sampling.spliced else None
        edges = self._cuts.seconds() if self._cuts else ()
        self._sampler = Sampler([row["source"] for row in store.rows], seconds, sampling, edges)
        self.dense, self._halves = DenseTargets(store), Halves(tokenizer)
        self._pool: tuple[tuple[int, int], list[list[Item]]] = ((-1, 0), [])

    def share(self, part: int, parts: int) -> int:
        """Which of a step's ``world * parts`` micro-batches is this process's ``part``."""
        return self.rank * parts + part

    def at(self, step: int, augmentation: Augmentation, part: int = 0, parts: int = 1) -> Batch:
        """Micro-batch ``part`` of the ``parts`` that this process adds to ``step``."""
        shares, share = self.world * parts, self.share(part, parts)
        pool = self._pool_of(step // POOL, shares)
        items = pool[(step % POOL) * shares + share]
        rng = np.random.default_rng((self.sampling.seed, step, share))
        return self._collate([self._example(item, augmentation, rng) for item in items], rng)

    def _pool_of(self, number: int, shares: int) -> list[list[Item]]:
        if self._pool[0] != (number, shares):
            self._pool = (number, shares), self._sampler.pool(number, shares)
        return self._pool[1]

    def _example(self, item: Item, options: Augmentation, rng: np.random.Generator) -> _Example:
        clean, origin = self._joined(item, options, rng) if item else self._noise(rng)
        positions = pace(len(clean), options, rng)
        mel = augment(play(clean, positions), self.noises, options, rng)
        dense = self._dense(origin, positions)
        normal = normalised(mel[: self.config.max_mel_frames - 8], self.config.front_end)
        return _Example(mask(normal, options, rng), " ".join(map(self._text, item)), dense)

    def _dense(self, origin: Indices, positions: Positions) -> Rows:
        """Rows of a mel that was played at ``positions`` of frames whose rows are ``origin``."""
        if not self.dense.dimensions:
            return np.zeros((0, 0), np.float16)
        return self.dense.at(origin[positions[row_frames(len(positions))].round().astype(int)])

    def _noise(self, rng: np.random.Generator) -> tuple[Mel, Indices]:
        noise = self.noises[rng.integers(len(self.noises))]
        size = int(rng.uniform(1, 6) * self.config.front_end.frames_per_second)
        mel = np.take(noise, np.arange(size) + rng.integers(len(noise)), axis=0, mode="wrap")
        return mel, np.full(size, -1)

    def _joined(self, item: Item, options: Augmentation, rng: np.random.Generator) -> tuple[Mel, Indices]:
        """The parts of ``item``, before each a pause of its own quietest sound, and the dense row of each frame.

        The frames of the pauses have none: -1. What begins in the middle of its clip seldom has a pause before it.
        """
        parts: list[Mel] = []
        rows: list[Indices] = []
        for part in item:
            mel, inside = self.store.mel(part.clip), self._inside(part)
            pause = int(rng.uniform(0.05, 0.5) * self.config.front_end.frames_per_second * options.amount)
            if part.first and rng.random() > _PAUSED:
                pause = 0
            flutter = rng.normal(0, 0.5, (pause, mel.shape[1])).astype(np.float32)
            parts += [np.repeat(_hush(mel), pause, 0) + flutter, mel[inside]]
            rows += [np.full(pause, -1), self.dense.numbers(part.clip, len(mel))[inside]]
        return np.concatenate(parts).astype(np.float32), np.concatenate(rows)

    def _inside(self, part: Part) -> slice:
        """The frames of its clip."""
        if not (part.last and self._cuts):
            return slice(None)
        edges = self._cuts.edges(part.clip)
        return slice(edges[part.first], edges[part.last])

    def _text(self, part: Part) -> str:
        if not (part.last and self._cuts):
            return self.store.text(part.clip)
        return " ".join(self._cuts.texts(part.clip)[part.first : part.last])

    def _collate(self, examples: list[_Example], rng: np.random.Generator) -> Batch:
        size = max(len(example.mel) for example in examples)
        mels = np.stack([_pad(example.mel, size) for example in examples])
        texts = [self._tokens(example.text, rng) for example in examples]
        spelled = [ctc.spell(example.text) for example in examples]
        return Batch(
            torch.from_numpy(mels).transpose(1, 2).contiguous(),
            token_rows(texts, self.config),
            torch.tensor([letter for text in spelled for letter in text], dtype=torch.long),
            torch.tensor([len(text) for text in spelled]),
            sum(len(example.mel) for example in examples) / self.config.front_end.frames_per_second,
            _stacked([example.dense for example in examples]) if self.dense.dimensions else None,
        )

    def _tokens(self, text: str, rng: np.random.Generator) -> list[int]:
        written = self._halves(self.tokenizer.encode(text), self.sampling.halved, rng)
        return written[: self.config.max_text_tokens - 1]


def _stacked(rows: Sequence[Rows]) -> Tensor:
    """(B, most rows, dimensions), zeros behind the shorter ones."""
    return pad_sequence([torch.from_numpy(one) for one in rows], batch_first=True)


class TextBatches:
    """Batches of text alone from encoded sentences, each a pure function of its number."""

    def __init__(
        self,
        sentences: Sequence[str],
        tokenizer: Tokenizer,
        config: ModelConfig,
        size: int = TrainOptions().text_batch,
        halved: float = 0.0,
    ) -> None:
        """Encode ``sentences``, of which each batch has ``size``; a share of the tokens is ``halved``."""
        self._encoded = [tokenizer.encode(sentence) for sentence in sentences]
        self._config, self._size, self._halved, self._halves = config, size, halved, Halves(tokenizer)

    def __call__(self, number: int) -> Tensor:
        """Tokens (B, U + 1) with start and stop, ``NO_TOKEN`` where there is none."""
        rng = np.random.default_rng((_TEXT_SEED, number))
        chosen = rng.integers(len(self._encoded), size=self._size)
        texts = [self._halves(self._encoded[index], self._halved, rng)[:_MOST_TEXT_TOKENS] for index in chosen]
        return token_rows(texts, self._config)


def token_rows(texts: Sequence[Sequence[int]], config: ModelConfig) -> Tensor:
    """(B, U + 1): each text between start and stop token, then ``NO_TOKEN``."""
    tokens = torch.full((len(texts), max(map(len, texts)) + 2), NO_TOKEN)
    for row, text in zip(tokens, texts, strict=True):
        row[: len(text) + 2] = torch.tensor([config.start_token, *text, config.stop_token])
    return tokens


def made_ahead(
    make: Callable[[tuple[int, int]], Batch], keys: Sequence[tuple[int, int]], workers: int, pinned: bool = False
) -> Iterator[Batch]:
    """``make`` of every key in order, by ``workers`` processes ahead of time where there are any."""
    if not workers:
        return map(make, keys)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork
    loader: DataLoader[Batch] = DataLoader(
        _Made(make),
        batch_size=None,
        sampler=keys,
        num_workers=workers,
        prefetch_factor=_AHEAD,
        pin_memory=pinned,
        multiprocessing_context="fork",  # the store is mapped once, and nothing of it is copied
    )
    return iter(loader)


class _Made(Dataset[Batch]):
    def __init__(self, make: Callable[[tuple[int, int]], Batch]) -> None:
        self._make = make

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        return self._make(key)


def _hush(mel: Mel) -> Mel:
    """A clip's quietest sound (1, n_mels)."""
    return np.quantile(mel, 0.05, axis=0, keepdims=True).astype(np.float32)


def _pad(mel: Mel, size: int) -> Mel:
    """Lengthen with the clip's own quietest sound, since a real window ends in room tone, not in nothing."""
    return np.concatenate([mel, np.repeat(_hush(mel), size - len(mel), 0)]).astype(np.float32)
