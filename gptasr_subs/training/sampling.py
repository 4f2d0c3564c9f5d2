"""Which clips make up which batch: drawn by weight, joined or spliced, sorted by length, cut into equal batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.errors import UsageError
from gptasr_subs.training.options import Sampling

POOL = 24  # steps whose batches are drawn, sorted by length and shuffled together


class Part(NamedTuple):
    """Words ``first`` up to ``last`` of a clip, or all of it where there is no ``last``."""

    clip: int
    first: int = 0
    last: int = 0


Item = tuple[Part, ...]  # one after the other; none: noise without speech

_SHORTEST = 0.25  # seconds of a clip that is drawn
_NOISE_SECONDS = 3.0  # what an item without speech counts for
_DRAWN_AT_ONCE = 32
_WORDS_A_PART = 3.0  # on average, in a spliced item ...
_MOST_PARTS = 24  # ... of at most so many


class Sampler:
    """Draws pools of batches from clips of ``seconds`` (n_clips,) that come from ``sources``.

    ``edges`` are the seconds between the words of each clip, of those that are not to be cut none.
    """

    def __init__(
        self,
        sources: Sequence[str],
        seconds: NDArray[np.float64],
        sampling: Sampling,
        edges: Sequence[NDArray[np.float64]] = (),
    ) -> None:
        """Nothing is drawn yet. Raises ``UsageError`` where at first nothing could be."""
        self.sampling, self._edges = sampling, edges
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

        def draw() -> int:
            return int(allowed[np.searchsorted(edges, rng.random()).clip(0, len(allowed) - 1)])

        while total < seconds:
            for index in rng.choice(allowed, _DRAWN_AT_ONCE, p=chance):
                items.append(self._item(int(index), draw, limit, rng))
                total += self._length(items[-1])
        return items

    def _item(self, index: int, draw: Callable[[], int], limit: float, rng: np.random.Generator) -> Item:
        """One that begins with the clip ``index``, or is spliced; ``draw`` gives further clips."""
        if rng.random() < self.sampling.noise_only:
            return ()
        if self.sampling.spliced and rng.random() < self.sampling.spliced:
            return self._spliced(draw, limit, rng) or (Part(index),)
        item: Item = (Part(index),)
        while rng.random() < self.sampling.joined and len(item) < 3:
            joined = (*item, Part(draw()))
            if self._length(joined) > limit:
                break
            item = joined
        return item

    def _spliced(self, draw: Callable[[], int], limit: float, rng: np.random.Generator) -> Item:
        """A few words each from many clips, together between a second and ``limit`` long."""
        item: Item = ()
        wanted, total = rng.uniform(min(1.0, limit), limit), 0.0
        for part in (self._part(draw(), rng) for _ in range(_MOST_PARTS)):
            total += self._seconds_of(part) if part else 0.0
            if total > limit:
                break
            item = (*item, part) if part else item
            if total >= wanted:
                break
        return item

    def _part(self, clip: int, rng: np.random.Generator) -> Part | None:
        """Some words of a clip in a row; none of one that is not to be cut."""
        count, words = int(rng.geometric(1 / _WORDS_A_PART)), len(self._edges[clip]) - 1
        if words < 1:
            return None
        first = int(rng.integers(0, max(0, words - count) + 1))
        return Part(clip, first, min(words, first + count))

    def _length(self, item: Item) -> float:
        return sum(map(self._seconds_of, item)) if item else _NOISE_SECONDS

    def _seconds_of(self, part: Part) -> float:
        if not part.last:
            return float(self._seconds[part.clip])
        return float(self._edges[part.clip][part.last] - self._edges[part.clip][part.first])

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
