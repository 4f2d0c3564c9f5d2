"""Noise to train against: from a manifest, or made where there is none at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.corpora.audio import ClipAudio, read_manifest, read_samples
from gptasr_subs.corpora.manifest import Clip, read_rows
from gptasr_subs.errors import UsageError
from gptasr_subs.training.store import SAMPLE_RATE
from gptasr_subs.types import FloatArray

SOURCE = "noise"  # of clips without speech in a store

_MIN_SECONDS = 2.0
_PIECE_SECONDS = 8.0  # of a noise as a clip of its own
_COLOURS = 8
_STEEPEST = 1.2  # from white to falling by 1 / frequency ** 1.2 in amplitude
_MUSIC = 16
_LOWEST_NOTE = 110.0  # Hz
_NOTES = 36  # semitones above it


@dataclass(frozen=True, slots=True)
class Noises:
    """Noises and the impulse responses of rooms, each (n_samples,) at ``SAMPLE_RATE``."""

    noises: list[FloatArray] = field(default_factory=list)
    rooms: list[FloatArray] = field(default_factory=list)


def read_noises(manifest: Path | None) -> Noises:
    """Read noises of 2 s and more and rooms of a manifest; without one, make noises.

    A column ``kind`` tells them apart: ``noise`` (what counts where it is missing) and ``rir`` for
    a room. Raises ``UsageError`` where no noise is left.
    """
    if manifest is None:
        return Noises(make_noises())
    kinds = [row.get("kind", "noise") for row in read_rows(manifest)]
    clips = list(zip(read_manifest(manifest), kinds, strict=True))
    loud = [clip for clip, kind in clips if kind == "noise" and clip.seconds >= _MIN_SECONDS]
    rooms = [clip for clip, kind in clips if kind == "rir"]
    if not loud:
        raise UsageError(
            f"{manifest} names no noise of {_MIN_SECONDS:g} s or more;"
            " leave it out to have noise made."
        )
    return Noises(
        [samples for _, samples in read_samples(loud, SAMPLE_RATE)],
        [samples for _, samples in read_samples(rooms, SAMPLE_RATE)],
    )


def noise_clips(noises: list[FloatArray]) -> Iterator[ClipAudio]:
    """``noises`` in pieces of 8 s: clips without speech."""
    size = round(_PIECE_SECONDS * SAMPLE_RATE)
    for number, noise in enumerate(noises):
        for first in range(0, len(noise), size):
            piece = noise[first : first + size]
            if len(piece) >= SAMPLE_RATE:
                seconds = len(piece) / SAMPLE_RATE
                clip = Clip(
                    Path(f"noise-{number}"), first / SAMPLE_RATE, seconds, "", SOURCE, "", text=""
                )
                yield clip, piece


def make_noises(seconds: float = 16.0, seed: int = 0) -> list[FloatArray]:
    """Return coloured noise and plain music, each (n_samples,)."""
    rng = np.random.default_rng(seed)
    size = round(seconds * SAMPLE_RATE)
    slopes = np.linspace(0, _STEEPEST, _COLOURS)
    noises = [coloured_noise(size, float(slope), rng) for slope in slopes]
    return noises + [chord(size, rng, beating=bool(number % 2)) for number in range(_MUSIC)]


def coloured_noise(size: int, slope: float, rng: np.random.Generator) -> FloatArray:
    """``size`` samples of noise whose amplitude falls as frequency ** -``slope``."""
    # White noise shaped in the spectrum: slope 0 is white, 0.5 pink, 1 brown (power falls twice as
    # fast). Below 40 Hz it stays level, or nearly all energy would lie there.
    spectrum = np.fft.rfft(rng.normal(size=size))
    frequency = np.maximum(np.fft.rfftfreq(size, 1 / SAMPLE_RATE), 40)
    return _at_peak(np.fft.irfft(spectrum * frequency**-slope, size))


def chord(size: int, rng: np.random.Generator, beating: bool = False) -> FloatArray:
    """Return ``size`` samples of two to five notes with overtones, in a rhythm if ``beating``."""
    time = np.arange(size) / SAMPLE_RATE
    sound = np.zeros(size)
    # Each note is a harmonic series whose overtone k is softer by k ** -softness.
    for _ in range(rng.integers(2, 6)):
        note = _LOWEST_NOTE * 2 ** (rng.integers(0, _NOTES) / 12)
        for overtone in range(1, int(rng.integers(2, 9))):
            phase = rng.uniform(0, 6)
            softness = rng.uniform(0.8, 2)
            sound += np.sin(2 * np.pi * note * overtone * time + phase) / overtone**softness
    # A full-wave rectified sine as envelope: beats of up to three a second.
    if beating:
        sound *= 0.3 + 0.7 * np.abs(np.sin(np.pi * time * rng.uniform(0.5, 3)))
    return _at_peak(sound)


def _at_peak(sound: NDArray[np.float64]) -> FloatArray:
    peak = float(np.abs(sound).max())
    return (0.5 / peak * sound).astype(np.float32)
