"""Which clips make up which batch: drawn by weight, joined, sorted by length and cut into batches of equal sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.errors import UsageError
from gptasr_subs.training.options import Sampling

POOL = 24  # steps whose batches are drawn, sorted by length and shuffled together

Item = tuple[int, ...]  # clips joined one after the other; none: noise without speech

_SHORTEST = 0.25  # seconds of a clip that is drawn
_NOISE_SECONDS = 3.0  # what an item without speech counts for
_DRAWN_AT_ONCE = 32


class Sampler:
    """Draws pools of batches from clips of ``seconds`` (n_clips,) that come from ``sources``."""

    def __init__(self, sources: Sequence[str], seconds: NDArray[np.float64], sampling: Sampling) -> None:
        """Nothing is drawn yet. Raises ``UsageError`` where at first nothing could be."""
        self.sampling = sampling
        self._weights = np.array([sampling.weights.get(source, 1.0) for source in sources])
        self._seconds = seconds
        if not self._weights[self._allowed(sampling.shortest_limit)].any():
            limit = f"{sampling.shortest_limit:g} s"
            raise UsageError(f"No clip of the store with a weight is shorter than {limit}; begin with a longer limit.")

    def pool(self, number: int, shares: int) -> list[list[Item]]:
        """``POOL * shares`` batches of ``number * POOL`` and the steps after it, ``shares`` batches a step."""
        rng = np.random.default_rng((self.sampling.seed, number))
        wanted = POOL * shares
        items = self._draw(wanted * self.sampling.batch_seconds, self._limit(number * POOL), rng)
        items.sort(key=lambda item: self._length(item) * rng.uniform(0.97, 1.03))
        pool: list[Any] = list(self._cut(items, wanted))
        rng.shuffle(pool)
        return pool

    def _limit(self, step: int) -> float:
        share = min(1.0, max(0, step - self.sampling.curriculum_from) / self.sampling.curriculum)
        return self.sampling.shortest_limit + share * (self.sampling.longest - self.sampling.shortest_limit)

    def _allowed(self, limit: float) -> NDArray[np.int64]:
        return np.flatnonzero((self._seconds <= limit) & (self._seconds > _SHORTEST))

    def _draw(self, seconds: float, limit: float, rng: np.random.Generator) -> list[Item]:
        allowed = self._allowed(limit)
        chance = self._weights[allowed] / self._weights[allowed].sum()
        edges = np.cumsum(chance)
        items: list[Item] = []
        total = 0.0
        while total < seconds:
            for index in rng.choice(allowed, _DRAWN_AT_ONCE, p=chance):
                items.append(self._maybe_join(int(index), allowed, edges, limit, rng))
                total += self._length(items[-1])
        return items

    def _maybe_join(
        self, index: int, allowed: NDArray[np.int64], edges: NDArray[np.float64], limit: float, rng: np.random.Generator
    ) -> Item:
        if rng.random() < self.sampling.noise_only:
            return ()
        item: Item = (index,)
        while rng.random() < self.sampling.joined and len(item) < 3:
            other = int(allowed[np.searchsorted(edges, rng.random()).clip(0, len(allowed) - 1)])
            if self._length((*item, other)) > limit:
                break
            item = (*item, other)
        return item

    def _length(self, item: Item) -> float:
        return float(sum(self._seconds[index] for index in item)) if item else _NOISE_SECONDS

    def _cut(self, items: list[Item], count: int) -> Iterator[list[Item]]:
        """``count`` runs of neighbours in length that hold about equally many seconds."""
        total = sum(self._length(item) for item in items)
        batch: list[Item] = []
        done, made = 0.0, 0
        for item in items:
            batch.append(item)
            done += self._length(item)
            if done >= total * (made + 1) / count and made < count - 1:
                yield batch
                batch, made = [], made + 1
        yield batch
