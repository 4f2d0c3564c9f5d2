"""Which clips make up which batch: drawn by weight, joined, cut into batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.errors import UsageError

POOL = 24  # steps whose batches are drawn, sorted by length and shuffled together

Item = tuple[int, ...]  # clips, one after the other

_MIN_SECONDS = 0.25  # seconds of a clip that is drawn
_DRAWN_AT_ONCE = 32
_MAX_JOINED = 4


class Sampler:
    """Draws pools of batches from clips of ``seconds`` (n_clips,); only the seed decides which."""

    def __init__(
        self, seconds: NDArray[np.float64], weights: Sequence[float], longest: float, seed: int
    ) -> None:
        """``weights``: how often each clip is drawn. Raises ``UsageError`` where none could be."""
        self._seconds = seconds
        self._longest = longest
        self._seed = seed
        self._allowed = np.flatnonzero(
            (seconds <= longest) & (seconds > _MIN_SECONDS) & (np.array(weights) > 0)
        )
        if not len(self._allowed):
            raise UsageError(
                f"No clip of the store with a weight is shorter than {longest:g} s; prepare others."
            )
        # cumulative distribution of the clips that may be drawn, (n_allowed,)
        chance = np.array(weights, dtype=np.float64)[self._allowed]
        self._edges = np.cumsum(chance / chance.sum())

    def pool(
        self, number: int, shares: int, batch_seconds: float, joined: float
    ) -> list[list[Item]]:
        """``POOL * shares`` batches, for each step from ``number * POOL`` on ``shares`` of them."""
        rng = np.random.default_rng((self._seed, number))
        count = POOL * shares
        items = self._draw(count * batch_seconds, joined, rng)
        # by length, with 3 % of chance, so that neighbours are not the same in every pool
        items.sort(key=lambda item: self.length(item) * rng.uniform(0.97, 1.03))
        batches = list(self._cut(items, count))
        # Batches were made in order of length; a run must not go from short to long.
        order = rng.permutation(len(batches))
        return [batches[index] for index in order]

    def length(self, item: Item) -> float:
        """Return seconds of the clips of ``item`` together."""
        return float(sum(self._seconds[clip] for clip in item))

    def _draw(self, seconds: float, joined: float, rng: np.random.Generator) -> list[Item]:
        """Return items of about ``seconds`` together, a share ``joined`` of them of several
        clips.
        """
        items: list[Item] = []
        total = 0.0

        def draw() -> int:
            # by inverting the cumulative distribution of the weights
            place = np.searchsorted(self._edges, rng.random()).clip(0, len(self._allowed) - 1)
            return int(self._allowed[place])

        while total < seconds:
            for _ in range(_DRAWN_AT_ONCE):
                item: Item = (draw(),)
                while rng.random() < joined and len(item) < _MAX_JOINED:
                    longer = (*item, draw())
                    if self.length(longer) > self._longest:
                        break
                    item = longer
                items.append(item)
                total += self.length(item)
        return items

    def _cut(self, items: list[Item], count: int) -> Iterator[list[Item]]:
        """``count`` runs of neighbours in length that hold about equally many seconds."""
        # The k-th cut lies where k / count of all seconds are done, so no error adds up.
        total = sum(self.length(item) for item in items)
        batch: list[Item] = []
        done = 0.0
        made = 0
        for item in items:
            batch.append(item)
            done += self.length(item)
            if done >= total * (made + 1) / count and made < count - 1:
                yield batch
                batch = []
                made += 1
        yield batch
