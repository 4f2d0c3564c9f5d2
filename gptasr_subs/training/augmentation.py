"""Augmentation of log-mels: what happens to sound on its way into a film, done where it costs nearly nothing.

Log-mels here are (n_frames, n_mels), power, before normalisation. Noise and rooms add up in the power domain.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.model.config import GENERATION_2
from gptasr_subs.training.options import Augmentation
from gptasr_subs.training.sloppiness import Positions, slur, uneven

Mel = NDArray[np.float32]

_POWER_FLOOR = GENERATION_2.floor
_FLOOR = np.float32(np.log(_POWER_FLOOR))
_TELEPHONE_BIN = 52  # of 80 HTK mels to 8 kHz: about 3.4 kHz


def augment(mel: Mel, noises: list[Mel], options: Augmentation, rng: np.random.Generator) -> Mel:
    """A changed copy of ``mel``, of the same length."""
    amount = options.amount
    if options.sloppy:
        mel = slur(mel, amount * options.sloppy * rng.random(), rng)
    factor = 1 + amount * options.formants * rng.uniform(-1, 1)
    bend = _smooth_curve(amount * options.bends, mel.shape[1], rng) if options.bends else 0.0
    mel = warp(mel, factor, bend)
    mel = mel + np.float32(amount * options.loudness * rng.uniform(-1, 0.6))
    if rng.random() < amount * options.room:
        mel = reverberate(mel, rng)
    if rng.random() < 0.6:
        mel = mel + _smooth_curve(amount * options.equaliser * rng.random(), mel.shape[1], rng)
    if noises and rng.random() < amount * options.noise:
        mel = add_noise(mel, noises[rng.integers(len(noises))], rng.uniform(3, 35), rng)
    if rng.random() < amount * options.band:
        mel = mel.copy()
        mel[:, rng.integers(_TELEPHONE_BIN - 4, 74) :] = _FLOOR
    changed: Mel = np.maximum(mel, _FLOOR)
    return changed


def pace(frames: int, options: Augmentation, rng: np.random.Generator) -> Positions:
    """Where in a clip of ``frames`` each frame of a slower, faster, or unevenly paced copy lies; see ``play``."""
    factor = 1 + options.amount * options.tempo * rng.uniform(-1, 1)
    stretched = np.linspace(0, frames - 1, max(4, round(frames * factor)))
    if not options.sloppy:
        return stretched
    wandering = uneven(len(stretched), options.amount * options.sloppy * rng.random(), rng)
    return np.interp(wandering, np.arange(len(stretched)), stretched)


def play(mel: Mel, positions: Positions) -> Mel:
    """``mel`` (its rows) as it is at each of ``positions``, in frames."""
    low = np.minimum(positions.astype(int), len(mel) - 2)
    share = (positions - low).astype(np.float32)[:, None]
    between: Mel = mel[low] * (1 - share) + mel[low + 1] * share
    return between


def warp(mel: Mel, factor: float, bend: Mel | float = 0.0) -> Mel:
    """Move formants and pitch by ``factor`` along the mel axis, the top edge in place, then by ``bend`` bins."""
    bins = mel.shape[1]
    knee = 0.8 * bins / max(factor, 1.0)
    axis = np.arange(bins)
    position = np.where(axis < knee, axis * factor, bins - 1 - (bins - 1 - axis) * _tail(knee, factor, bins))
    warped: Mel = play(mel.T, np.clip(position + bend, 0, bins - 1)).T
    return warped


def _tail(knee: float, factor: float, bins: int) -> float:
    return (bins - 1 - knee * factor) / (bins - 1 - knee)


def reverberate(mel: Mel, rng: np.random.Generator) -> Mel:
    """Smear power along time as a room does: an exponential tail of random length and strength."""
    frames = np.arange(1, 48)
    decay = rng.uniform(6, 30)  # frames until the tail has lost 60 dB / 2
    tail = np.exp(-6.9 * frames / decay / 2) * rng.uniform(0.02, 0.25)
    power = np.exp(mel)
    size = 1 << (len(mel) + len(tail)).bit_length()
    kernel = np.fft.rfft(np.concatenate([[1.0], tail]), size)[:, None]
    wet = np.fft.irfft(np.fft.rfft(power, size, 0) * kernel, size, 0)[: len(mel)]
    return np.log(np.maximum(wet, _POWER_FLOOR)).astype(np.float32)


def _smooth_curve(strength: float, bins: int, rng: np.random.Generator) -> Mel:
    knots = rng.normal(0, strength, 6)
    return np.interp(np.linspace(0, 5, bins), np.arange(6), knots).astype(np.float32)


def add_noise(mel: Mel, noise: Mel, decibels: float, rng: np.random.Generator) -> Mel:
    """Add ``noise`` (looped from a random place) at a signal-to-noise ratio of ``decibels``."""
    piece = np.take(noise, np.arange(len(mel)) + rng.integers(len(noise)), axis=0, mode="wrap")
    gap = np.log(np.exp(mel).mean()) - np.log(np.exp(piece).mean()) - decibels / 10 * np.log(10)
    noisy: Mel = np.logaddexp(mel, piece + np.float32(gap)).astype(np.float32)
    return noisy


def mask(mel: Mel, options: Augmentation, rng: np.random.Generator) -> Mel:
    """SpecAugment on a normalised log-mel: bands and stretches set to 0, the mean."""
    more = len(mel) // options.frames_a_mask if options.frames_a_mask else 0
    for number in range(options.masks + more):
        if number < options.masks:
            width = rng.integers(0, 1 + int(options.mask_bins * options.amount))
            low = rng.integers(0, mel.shape[1] - width)
            mel[:, low : low + width] = 0
        frames = rng.integers(0, 1 + int(min(options.mask_frames, len(mel) * 0.06) * options.amount))
        start = rng.integers(0, len(mel) - frames)
        mel[start : start + frames] = 0
    return mel
