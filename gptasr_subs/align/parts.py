"""The parts of a subtitle that are late by different amounts, found from when its cues are spoken.

A subtitle of a version with breaks for advertisements, or of another cut, is not late as a whole:
from each break on it is late by another amount. With the times x_i at which cues i = 1..n are
shown and y_i at which they are spoken, and one speed r for all, d_i = y_i - r x_i is the offset of
each cue. The parts are the cheapest path through a few offsets v that many cues agree on::

    C_i(v) = w_i min(|d_i - v| / b, R) + min over u of (C_(i-1)(u) + B(u, v))

where w_i is how clearly a cue is spoken, b the scatter of the cues, R the penalty of one whose
words were found elsewhere, and B(u, v) the penalty of a break from u to v, 0 where u = v. All are
nats: the first term is the negative log-likelihood of a Laplace distribution with outliers, the
second and the penalty of a speed other than 1 are what a more complicated answer must be better by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gptasr_subs.align.shift import SPEEDS, Floats, Shift

_SCATTER = (0.1, 0.5)  # seconds that cues scatter about their voices, at least and at most
OUTLIER = 10.0  # nats: a cue a second away at the smallest scatter
# Nats. A cue at either end may be a part of its own where it is spoken clearly, one amid others
# only where it is spoken very clearly: that takes two breaks.
_BREAK = 7.0
_SPEED = 8.0
_UNUSUAL_SPEED = 15.0
# A small jump is likelier to be a cue whose words were found elsewhere, and costs up to four times
# as much; a smaller one than _NO_JUMP is none
_SMALL_JUMP = 3.0  # seconds
_NO_JUMP = 0.3  # seconds
_SPEED_CUES = 4  # fewest for which a speed is tried
_UNUSUAL_CUES = 8  # fewest for a speed that is not the ratio of two frame rates
_OFFSETS = 64  # tried for one speed
_NEAR = 0.3  # seconds within which a cue agrees with its part


@dataclass(frozen=True)
class Evidence:
    """When cues are shown and spoken: times (n,) in seconds, and ``weights`` (n,), 0 to 2, of how
    clearly; in the order of the video.
    """

    shown: Floats
    spoken: Floats
    weights: Floats


@dataclass(frozen=True)
class Stretch:
    """Neighbours of the evidence, ``first`` up to ``end``, that one shift explains.

    ``agreeing`` of them lie where it puts them; ``margin`` is by how many seconds it may be off.
    """

    first: int
    end: int
    shift: Shift
    agreeing: int
    margin: float


def find_stretches(evidence: Evidence, *, breaks: bool = True) -> list[Stretch]:
    """Return the stretches that explain the evidence best; a single one without ``breaks``."""
    tried = [
        best_path(evidence, ratio, penalty=penalty, breaks=breaks)
        for ratio, penalty in _speeds(evidence)
    ]
    _, ratio, path = min(tried, key=lambda answer: answer[0])
    edges = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    return [
        _stretch(evidence, slice(first, end), ratio=ratio, offset=float(path[first]))
        for first, end in pairwise(edges)
    ]


def _speeds(evidence: Evidence) -> Iterator[tuple[float, float]]:
    """Yield speeds that are worth trying, each with its penalty."""
    yield 1.0, 0.0
    count = len(evidence.shown)
    if count >= _SPEED_CUES:
        yield from ((ratio, _SPEED) for ratio in SPEEDS.values())
    if count >= _UNUSUAL_CUES:
        # The median slope of pairs. Over fewer cues there are fewer breaks between the two of a
        # pair, but less to measure.
        for apart in (count // 2, count // 4, count // 8):
            shown = evidence.shown[apart:] - evidence.shown[:-apart]
            spoken = evidence.spoken[apart:] - evidence.spoken[:-apart]
            forward = (shown > 0) & (spoken > 0)
            if forward.any():
                yield float(np.median(spoken[forward] / shown[forward])), _UNUSUAL_SPEED


def best_path(
    evidence: Evidence, ratio: float, penalty: float, breaks: bool
) -> tuple[float, float, Floats]:
    """Find the cheapest path for one speed: its cost, the speed, the offset (n,) of each cue."""
    apart = evidence.spoken - ratio * evidence.shown
    offsets = _offsets(apart, evidence.weights)
    misses = np.abs(apart[:, None] - offsets) / scatter_seconds(evidence)
    costs = evidence.weights[:, None] * np.minimum(misses, OUTLIER)
    penalties = break_penalties(offsets)
    if not breaks:
        penalties[penalties > 0] = np.inf
    best = costs[0]
    origins = np.zeros(costs.shape, dtype=np.int64)
    for i in range(1, len(costs)):
        reached = best[:, None] + penalties
        origins[i] = reached.argmin(0)
        best = reached.min(0) + costs[i]
    path = np.full(len(costs), int(best.argmin()))
    for i in range(len(costs) - 1, 0, -1):
        path[i - 1] = origins[i, path[i]]
    return float(best.min()) + penalty, ratio, offsets[path]


def scatter_seconds(evidence: Evidence) -> float:
    """Return how far cues scatter about their voices, by how neighbours differ, whatever the
    breaks.
    """
    steps = np.abs(np.diff(evidence.spoken - evidence.shown))  # a speed adds a little
    return float(np.clip(np.median(steps), *_SCATTER)) if len(steps) else _SCATTER[0]


def break_penalties(offsets: Floats) -> Floats:
    """B(u, v) in nats from each of the offsets (k,) to each other, (k, k)."""
    jumps = np.abs(offsets[:, None] - offsets)
    penalties: Floats = _BREAK * (1 + 3 * np.maximum(0.0, 1 - jumps / _SMALL_JUMP))
    penalties[jumps < _NO_JUMP] = np.inf
    np.fill_diagonal(penalties, 0.0)
    return penalties


def _offsets(apart: Floats, weights: Floats) -> Floats:
    """Return offsets (k,) that cues agree on, the most agreed ones first, none next to another."""
    order = np.argsort(apart)
    ranked = apart[order]
    passed = np.append(0.0, np.cumsum(weights[order]))
    low = np.searchsorted(ranked, ranked - _SCATTER[0])
    high = np.searchsorted(ranked, ranked + _SCATTER[0], side="right")
    chosen: list[float] = []
    for offset in ranked[np.argsort(passed[low] - passed[high], kind="stable")].tolist():
        if all(abs(offset - other) > _SCATTER[0] / 4 for other in chosen):
            chosen.append(offset)
        if len(chosen) == _OFFSETS:
            break
    return np.array(chosen)


def _stretch(evidence: Evidence, part: slice, ratio: float, offset: float) -> Stretch:
    """Return the median offset of those near ``offset``, with the 95 % interval of a median.

    The standard error of a median is 1.25 sigma / sqrt(n), and sigma 1.48 times the median
    distance from it.
    """
    apart = evidence.spoken[part] - ratio * evidence.shown[part]
    weights = evidence.weights[part]
    near = np.abs(apart - offset) <= _NEAR
    order = np.argsort(apart[near])
    passed = np.cumsum(weights[near][order])
    middle = np.searchsorted(passed, passed[-1] / 2)
    offset = float(apart[near][order][middle])
    agrees = np.abs(apart - offset) <= _NEAR
    distance = float(np.median(np.abs(apart[agrees] - offset)))
    sigma = max(_SCATTER[0] / 2, 1.48 * distance)
    margin = 1.96 * 1.25 * sigma / np.sqrt(agrees.sum())
    shift = Shift(ratio, offset, float(weights[agrees].sum() / weights.sum()))
    return Stretch(part.start, part.stop, shift, int(agrees.sum()), float(margin))
