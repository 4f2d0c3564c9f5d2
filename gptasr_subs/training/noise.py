"""Sound that is not speech, to train against: from a manifest, or made where there is none at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.errors import UsageError
from gptasr_subs.model.config import FrontEnd
from gptasr_subs.model.features import LogMel
from gptasr_subs.training.augmentation import Mel
from gptasr_subs.training.corpora import read_manifest, read_rows, read_samples, store_mel
from gptasr_subs.types import FloatArray

_LEAST_SECONDS = 2.0
_COLOURS, _STEEPEST = 8, 1.2  # from white to falling by 1 / frequency ** 1.2 in amplitude
_MUSIC = 16
_LOWEST_NOTE = 110.0  # Hz
_NOTES = 36  # semitones above it


def read_noises(manifest: Path, front: FrontEnd) -> list[Mel]:
    """Log-mels (n_frames, n_mels) of a manifest's noises of 2 s and more.

    Where there is a column ``kind``, only the rows that say ``noise`` count. Raises ``UsageError`` where none is left.
    """
    rows = zip(read_manifest(manifest), read_rows(manifest), strict=True)
    clips = [clip for clip, row in rows if row.get("kind", "noise") == "noise" and clip.seconds >= _LEAST_SECONDS]
    if not clips:
        raise UsageError(f"{manifest} names no noise of {_LEAST_SECONDS:g} s or more; leave it out to have noise made.")
    log_mel = LogMel(front)
    return [store_mel(log_mel, samples) for _, samples in read_samples(clips, front.sample_rate)]


def make_noises(front: FrontEnd, seconds: float = 16.0, seed: int = 0) -> list[Mel]:
    """Log-mels (n_frames, n_mels) of coloured noise and of plain music."""
    rng, rate, log_mel = np.random.default_rng(seed), front.sample_rate, LogMel(front)
    slopes = np.linspace(0, _STEEPEST, _COLOURS)
    sounds = [coloured_noise(round(seconds * rate), float(slope), rate, rng) for slope in slopes]
    sounds += [chord(round(seconds * rate), rate, rng, beating=bool(number % 2)) for number in range(_MUSIC)]
    return [store_mel(log_mel, sound) for sound in sounds]


def coloured_noise(size: int, slope: float, sample_rate: int, rng: np.random.Generator) -> FloatArray:
    """``size`` samples of noise whose amplitude falls with frequency to the power of ``slope``."""
    spectrum = np.fft.rfft(rng.normal(size=size))
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / sample_rate), 40)
    return _at_peak(np.fft.irfft(spectrum * frequency**-slope, size))


def chord(size: int, sample_rate: int, rng: np.random.Generator, beating: bool = False) -> FloatArray:
    """``size`` samples of two to five notes with overtones, swelling in a rhythm where ``beating``."""
    time = np.arange(size) / sample_rate
    sound = np.zeros(size)
    for _ in range(rng.integers(2, 6)):
        note = _LOWEST_NOTE * 2 ** (rng.integers(0, _NOTES) / 12)
        for overtone in range(1, int(rng.integers(2, 9))):
            phase, softness = rng.uniform(0, 6), rng.uniform(0.8, 2)
            sound += np.sin(2 * np.pi * note * overtone * time + phase) / overtone**softness
    if beating:
        sound *= 0.3 + 0.7 * np.abs(np.sin(np.pi * time * rng.uniform(0.5, 3)))
    return _at_peak(sound)


def _at_peak(sound: NDArray[np.float64]) -> FloatArray:
    peak = float(np.abs(sound).max())
    return (0.5 / peak * sound).astype(np.float32)
