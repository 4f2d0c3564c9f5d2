"""Clips are drawn by weight, and batches hold as many seconds each, of clips of like length."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gptasr_subs.errors import UsageError
from gptasr_subs.training.sampling import POOL, Sampler

SECONDS = np.random.default_rng(0).uniform(0.5, 12, 300)


def sampler(weights: np.ndarray | None = None) -> Sampler:
    return Sampler(SECONDS, list(np.ones(300) if weights is None else weights), 10.0, 0)


def test_a_pool_depends_on_its_number_alone() -> None:
    assert sampler().pool(3, 1, 60.0, 0.3) == sampler().pool(3, 1, 60.0, 0.3)
    assert sampler().pool(3, 1, 60.0, 0.3) != sampler().pool(4, 1, 60.0, 0.3)


@pytest.mark.parametrize("shares", [1, 2])
def test_batches_are_equal_in_seconds_and_of_like_length(shares: int) -> None:
    drawn = sampler()
    pool = drawn.pool(0, shares, 60.0, 0.3)
    assert len(pool) == POOL * shares
    totals = [sum(map(drawn.length, batch)) for batch in pool]
    assert min(totals) > 40 and max(totals) < 90
    spreads = [max(map(drawn.length, batch)) / min(map(drawn.length, batch)) for batch in pool]
    assert np.median(spreads) < 1.3


def test_no_item_is_longer_than_allowed_and_some_are_joined() -> None:
    drawn = sampler()
    items = [item for batch in drawn.pool(0, 1, 200.0, 0.5) for item in batch]
    assert max(map(drawn.length, items)) <= 10.0
    assert 0.1 < np.mean([len(item) > 1 for item in items]) < 0.5
    assert all(len(item) == 1 for batch in drawn.pool(0, 1, 60.0, 0.0) for item in batch)


def test_clips_are_drawn_by_weight() -> None:
    weights = np.ones(300)
    weights[:100] = 0.0
    weights[100:110] = 20.0
    counts = Counter(clip for batch in sampler(weights).pool(0, 1, 500.0, 0.0) for (clip,) in batch)
    assert not any(counts[clip] for clip in range(100))
    heavy = [counts[clip] for clip in range(100, 110) if SECONDS[clip] <= 10]
    light = [counts[clip] for clip in range(110, 300) if SECONDS[clip] <= 10]
    assert np.mean(heavy) > 10 * np.mean(light)


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(UsageError, match="shorter than"):
        sampler(np.zeros(300))
