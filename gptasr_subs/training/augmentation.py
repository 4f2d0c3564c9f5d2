"""Other voices, rooms, noises and microphones: what is done to a clip before it is learned.

Everything takes and gives float32 samples (n_samples,) at ``SAMPLE_RATE``, and draws from the
generator it is given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gptasr_subs.training.noise import Noises
from gptasr_subs.training.options import Augmentation
from gptasr_subs.training.store import SAMPLE_RATE
from gptasr_subs.types import FloatArray

_KNOTS = 8  # of a random equaliser, evenly spaced in octaves
_LOWEST_KNOT = 60.0  # Hz
_TELEPHONE = (300.0, 3400.0)  # Hz
_SOFTEST = -55.0  # dB of full scale: what is quieter than a quiet room is not made louder


def augment(
    samples: FloatArray, noises: Noises, options: Augmentation, rng: np.random.Generator
) -> FloatArray:
    """Change the speed, room, noise, microphone and loudness of ``samples``."""
    # In the order of the physical path: the speaker, the room, other sources, the microphone.
    samples = change_speed(samples, 1 + options.speed * rng.uniform(-1, 1))
    if noises.rooms and rng.random() < options.room:
        samples = reverberate(samples, noises.rooms[rng.integers(len(noises.rooms))])
    if noises.noises and rng.random() < options.noise:
        noise = noises.noises[rng.integers(len(noises.noises))]
        samples = add_noise(samples, noise, rng.uniform(*options.noise_ratio), rng)
    samples = equalise(samples, options.equaliser, rng.random() < options.telephone, rng)
    gain = 10 ** (rng.uniform(*options.gain) / 20)
    return (samples * gain).clip(-1, 1).astype(np.float32)


def change_speed(samples: FloatArray, factor: float) -> FloatArray:
    """Play ``samples`` at ``factor`` times the speed; pitch and formants move along."""
    size = max(2, round(len(samples) / factor))
    # Linear interpolation dulls the highest frequencies a little, which does no harm here.
    positions = np.linspace(0, len(samples) - 1, size)
    return np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)


def reverberate(samples: FloatArray, response: FloatArray) -> FloatArray:
    """Put ``samples`` in the room of an impulse ``response``; times, loudness and length stay."""
    first = int(np.abs(response).argmax())  # before it is the way from the mouth to the microphone
    # Of unit energy, so that the loudness stays about what it was.
    direct = response[first:] / np.sqrt(np.square(response[first:]).sum() + 1e-9)
    # A product of spectra is a circular convolution: padded to the sum of the lengths, nothing of
    # its end comes round to the beginning.
    size = 1 << (len(samples) + len(direct)).bit_length()
    wet: NDArray[np.float64] = np.fft.irfft(
        np.fft.rfft(samples, size) * np.fft.rfft(direct, size), size
    )
    return wet[: len(samples)].astype(np.float32)


def add_noise(
    samples: FloatArray, noise: FloatArray, decibels: float, rng: np.random.Generator
) -> FloatArray:
    """Add ``noise`` (looped from a random place) at a signal-to-noise ratio of ``decibels``."""
    first = rng.integers(len(noise))
    piece: FloatArray = np.take(noise, np.arange(first, first + len(samples)), mode="wrap")
    # SNR = level(samples) - level(piece) - gain, all in dB
    wanted = level(samples) - decibels - level(piece)
    noisy: FloatArray = samples + piece * np.float32(10 ** (wanted / 20))
    return noisy


def equalise(
    samples: FloatArray, deviation: float, telephone: bool, rng: np.random.Generator
) -> FloatArray:
    """Filter by a smooth random curve of ``deviation`` dB, and to a telephone's band."""
    # a power of two: other lengths can take ten times as long
    size = 1 << len(samples).bit_length()
    spectrum = np.fft.rfft(samples, size)
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    octave = np.log2(np.maximum(frequency, _LOWEST_KNOT))
    # Gains in dB at knots evenly spaced in octaves, linear between them; the phase stays.
    knots = np.linspace(octave[0], octave[-1], _KNOTS)
    gain = np.interp(octave, knots, rng.normal(0, deviation, _KNOTS))
    spectrum = spectrum * 10 ** (gain / 20)
    if telephone:
        low, high = _TELEPHONE
        spectrum = spectrum * ((frequency >= low) & (frequency <= high))
    filtered: NDArray[np.float64] = np.fft.irfft(spectrum, size)
    return filtered[: len(samples)].astype(np.float32)


def level(samples: FloatArray) -> float:
    """RMS in dB of full scale, no less than that of a quiet room."""
    rms = float(np.sqrt(np.square(samples).mean() + 1e-12))
    return max(_SOFTEST, 20 * float(np.log10(rms)))
