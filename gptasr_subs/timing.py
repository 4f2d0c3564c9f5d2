"""How long cues should stand: for reading, at the least, and until what time."""

from __future__ import annotations

import numpy as np

from gptasr_subs.linebreaks import Floats, Ints
from gptasr_subs.norms import Norms


def reading_seconds(chars: Ints, words: Ints | int, norms: Norms) -> Floats:
    """Seconds it takes to read texts of so many characters (spaces included) and words."""
    return np.maximum(chars / norms.max_chars_per_second, np.multiply(words, 60.0 / norms.max_words_per_minute))


def shortest_seconds(words: Ints | int, norms: Norms) -> Floats:
    """Seconds that cues of so many words stand at the least."""
    return np.maximum(norms.min_seconds, np.multiply(words, norms.min_seconds_per_word))


def out_times(
    starts: Floats, ends: Floats, next_starts: Floats, chars: Ints, words: Ints | int, norms: Norms
) -> Floats:
    """When cues end that are spoken from ``starts`` to ``ends``, the next beginning at ``next_starts``.

    Each stays for its lead-out and its shortest duration, but never up to the next cue. Where that would leave a dark
    gap that flickers, the cue ends early enough for a full one, or, if it is then too short to read, just before the
    next cue.
    """
    closed, dark = next_starts - norms.gap, next_starts - norms.min_dark
    shortest = shortest_seconds(words, norms)
    wanted = np.maximum(ends + norms.lead_out, starts + shortest)
    readable = starts + np.maximum(shortest, reading_seconds(chars, words, norms))
    flickers = (wanted > dark) & (next_starts - ends < norms.long_pause)
    stays = (ends + norms.lead_out >= closed) | (np.maximum(ends, readable) > dark)
    usual, longest = np.minimum(wanted, closed), starts + norms.max_seconds
    # a cue that may not last until the next one gains nothing by lingering half the way
    lingering = np.where(closed <= longest, closed, usual)
    return np.minimum(np.where(flickers, np.where(stays, lingering, dark), usual), longest)
