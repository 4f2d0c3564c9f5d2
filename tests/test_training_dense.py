"""Dense targets: what another encoder hears lies where it was heard, whatever is done to the clips in training."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from tones import make_store, tiny_setting

from gptasr_subs.errors import UsageError
from gptasr_subs.model.network import GptAsr
from gptasr_subs.training.batches import Batches
from gptasr_subs.training.corpora import MelStore
from gptasr_subs.training.dense import DIMENSIONS, DenseHead, DenseTargets, WhisperEncoder, find_basis, hear
from gptasr_subs.training.options import Augmentation, Sampling, TrainOptions
from gptasr_subs.training.trainer import Trainer
from gptasr_subs.types import FloatArray

WIDTH = 6  # of the made-up features


class LoudnessEncoder:
    """Hears nothing but how loud each 20 ms are, and says so in ``WIDTH`` ways."""

    sample_rate, seconds, features_per_second = 16000, 6.0, 50.0

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, samples: FloatArray) -> FloatArray:
        self.calls += 1
        size = int(self.sample_rate / self.features_per_second)
        pieces = np.pad(samples, (size // 2, size))[: len(samples) // size * size + size].reshape(-1, size)
        loudness = np.log(np.abs(pieces).mean(1) + 1e-3)
        return (loudness[:, None] * np.arange(1, WIDTH + 1)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> MelStore:
    return make_store(tmp_path, clips=10)


def test_rows_lie_where_they_were_heard(store: MelStore) -> None:
    list(hear(store, LoudnessEncoder()))
    targets = DenseTargets(store)
    assert targets.dimensions == WIDTH
    for index in range(len(store)):
        mel = store.mel(index)
        rows = targets.at(targets.numbers(index, len(mel)))[:, 0].astype(np.float32)
        loud = np.logaddexp.reduce(mel, axis=1)
        assert abs(np.corrcoef(rows, loud)[0, 1]) > 0.9


def test_hearing_goes_on_where_it_was_stopped(store: MelStore) -> None:
    first, second = LoudnessEncoder(), LoudnessEncoder()
    whole = list(hear(make_store(store.folder.parent / "whole", clips=10), first))
    begun = list(islice(hear(store, second), 2))
    used = second.calls
    rest = list(hear(store, second))
    assert begun + rest == whole
    assert second.calls == used + len(rest)
    same = [(folder / "dense.f16").read_bytes() for folder in (store.folder, store.folder.parent / "whole/store")]
    assert same[0] == same[1]


def test_principal_components_keep_what_varies_most() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(500, 200)).astype(np.float32)
    features[:, 7] *= 50
    rows = find_basis([features])(features)
    assert rows.shape == (500, DIMENSIONS)
    assert abs(np.corrcoef(rows[:, 0], features[:, 7])[0, 1]) > 0.99
    assert np.square(rows).mean() == pytest.approx(1, rel=0.01)


def test_what_only_tells_the_place_in_a_window_is_left_out() -> None:
    rng = np.random.default_rng(0)
    heard = rng.normal(size=(30, 100, 4)).astype(np.float32)
    place = np.sin(np.arange(100) / 5)[:, None] * np.array([9, 0, 0, 0], np.float32)
    basis = find_basis(list(heard + place))
    rows, without = basis(heard[3] + place), (heard[3] - heard.mean((0, 1))) @ basis.axes
    assert np.corrcoef(rows.ravel(), without.ravel())[0, 1] > 0.95


def test_batches_bring_the_rows_of_stretched_and_joined_clips(store: MelStore) -> None:
    list(hear(store, LoudnessEncoder()))
    config, tokenizer, noises = tiny_setting(store)
    front = config.front_end
    sampling = Sampling(batch_seconds=8.0, longest=6.0, joined=0.5, noise_only=0.2)
    plain = Augmentation(room=0, noise=0, band=0, masks=0, equaliser=0, formants=0)
    batches = Batches(store, noises, tokenizer, config, sampling)
    correlations = []
    for step in range(4):
        batch = batches.at(step, plain)
        assert batch.dense is not None
        log_mel = batch.mel * torch.tensor(front.scale)[:, None] + torch.tensor(front.shift)[:, None]
        level = log_mel.logsumexp(1)[:, ::4].numpy()  # one in four frames: a row each
        for loud, rows in zip(level, batch.dense[..., 0].float().numpy(), strict=True):
            size = min(len(loud), len(rows))
            known = rows[:size] != 0
            if known.sum() > 10:
                correlations.append(abs(np.corrcoef(loud[:size][known], rows[:size][known])[0, 1]))
    assert len(correlations) > 4
    assert np.median(correlations) > 0.8


def test_what_is_not_known_costs_nothing() -> None:
    head = DenseHead(8, 3)
    features, rows = torch.randn(2, 4, 8), torch.randn(2, 8, 3)
    rows[:, 4:] = 0
    expected = head.loss(features[:, :2], rows[:, :4])
    assert head.loss(features, rows).item() == pytest.approx(expected.item(), rel=1e-5)
    assert head.loss(features, torch.zeros(2, 8, 3)).item() == 0


def test_a_run_learns_what_was_heard_and_resumes_to_the_bit(store: MelStore, tmp_path: Path) -> None:
    list(hear(store, LoudnessEncoder()))
    config, tokenizer, noises = tiny_setting(store)
    options = TrainOptions(steps=24, ctc_steps=24, decay_from=24, warmup=2, rate=3e-3, bf16=False, report_every=0)

    def trainer(folder: str) -> Trainer:
        torch.manual_seed(0)
        batches = Batches(store, noises, tokenizer, config, Sampling(batch_seconds=6.0, longest=3.0))
        return Trainer(GptAsr(config), batches, options, tmp_path / folder)

    seen: list[float] = []
    whole = trainer("whole")
    whole.report = lambda _, values: seen.append(values["dense"])
    whole.options = replace(options, report_every=4)
    losses = whole.run()
    assert seen[-1] < 0.7 * seen[0]
    first = trainer("parts")
    parts = first.run(until=9)
    first.save()
    assert parts + trainer("parts").run() == losses


def test_a_whisper_model_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be loaded"):
        WhisperEncoder(str(tmp_path))
