"""When cues begin and end: for reading, at least, and with the cuts of the picture."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

import numpy as np

from gptasr_subs.cues.linebreaks import Floats, Ints
from gptasr_subs.cues.norms import Norms


def reading_seconds(chars: Ints, words: Ints | int, norms: Norms) -> Floats:
    """Return seconds it takes to read texts of so many characters (spaces included) and words."""
    return np.maximum(
        chars / norms.max_chars_per_second, np.multiply(words, 60.0 / norms.max_words_per_minute)
    )


def shortest_seconds(words: Ints | int, norms: Norms) -> Floats:
    """Return seconds that cues of so many words stand at least."""
    return np.maximum(norms.min_seconds, np.multiply(words, norms.min_seconds_per_word))


def out_times(
    starts: Floats, ends: Floats, next_starts: Floats, chars: Ints, words: Ints | int, norms: Norms
) -> Floats:
    """Return when cues end that are spoken from ``starts`` to ``ends``, the next beginning at
    ``next_starts``.

    Each stays for its lead-out and its shortest duration, but never up to the next cue. Where that
    would leave a gap that flickers, the cue ends early enough for a full one, or, if it is
    then too short to read, just before the next cue.
    """
    closed = next_starts - norms.gap
    apart = next_starts - norms.min_gap
    shortest = shortest_seconds(words, norms)
    wanted = np.maximum(ends + norms.lead_out, starts + shortest)
    readable = starts + np.maximum(shortest, reading_seconds(chars, words, norms))
    flickers = (wanted > apart) & (next_starts - ends < norms.long_pause)
    stays = (ends + norms.lead_out >= closed) | (np.maximum(ends, readable) > apart)
    usual = np.minimum(wanted, closed)
    longest = starts + norms.max_seconds
    # A cue that may not last until the next one gains nothing by lingering half the way
    lingering = np.where(closed <= longest, closed, usual)
    return np.minimum(np.where(flickers, np.where(stays, lingering, apart), usual), longest)


def snap_starts(
    starts: Floats, ends: Floats, shots: Sequence[float], norms: Norms, end_limit: float
) -> Floats:
    """Return in-times moved to a cut nearby; ``ends`` are when voices end.

    No voice is cut off, no cue becomes too short.
    """
    snapped: Floats = starts.copy()
    next_starts = np.append(starts[1:], end_limit)
    for k, start in enumerate(starts if len(shots) else ()):
        cut = _nearest(shots, float(start))
        earliest = max(ends[k - 1], snapped[k - 1] + norms.min_seconds) + norms.gap if k else 0.0
        latest = min(ends[k], next_starts[k] - norms.gap - norms.min_seconds)
        if (
            abs(cut - start) <= norms.shot_radius
            and earliest <= cut <= latest
            and ends[k] - cut <= norms.max_seconds
        ):
            snapped[k] = cut
    return snapped


def snap_ends(
    starts: Floats,
    ends: Floats,
    outs: Floats,
    shots: Sequence[float],
    norms: Norms,
    end_limit: float,
) -> Floats:
    """Return out-times moved to just before a cut nearby, not before the voice has ended, and not
    so that a gap flickers.
    """
    snapped: Floats = outs.copy()
    next_starts = np.append(starts[1:], end_limit)
    for k, next_start in enumerate(next_starts if len(shots) else ()):
        out = _nearest(shots, float(outs[k]) + norms.gap) - norms.gap
        gap = next_start - out
        shortest = min(norms.min_seconds, outs[k] - starts[k])
        fits = starts[k] + shortest <= out <= starts[k] + norms.max_seconds and out >= ends[k]
        if (
            abs(out - outs[k]) <= norms.shot_radius
            and fits
            and (gap >= norms.min_gap or abs(gap - norms.gap) < 1e-9)
        ):
            snapped[k] = min(out, next_start - norms.gap)
    return snapped


def _nearest(shots: Sequence[float], seconds: float) -> float:
    """Return the cut nearest to a time; ``shots`` are in order and not empty."""
    k = bisect(shots, seconds)
    return min(shots[max(0, k - 1) : k + 1], key=lambda shot: abs(shot - seconds))
