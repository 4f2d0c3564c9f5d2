"""Augmentation keeps what a log-mel is; a batch is a function of seed and step, whoever makes it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tones import make_store, tiny_setting

from gptasr_subs.errors import UsageError
from gptasr_subs.model import ctc
from gptasr_subs.model.tokenizer import STOP
from gptasr_subs.training.augmentation import Mel, add_noise, augment, mask, pace, play, reverberate, warp
from gptasr_subs.training.batches import NO_TOKEN, Batch, Batches, TextBatches, made_ahead
from gptasr_subs.training.halving import Halves
from gptasr_subs.training.options import Augmentation, Sampling, TrainOptions
from gptasr_subs.training.sampling import POOL, Item, Sampler
from gptasr_subs.training.sloppiness import slur, uneven
from gptasr_subs.training.trainer import augmentation_at, learning_rate

FLOOR = np.float32(np.log(1e-5))
SAMPLING = Sampling(batch_seconds=5.0, longest=3.0, joined=0.5, noise_only=0.2)
FULL = Augmentation()
SLOPPY = Augmentation(sloppy=1.0)


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> Batches:
    store = make_store(tmp_path_factory.mktemp("corpus"), clips=16)
    config, tokenizer, noises = tiny_setting(store)
    return Batches(store, noises, tokenizer, config, SAMPLING)


def of_rank(batches: Batches, rank: int, world: int) -> Batches:
    parts = batches.store, batches.noises, batches.tokenizer, batches.config, batches.sampling
    return Batches(*parts, rank, world)


def same(left: Batch, right: Batch) -> bool:
    names = ("mel", "tokens", "spelled", "spelled_lengths")
    return all(torch.equal(getattr(left, name), getattr(right, name)) for name in names)


def mels(least: int = 4) -> st.SearchStrategy[Mel]:
    def make(frames: int, seed: int, level: float) -> Mel:
        noise = np.random.default_rng(seed).normal(level, 3, (frames, 80))
        mel: Mel = np.maximum(noise, FLOOR).astype(np.float32)
        return mel

    return st.builds(make, st.integers(least, 120), st.integers(0, 99), st.floats(-11, 2))


@settings(max_examples=40, deadline=None)
@given(mels(), mels(), st.floats(0, 1), st.floats(0, 2), st.integers(0, 999))
def test_augmented_sound_is_still_a_log_mel(mel: Mel, noise: Mel, amount: float, sloppy: float, seed: int) -> None:
    before = mel.copy()
    changed = augment(mel, [noise], Augmentation(amount=amount, sloppy=sloppy), np.random.default_rng(seed))
    assert np.isfinite(changed).all()
    assert changed.min() >= FLOOR
    assert changed.dtype == np.float32
    assert changed.shape == mel.shape
    np.testing.assert_array_equal(mel, before)


def test_augmentation_of_nothing_changes_nothing() -> None:
    mel = np.random.default_rng(0).normal(-3, 1, (50, 80)).astype(np.float32)
    off = Augmentation(amount=0.0, sloppy=1.0)
    np.testing.assert_allclose(pace(50, off, np.random.default_rng(1)), np.arange(50), atol=1e-6)
    np.testing.assert_allclose(augment(mel, [], off, np.random.default_rng(1)), mel, atol=1e-5)
    np.testing.assert_array_equal(mask(mel.copy(), off, np.random.default_rng(1)), mel)


@settings(max_examples=30, deadline=None)
@given(mels(least=40), mels(), st.floats(-5, 40), st.integers(0, 99))
def test_noise_is_added_at_the_ratio_asked_for(mel: Mel, noise: Mel, decibels: float, seed: int) -> None:
    mixed = add_noise(mel.astype(np.float64), noise.astype(np.float64), decibels, np.random.default_rng(seed))
    assert mixed.shape == mel.shape
    signal = np.exp(mel.astype(np.float64)).mean()
    added = np.exp(mixed.astype(np.float64)).mean() - signal
    assert 10 * np.log10(signal / added) == pytest.approx(decibels, abs=0.3)


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 900), st.floats(0, 1), st.floats(0, 2), st.integers(0, 99))
def test_a_pace_goes_from_end_to_end_and_never_back(frames: int, amount: float, sloppy: float, seed: int) -> None:
    positions = pace(frames, Augmentation(amount=amount, sloppy=sloppy), np.random.default_rng(seed))
    assert abs(len(positions) - frames) <= FULL.tempo * frames + 1
    assert positions[0] == 0 and positions[-1] == pytest.approx(frames - 1)
    assert (np.diff(positions) > 0).all()


@settings(max_examples=30, deadline=None)
@given(mels(), st.floats(0.8, 1.25), st.integers(0, 99))
def test_pace_and_formants_move_sound_and_make_none(mel: Mel, factor: float, seed: int) -> None:
    uneven, moved = play(mel, pace(len(mel), SLOPPY, np.random.default_rng(seed))), warp(mel, factor)
    for changed in (uneven, moved):
        assert mel.min() - 1e-4 <= changed.min() and changed.max() <= mel.max() + 1e-4
    np.testing.assert_allclose(uneven[[0, -1]], mel[[0, -1]], atol=1e-4)
    np.testing.assert_allclose(play(mel, np.arange(len(mel))), mel, atol=1e-4)
    np.testing.assert_allclose(warp(mel, 1.0), mel, atol=1e-4)


def test_a_sloppy_clip_changes_its_pace_and_its_sounds_as_it_goes_on() -> None:
    pitch = np.full((600, 80), -8.0, np.float32)
    pitch[:, 40] = 0.0
    rng = np.random.default_rng(3)
    places, paces = slur(pitch, 1.0, rng).argmax(1), np.diff(uneven(600, 1.0, rng))
    assert 1 < places.std() < 4 and abs(places.mean() - 40) < 1.5
    assert 0.2 < np.log(paces).std() < 0.5
    assert np.abs(np.diff(places)).max() <= 3  # smoothly


def test_bends_move_each_formant_on_its_own() -> None:
    formants = np.full((4, 80), FLOOR, np.float32)
    formants[:, [15, 35, 55]] = 0.0
    options = Augmentation(formants=0, equaliser=0, loudness=0, room=0, band=0, bends=1.5)
    voices = [augment(formants, [], options, np.random.default_rng(seed))[0] for seed in range(80)]
    places = [[low + voice[low : low + 20].argmax() for low in (5, 25, 45)] for voice in voices]
    moved = np.array(places) - [15, 35, 55]
    assert (np.abs(moved.mean(0)) < 0.5).all() and (np.abs(moved.std(0) - 1.3) < 0.5).all()
    assert (np.abs(np.corrcoef(moved.T)[np.triu_indices(3, 1)]) < 0.35).all()


def test_a_room_rings_after_a_sound_and_not_before() -> None:
    hush = np.full((60, 80), FLOOR, np.float32)
    clap = hush.copy()
    clap[20:22] = 0.0
    quiet, wet = (reverberate(mel, np.random.default_rng(0)) for mel in (hush, clap))
    np.testing.assert_allclose(wet[:20], quiet[:20], atol=1e-3)
    assert (np.diff(wet[22:30, 0]) < 0).all()
    assert wet[22, 0] > quiet[22, 0] + 3


def test_masks_silence_bands_and_stretches_and_no_more() -> None:
    mel = np.ones((200, 80), np.float32)
    masked = mask(mel.copy(), FULL, np.random.default_rng(3)) == 0
    rows, columns = masked.all(1), masked.all(0)
    np.testing.assert_array_equal(masked, rows[:, None] | columns[None])
    assert 0 < rows.sum() <= 2 * 12 and 0 < columns.sum() <= 2 * 14


def test_a_longer_sound_has_more_masks_along_time() -> None:
    options = replace(FULL, frames_a_mask=50)
    often = [mask(np.ones((800, 80), np.float32), options, np.random.default_rng(seed)) == 0 for seed in range(20)]
    hidden = [masked.all(1).sum() for masked in often]
    assert 2 * 24 < np.mean(hidden) <= (2 + 16) * 24
    assert max(masked.all(0).sum() for masked in often) <= 2 * 14


def test_masks_are_as_wide_as_is_asked() -> None:
    options = replace(FULL, masks=1, mask_frames=60, mask_bins=40)
    often = [mask(np.ones((1200, 80), np.float32), options, np.random.default_rng(seed)) == 0 for seed in range(60)]
    hidden = np.array([(masked.all(1).sum(), masked.all(0).sum()) for masked in often])
    assert (hidden.max(0) <= (60, 40)).all() and (hidden.max(0) > (50, 33)).all()


def test_a_batch_is_a_function_of_seed_and_step(batches: Batches) -> None:
    again = of_rank(batches, 0, 1)
    for step in (0, 5, POOL - 1, POOL, 2 * POOL + 3):
        assert same(batches.at(step, FULL), again.at(step, FULL))
    assert not same(batches.at(0, FULL), batches.at(1, FULL))
    other = Batches(batches.store, batches.noises, batches.tokenizer, batches.config, replace(SAMPLING, seed=1))
    assert not same(batches.at(0, FULL), other.at(0, FULL))


def test_a_step_is_made_of_the_same_batches_however_they_are_shared_out(batches: Batches) -> None:
    for step in (3, POOL + 1):
        alone = [batches.at(step, FULL, part, 4) for part in range(4)]
        pairs = [of_rank(batches, rank, 2).at(step, FULL, part, 2) for rank in range(2) for part in range(2)]
        all_ranks = [of_rank(batches, rank, 4).at(step, FULL) for rank in range(4)]
        for one, two, four in zip(alone, pairs, all_ranks, strict=True):
            assert same(one, two) and same(one, four)


def test_batches_made_ahead_are_the_same_in_the_same_order(batches: Batches) -> None:
    keys = [(step, 0) for step in range(4)]
    ahead = made_ahead(lambda key: batches.at(key[0], FULL), keys, workers=2)
    for key, batch in zip(keys, ahead, strict=True):
        assert same(batch, batches.at(key[0], FULL))


def test_a_batch_holds_text_between_start_and_stop_and_its_letters(batches: Batches) -> None:
    batch = batches.at(2, FULL)
    letters = torch.split(batch.spelled, batch.spelled_lengths.tolist())
    assert batch.mel.shape[:2] == (len(batch.tokens), 80) and torch.isfinite(batch.mel).all()
    for row, spelled in zip(batch.tokens.tolist(), letters, strict=True):
        start, *text = [token for token in row if token != NO_TOKEN]
        assert row == [start, *text] + [NO_TOKEN] * (len(row) - len(text) - 1)
        assert (start, text[-1]) == (batches.config.start_token, STOP)
        assert ctc.spell(batches.tokenizer.decode(text[:-1])) == spelled.tolist()


def test_halved_tokens_say_the_same(batches: Batches) -> None:
    tokenizer, rng = batches.tokenizer, np.random.default_rng(0)
    whole = tokenizer.encode("Bah dee koo sow. Dee bah sow koo.")
    halves = Halves(tokenizer)
    written = [halves(whole, 0.3, rng) for _ in range(20)]
    assert {tokenizer.decode(tokens) for tokens in written} == {tokenizer.decode(whole)}
    assert len(set(map(tuple, written))) > 10
    assert halves(whole, 0.0, rng) == whole
    assert len(halves(whole, 1.0, rng)) > len(whole)


def test_halved_tokens_change_no_sound_and_no_letters(batches: Batches) -> None:
    parts = batches.store, batches.noises, batches.tokenizer, batches.config
    halved = Batches(*parts, replace(SAMPLING, halved=0.5)).at(2, FULL)
    whole = batches.at(2, FULL)
    assert torch.equal(halved.mel, whole.mel) and torch.equal(halved.spelled, whole.spelled)
    assert (halved.tokens != NO_TOKEN).sum() > (whole.tokens != NO_TOKEN).sum()
    sentences = ["Bah dee.", "Koo.", "Sow bah."]
    texts, more = (TextBatches(sentences, batches.tokenizer, batches.config, 8, share) for share in (0.0, 0.5))
    assert (more(3) != NO_TOKEN).sum() > (texts(3) != NO_TOKEN).sum() and torch.equal(more(3), more(3))


def test_no_batch_goes_beyond_what_the_network_can_read(batches: Batches) -> None:
    config = batches.config
    frames = [batches.at(step, FULL).mel.shape[-1] for step in range(2 * POOL)]
    assert max(frames) <= config.max_mel_frames
    most = config.front_end.frames_per_second * (SAMPLING.longest * (1 + FULL.tempo) + 3 * 0.5)
    assert max(frames) <= most
    texts = TextBatches(["bah dee koo sow " * 40], batches.tokenizer, config)
    assert texts(0).shape[1] <= 80 + 2


def test_text_batches_are_a_function_of_their_number(batches: Batches) -> None:
    texts = TextBatches(["Bah dee.", "Koo.", "Sow bah."], batches.tokenizer, batches.config)
    assert torch.equal(texts(3), texts(3))
    assert not torch.equal(texts(3), texts(4))
    assert (texts(3)[:, 0] == batches.config.start_token).all()


def sampler(**changes: object) -> Sampler:
    sources = ["a"] * 50 + ["b"] * 50
    seconds = np.tile(np.linspace(0.5, 10.0, 50), 2)
    return Sampler(sources, seconds, replace(Sampling(batch_seconds=20.0, joined=0.3), **changes))  # type: ignore[arg-type]


def clips(item: Item) -> list[int]:
    return [part.clip for part in item]


def test_clips_grow_with_the_curriculum_and_batches_hold_equal_sound() -> None:
    drawn = sampler(shortest_limit=2.0, longest=10.0, curriculum=10 * POOL)
    seconds = np.tile(np.linspace(0.5, 10.0, 50), 2)
    for number, limit in ((0, 2.0), (5, 6.0), (10, 10.0), (50, 10.0)):
        pool = drawn.pool(number, shares=2)
        assert len(pool) == 2 * POOL
        items = [seconds[clips(item)].sum() for batch in pool for item in batch if item]
        assert limit * 0.9 < max(items) <= limit
        sums = [sum(seconds[clips(item)].sum() if item else 3.0 for item in batch) for batch in pool]
        assert np.ptp(sums) <= 2 * limit + 3
        assert np.mean(sums) >= 20


def test_the_curriculum_may_begin_later() -> None:
    later = sampler(shortest_limit=2.0, longest=10.0, curriculum=POOL, curriculum_from=POOL)
    lengths = np.tile(np.linspace(0.5, 10.0, 50), 2)
    longest = [max(lengths[clips(item)].sum() for batch in later.pool(n, 1) for item in batch if item) for n in (1, 2)]
    assert longest[0] <= 2.0 < 6.0 < longest[1]


def test_a_source_is_drawn_by_its_weight() -> None:
    def share_of_b(weights: dict[str, float]) -> float:
        items = [item for batch in sampler(weights=weights).pool(0, 4) for item in batch if item]
        return float(np.mean([clip >= 50 for item in items for clip in clips(item)]))

    assert share_of_b({"b": 0.0}) == 0
    assert share_of_b({}) == pytest.approx(0.5, abs=0.05)
    assert share_of_b({"b": 3.0}) == pytest.approx(0.75, abs=0.05)


def test_shares_of_joined_clips_and_of_noise_are_as_asked() -> None:
    items = [item for batch in sampler(joined=0.0, noise_only=0.25).pool(0, 4) for item in batch]
    assert np.mean([not item for item in items]) == pytest.approx(0.25, abs=0.05)
    assert max(map(len, items)) == 1
    items = [item for batch in sampler(joined=1.0, noise_only=0.0).pool(0, 4) for item in batch]
    assert max(map(len, items)) == 3


def test_a_limit_that_leaves_no_clip_is_refused() -> None:
    with pytest.raises(UsageError, match=r"shorter than 0\.4 s"):
        sampler(shortest_limit=0.4)


def test_the_rate_rises_in_each_phase_and_falls_at_the_end() -> None:
    plan = TrainOptions(steps=1000, ctc_steps=400, decay_from=800, warmup=10, rate=2.0, text_rate=1.0)
    rates = [learning_rate(plan, step) for step in range(1001)]
    assert rates[0] == pytest.approx(0.2) and rates[9] == rates[399] == 2.0
    assert rates[400] == pytest.approx(0.1) and rates[409] == rates[800] == 1.0
    assert rates[900] == pytest.approx(0.5)
    assert rates[1000] == pytest.approx(0.02)
    assert all(left >= right for left, right in pairwise(rates[409:]))


def test_a_plan_keeps_its_shares_over_another_number_of_steps() -> None:
    plan = TrainOptions().over(1000)
    assert (plan.steps, plan.ctc_steps, plan.decay_from, plan.warmup) == (1000, 400, 750, 50)
    assert TrainOptions().over(TrainOptions().steps) == TrainOptions()


def test_augmentation_grows_to_its_amount() -> None:
    plan = TrainOptions(augment_over=100, least_augmentation=0.2, augmentation=Augmentation(amount=0.5, masks=1))
    amounts = [augmentation_at(plan, step).amount for step in (0, 40, 80, 500)]
    assert amounts == pytest.approx([0.1, 0.3, 0.5, 0.5])
    assert augmentation_at(plan, 0).masks == 1
