"""What is done to samples changes what it is to change, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptasr_subs.training.augmentation import (
    add_noise,
    augment,
    change_speed,
    equalise,
    level,
    reverberate,
)
from gptasr_subs.training.noise import Noises, make_noises
from gptasr_subs.training.options import Augmentation
from gptasr_subs.training.store import SAMPLE_RATE
from gptasr_subs.types import FloatArray

STILL = Augmentation(speed=0.0, room=0.0, noise=0.0, equaliser=0.0, telephone=0.0, gain=(0.0, 0.0))


def tone(hertz: float, seconds: float = 1.0, amplitude: float = 0.1) -> FloatArray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def pitch(samples: FloatArray) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * SAMPLE_RATE / len(samples))


def test_without_any_of_it_a_clip_stays_as_it_is() -> None:
    samples = tone(440)
    changed = augment(samples, Noises(make_noises(1.0)), STILL, np.random.default_rng(0))
    np.testing.assert_allclose(changed, samples, atol=1e-6)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_faster_clip_is_shorter_and_higher(factor: float) -> None:
    changed = change_speed(tone(440), factor)
    assert len(changed) == pytest.approx(SAMPLE_RATE / factor, abs=1)
    assert pitch(changed) == pytest.approx(440 * factor, rel=0.01)


def test_noise_is_as_loud_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    samples = tone(440)
    noise = make_noises(1.0)[0]
    noisy = add_noise(samples, noise, 12.0, rng)
    assert level(samples) - level(noisy - samples) == pytest.approx(12.0, abs=0.1)


def test_a_room_prolongs_and_neither_delays_nor_amplifies() -> None:
    response = np.zeros(4000, np.float32)
    response[500] = 0.2  # the way of the sound to the microphone
    response[2500] = 0.1  # a wall
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[1000] = 1.0
    wet = reverberate(click, response)
    assert np.abs(wet).argmax() == 1000
    assert np.flatnonzero(np.abs(wet) > 1e-3).tolist() == [1000, 3000]
    assert np.square(wet).sum() == pytest.approx(1.0, rel=1e-3)


def test_a_telephone_keeps_its_band_alone() -> None:
    rng = np.random.default_rng(0)
    assert level(equalise(tone(1000), 0.0, telephone=True, rng=rng)) == pytest.approx(
        level(tone(1000)), abs=0.1
    )
    assert level(equalise(tone(6000), 0.0, telephone=True, rng=rng)) == -55.0


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(400, 20000))
@settings(max_examples=40, deadline=None)
def test_whatever_is_drawn_is_sound(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    noises = Noises(make_noises(0.5), [np.exp(-np.arange(3000) / 400).astype(np.float32)])
    samples = rng.normal(0, 0.1, size).astype(np.float32)
    options = Augmentation(room=0.5, noise=0.5, telephone=0.5)
    changed = augment(samples, noises, options, rng)
    assert changed.dtype == np.float32 and np.isfinite(changed).all() and np.abs(changed).max() <= 1
    assert size / 1.11 <= len(changed) <= size / 0.89
