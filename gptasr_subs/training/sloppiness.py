"""Sloppy speech: each moment at its own pace, with its own formants and loudness, and blurred into its neighbours.

People say one sound in many ways within a sentence; synthetic voices, and whatever is changed once for a whole clip,
say it in one. Log-mels are (n_frames, n_mels); a strength of 1 is how unlike a clear voice the sloppiest clips become.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.types import FloatArray

Positions = NDArray[np.float64]

_PACE = 0.4  # standard deviation of the logarithm of a duration
_SYLLABLE = 13  # frames (0.15 s) from one pace, or one way to say a sound, to the next
_BENDS = 2.5  # mel bins, standard deviation
_STRESS = 1.2  # nepers of power, standard deviation
_BLUR = (1.0, 3.5)  # frames, standard deviation of what a moment is blurred over
_KNOTS = 6  # along the mel axis, between which changes are smooth


def uneven(frames: int, strength: float, rng: np.random.Generator) -> Positions:
    """Where in a clip of ``frames`` each frame of an unevenly paced copy lies; the copy is as long."""
    durations = np.exp(_drift(frames - 1, 1, strength * _PACE, rng)[:, 0])
    moments = np.concatenate([[0.0], np.cumsum(durations)])
    return np.interp(np.linspace(0, moments[-1], frames), moments, np.arange(frames))


def slur(mel: FloatArray, strength: float, rng: np.random.Generator) -> FloatArray:
    """``mel`` with every sound said a little differently, and its own share of blur at each moment."""
    frames, bins = mel.shape
    share = np.clip(strength * (0.5 + 0.3 * _drift(frames, 1, 1.0, rng)), 0, 1).astype(np.float32)
    mel = mel + share * (_blurred(mel, rng.uniform(*_BLUR)) - mel)
    mel = _bent(mel, _drift(frames, bins, strength * _BENDS, rng))
    slurred: FloatArray = (mel + _drift(frames, bins, strength * _STRESS, rng)).astype(np.float32)
    return slurred


def _drift(frames: int, bins: int, deviation: float, rng: np.random.Generator) -> Positions:
    """Smooth random values (frames, bins) around 0."""
    knots = min(bins, _KNOTS)
    values = rng.normal(0, deviation, (frames // _SYLLABLE + 3, knots))
    at = np.arange(frames) / _SYLLABLE + rng.random()
    low = at.astype(int)
    share = (at - low)[:, None]
    share = share * share * (3 - 2 * share)
    along: Positions = values[low] * (1 - share) + values[low + 1] * share
    if bins == knots:
        return along
    place = np.linspace(0, knots - 1.001, bins)
    left = place.astype(int)
    across: Positions = along[:, left] * (1 - (place - left)) + along[:, left + 1] * (place - left)
    return across


def _blurred(mel: FloatArray, deviation: float) -> FloatArray:
    reach = int(np.ceil(2.5 * deviation))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2).astype(np.float32)
    padded = np.pad(mel, ((reach, reach), (0, 0)), "edge")
    shifted = (weight * padded[first : first + len(mel)] for first, weight in enumerate(weights / weights.sum()))
    return sum(shifted, np.zeros_like(mel))


def _bent(mel: FloatArray, bend: Positions) -> FloatArray:
    last = mel.shape[1] - 1
    place = np.clip(np.arange(last + 1) + bend, 0, last)
    low = np.minimum(place.astype(int), last - 1)
    share = (place - low).astype(np.float32)
    bent: FloatArray = np.take_along_axis(mel, low, 1) * (1 - share) + np.take_along_axis(mel, low + 1, 1) * share
    return bent
