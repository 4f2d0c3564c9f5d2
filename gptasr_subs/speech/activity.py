"""Voice activity: a mask over frames of 10 ms, from level, spectral change and voicing.

Speech changes its spectrum many times a second, its level rises and falls far more than that of
steady noise, and near every word something is voiced, or changes as vividly as a whisper does.
Noise lacks the voice, sustained music the change, silence the level; a frame counts as speech only
where all agree. Every measure is relative, so the gain of a video does not matter. The limits were
chosen between recorded and synthetic noise and music on one side and, on the other, speech of many
voices with noise 10 dB below it; where in doubt, speech.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from gptasr_subs.types import FloatArray

BoolArray = NDArray[np.bool_]
_T = TypeVar("_T")

LOWEST_SAMPLE_RATE = 8000  # Hz; below it the bands of speech are not there
_HOP_SECONDS = 0.01
_WINDOW_SECONDS = 0.04
# Frames decided at once; fixed, so that the result does not depend on the size of the blocks
_CHUNK = 2000
_ROWS = 128  # frames transformed at once; small enough for the cache

_BANDS = 20
_FLUX_BAND = (100.0, 5500.0)  # Hz, where change is looked for
_LEVEL_BAND = (100.0, 4000.0)  # Hz, where level is measured
_HARMONICS = (80.0, 2500.0)  # Hz; higher harmonics drown in noise
_PITCH = (70.0, 400.0)  # Hz
_LAG_SECONDS = 0.00008  # between the pitch periods that are tried
_SILENCE = 1e-8  # power that counts as none, about -80 dB of full scale

# Radii, in frames on either side.
_SMOOTH = 1  # powers
_SMOOTH_LEVEL_RANGE = 4  # powers whose rise and fall is measured
_SMOOTH_VOICE = 3  # voicing: a vowel lasts longer than a chance peak
_LAG = 3  # what spectral change compares
_FLUX_RADIUS = 40  # where change is averaged
_LEVEL_RANGE_RADIUS = 60  # where the level must rise and fall
_FLOOR_RADIUS = 100  # where the floor is sought
_VOICE_RADIUS = 100  # where one voiced or fricative frame must lie
_CONTEXT = 150  # no less than any sum of them that one decision uses

# Limits, in dB but for voicing.
_MIN_FLUX = 1.7  # steady noise 1.0-1.5, chords 0.3-1.2, speech in noise 2-6
_FRICATIVE_FLUX = 3.6  # whispers and hoarse voices reach it, noise seldom does
_MAX_FLUX = 6.0  # an attack is one event, however steep
_MIN_LEVEL_RANGE = 6.0  # steady noise 1-4, speech in noise 10 and more
_MIN_VOICE = 0.16  # noise 0.08-0.14, speech in noise 0.18-0.4
_MIN_ABOVE_FLOOR = 2.5


@dataclass(frozen=True, slots=True)
class Detection:
    """``speech`` and ``level`` (dB), both (n_frames,), with their samples, a hop each (the last
    less).
    """

    samples: FloatArray
    speech: BoolArray
    level: FloatArray


@dataclass(frozen=True, slots=True)
class _Measures:
    """What is measured of each frame: powers (n_frames, bands + 1), the last the whole level, and
    voicing (n_frames,).
    """

    powers: FloatArray
    voicing: FloatArray

    def part(self, start: int, end: int | None) -> _Measures:
        return _Measures(self.powers[start:end], self.voicing[start:end])


def hop_size(sample_rate: int) -> int:
    """Return samples from one frame to the next."""
    return round(sample_rate * _HOP_SECONDS)


def detect_speech(blocks: Iterable[FloatArray], sample_rate: int) -> Iterator[Detection]:
    """Decide frame by frame; the pieces that come out follow one another without a hole.

    Blocks are mono (n_samples,) of any sizes, ``sample_rate`` is in Hz; about a minute of audio is
    held. Raises ValueError for a sample rate too low for speech.
    """
    if sample_rate < LOWEST_SAMPLE_RATE:
        raise ValueError(
            f"Speech detection needs at least {LOWEST_SAMPLE_RATE} samples a second, "
            f"not {sample_rate}."
        )
    analyser = _Analyser(sample_rate)
    chunks = rechunk(blocks, _CHUNK * analyser.hop)
    measured = (
        (chunk[1], analyser.measure(*chunk)) for chunk in _with_neighbours(chunks, _no_samples())
    )
    no_measures = _Measures(np.zeros((0, _BANDS + 1), np.float32), np.zeros(0, np.float32))
    for before, now, after in _with_neighbours(measured, (_no_samples(), no_measures)):
        yield Detection(now[0], *_decide(before[1], now[1], after[1]))


def rechunk(blocks: Iterable[FloatArray], size: int) -> Iterator[FloatArray]:
    """Yield the same samples in blocks of ``size``, the last one of what is left."""
    held: list[FloatArray] = []
    count = 0
    for block in blocks:
        held.append(np.asarray(block, np.float32))
        count += len(block)
        if count >= size:
            whole = np.concatenate(held)
            cut = count - count % size
            yield from np.split(whole[:cut], cut // size)
            held = [whole[cut:]]
            count = count - cut
    if count:
        yield np.concatenate(held)


class _Analyser:
    """Measures frames of audio of one sample rate.

    Keeps the window and the filters, nothing of the audio.
    """

    def __init__(self, sample_rate: int) -> None:
        self.hop = hop_size(sample_rate)
        self._half = round(sample_rate * _WINDOW_SECONDS / 2)
        window = np.hanning(2 * self._half)
        self._window = (window / np.sqrt(np.sum(window**2))).astype(np.float32)
        self._size = 1 << (2 * self._half - 1).bit_length()  # powers of two transform fastest
        hertz = np.fft.rfftfreq(self._size, 1 / sample_rate)
        self._used = int(np.searchsorted(hertz, _FLUX_BAND[1]))
        self._filters = _filters(hertz[: self._used])
        self._harmonic = slice(*np.searchsorted(hertz, _HARMONICS))
        self._pitch = _pitch_waves(hertz[self._harmonic], window, sample_rate)

    def measure(self, before: FloatArray, now: FloatArray, after: FloatArray) -> _Measures:
        """Return frames centred on every hop of ``now``, which may reach into what comes ``before``
        and ``after``.
        """
        half = self._half
        count = -(-len(now) // self.hop)
        audio = np.concatenate([before[-half:], now, after[:half]])
        padded = np.pad(audio, (half - min(half, len(before)), half + self.hop))
        frames = sliding_window_view(padded, 2 * half)[:: self.hop][:count]
        parts = []
        for row in range(0, count, _ROWS):
            spectrum = np.fft.rfft(frames[row : row + _ROWS] * self._window, self._size)
            spectrum = spectrum[:, : self._used]
            power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
            # Voicing is the height of the pitch peak in the autocorrelation of the compressed
            # spectrum, 0 (none) to about 0.6. The fourth root lets every harmonic count, where the
            # power would see little but the loudest.
            compressed = np.sqrt(np.sqrt(power[:, self._harmonic] + _SILENCE / 10))
            voicing = (compressed @ self._pitch).max(1) / compressed.sum(1)
            parts.append(_Measures(power @ self._filters, voicing))
        return _join(parts)


def _pitch_waves(hertz: NDArray[Any], window: NDArray[Any], sample_rate: int) -> FloatArray:
    """Return cosines over frequency, one column a pitch period, their mean and the window's taper
    taken out: (bins, lags).
    """
    periods = np.arange(1 / _PITCH[1], 1 / _PITCH[0], _LAG_SECONDS)
    waves = np.cos(2 * np.pi * np.outer(hertz, periods))
    taper = np.correlate(window, window, "full")[len(window) - 1 :]
    taper = np.interp(periods * sample_rate, np.arange(len(taper)), taper / taper[0])
    centred: FloatArray = ((waves - waves.mean(0)) / taper).astype(np.float32)
    return centred


def _filters(hertz: NDArray[Any]) -> FloatArray:
    """Return columns that average the power of each mel band, and one more for the whole level:
    (n_bins, bands + 1).
    """
    low, high = (1127 * np.log1p(edge / 700) for edge in (_FLUX_BAND[0], hertz[-1]))
    edges = 700 * np.expm1(np.linspace(low, high, _BANDS + 2) / 1127)
    rise = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    level = (hertz >= _LEVEL_BAND[0]) & (hertz <= _LEVEL_BAND[1])
    columns = np.column_stack([np.clip(np.minimum(rise, fall), 0, None), level])
    filters: FloatArray = (columns / np.maximum(columns.sum(0), 1e-9)).astype(np.float32)
    return filters


def _decide(before: _Measures, now: _Measures, after: _Measures) -> tuple[BoolArray, FloatArray]:
    """Return speech and level (dB) of the frames of ``now``."""
    head = before.part(-_CONTEXT, None)
    tail = after.part(0, _CONTEXT)
    every = _join([head, now, tail])
    smooth = running_mean(every.powers, _SMOOTH) + _SILENCE
    level = _decibel(smooth[:, -1])
    swinging = _decibel(running_mean(every.powers[:, -1], _SMOOTH_LEVEL_RANGE) + _SILENCE)
    level_range = _highest(swinging, _LEVEL_RANGE_RADIUS) + _highest(-swinging, _LEVEL_RANGE_RADIUS)
    floor = -_highest(-swinging, _FLOOR_RADIUS)
    flux = _spectral_flux(smooth)
    voice = running_mean(every.voicing, _SMOOTH_VOICE)
    speech_like = _highest(np.maximum(voice / _MIN_VOICE, flux / _FRICATIVE_FLUX), _VOICE_RADIUS)
    speech = (
        (speech_like > 1)
        & (flux > _MIN_FLUX)
        & (level_range > _MIN_LEVEL_RANGE)
        & (level > floor + _MIN_ABOVE_FLOOR)
    )
    inner = slice(len(head.voicing), len(head.voicing) + len(now.voicing))
    return speech[inner], level[inner]


def _spectral_flux(powers: FloatArray) -> FloatArray:
    """Return how much the bands change within some 60 ms, in dB, averaged nearby.

    Loud frames weigh more.
    """
    bands = np.pad(_decibel(powers[:, :-1]), ((_LAG, _LAG), (0, 0)), mode="edge")
    flux = np.minimum(np.abs(bands[2 * _LAG :] - bands[: -2 * _LAG]).mean(1), _MAX_FLUX)
    weight = powers[:, -1] ** 0.3
    return running_mean(weight * flux, _FLUX_RADIUS) / running_mean(weight, _FLUX_RADIUS)


def _decibel(power: FloatArray) -> FloatArray:
    return 10 * np.log10(power)


def running_mean(values: FloatArray, radius: int) -> FloatArray:
    """Return the running mean along the first axis over ``radius`` frames on either side."""
    wide = np.pad(values, ((radius + 1, radius), *[(0, 0)] * (values.ndim - 1)), mode="edge")
    total = np.cumsum(wide, axis=0, dtype=np.float64)
    return ((total[2 * radius + 1 :] - total[: -2 * radius - 1]) / (2 * radius + 1)).astype(
        np.float32
    )


def _highest(values: FloatArray, radius: int) -> FloatArray:
    """Return the running maximum over ``radius`` frames on either side."""
    highest: FloatArray = sliding_window_view(
        np.pad(values, radius, mode="edge"), 2 * radius + 1
    ).max(1)
    return highest


def _join(parts: list[_Measures]) -> _Measures:
    return _Measures(
        np.concatenate([part.powers for part in parts]),
        np.concatenate([part.voicing for part in parts]),
    )


def _no_samples() -> FloatArray:
    return np.zeros(0, np.float32)


def _with_neighbours(items: Iterable[_T], nothing: _T) -> Iterator[tuple[_T, _T, _T]]:
    """Yield each item between the one before and the one after it."""
    before = nothing
    now = None
    for after in items:
        if now is not None:
            yield before, now, after
            before = now
        now = after
    if now is not None:
        yield before, now, nothing
