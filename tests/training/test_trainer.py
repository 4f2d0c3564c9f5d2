"""A run learns, resumes after a kill, and is the same in two processes."""

from __future__ import annotations

import faulthandler
import weakref
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from gptasr_subs.errors import ModelError
from gptasr_subs.model import ctc
from gptasr_subs.model.network import GptAsr
from gptasr_subs.training.batches import NO_TOKEN, Batches, TextBatches
from gptasr_subs.training.frames import FrameCache
from gptasr_subs.training.graft import joined
from gptasr_subs.training.noise import read_noises
from gptasr_subs.training.old_encoder import OldEncoder
from gptasr_subs.training.options import GraftOptions, Phase
from gptasr_subs.training.store import AudioStore
from gptasr_subs.training.trainer import STATE_FILE, Trainer, mask_time, schedule
from tests.support.tiny import tiny_checkpoint
from tests.support.tones import PLAN, TEXTS, make_store, tiny_start


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> AudioStore:
    return make_store(tmp_path_factory.mktemp("corpus"), clips=12)


def make_trainer(
    store: AudioStore, folder: Path, options: GraftOptions = PLAN, rank: int = 0, world: int = 1
) -> Trainer:
    begun = tiny_start(store)
    torch.manual_seed(0)
    batches = Batches(
        store, read_noises(None), begun.tokenizer, begun.config, options, rank=rank, world=world
    )
    encoder = begun.model.speech_encoder.encoder
    front = begun.config.front_end
    batches.cache = FrameCache(folder / f"cache{rank}", store, front, encoder)
    batches.cache.fill(encoder, front, bf16=False, on_progress=lambda done, of: None)
    sentences = TextBatches(TEXTS, begun.tokenizer, begun.config, size=3)
    old = OldEncoder(tiny_checkpoint(2), begun.config)
    return Trainer(begun.model, batches, options, folder, sentences=sentences, old_encoder=old)


def losses_of(trainer: Trainer, stop_at: int | None = None) -> list[float]:
    losses: list[float] = []
    trainer.report = lambda step, values: losses.append(values["loss"])
    trainer.run(stop_at)
    return losses


def weights(trainer: Trainer) -> np.ndarray:
    return torch.cat([value.flatten().float() for value in trainer.averaged().values()]).numpy()


@pytest.mark.parametrize("kills", [(3, 7), (1, 5)])
def test_a_killed_run_resumes_as_if_it_had_not_been(
    store: AudioStore, tmp_path: Path, kills: tuple[int, int]
) -> None:
    """It is killed between two saves, so that steps are done again; in every phase."""
    whole = make_trainer(store, tmp_path / "whole")
    losses = losses_of(whole)
    for kill in kills:
        trainer = make_trainer(store, tmp_path / "killed")
        assert trainer.step % 2 == 0
        first = trainer.step
        assert losses_of(trainer, kill) == losses[first:kill]
    last = make_trainer(store, tmp_path / "killed")
    losses_of(last)
    np.testing.assert_array_equal(weights(last), weights(whole))
    assert last.seconds == whole.seconds


def test_each_phase_trains_the_parts_it_names(store: AudioStore, tmp_path: Path) -> None:
    trainer = make_trainer(store, tmp_path)
    changed = []
    for step in (3, 6, 9):
        before = {name: [p.detach().clone() for p in part] for name, part in trainer.parts.items()}
        trainer.run(step)
        changed.append(
            {
                name
                for name, part in trainer.parts.items()
                if any(
                    not torch.equal(old, new) for old, new in zip(before[name], part, strict=True)
                )
            }
        )
    assert changed == [{"adapter"}, {"adapter", "gpt"}, {"adapter", "gpt", "encoder"}]


def test_learning_rates_rise_and_fall_in_each_phase() -> None:
    phase = Phase(100)
    shares = [schedule(PLAN, phase, step) for step in range(100)]
    assert shares[:3] == [0.5, 1.0, 1.0] and shares[40] == 1.0
    assert shares[70] == pytest.approx(0.5) and shares[99] == pytest.approx(0.03)


def test_masks_hide_stretches_of_each_clip() -> None:
    torch.manual_seed(0)
    frames = torch.ones(2, 400, 3)
    masked = mask_time(frames, torch.tensor([400, 40]), 50, 10)
    hidden = (masked == 0).all(-1)
    assert 0 < hidden[0].sum() <= 8 * 10
    assert not hidden[1].any()


def test_a_failed_save_leaves_the_last_one(
    store: AudioStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(store, tmp_path)
    trainer.run(2)
    before = (tmp_path / STATE_FILE).read_bytes()

    def break_off(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", break_off)
    with pytest.raises(OSError, match="disk full"):
        trainer.save()
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(
    store: AudioStore, tmp_path: Path
) -> None:
    trainer = make_trainer(store, tmp_path)
    trainer.run(2)
    before = (tmp_path / STATE_FILE).read_bytes()
    with torch.no_grad():
        trainer.network.final_norm.bias.fill_(torch.nan)  # read from the second phase on
    with pytest.raises(ModelError, match="step 3"):
        trainer.run()
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_evaluation_sees_averaged_weights_and_changes_none(
    store: AudioStore, tmp_path: Path
) -> None:
    trainer = make_trainer(store, tmp_path / "one", replace(PLAN, evaluate_every=2))
    seen: list[int] = []

    def look(network: GptAsr, step: int) -> None:
        seen.append(step)
        assert not network.training
        assert all(torch.equal(p, trainer.average[name]) for name, p in network.named_parameters())

    trainer.evaluate = look
    losses = losses_of(trainer, 5)
    assert seen == [2, 4]
    assert losses == losses_of(make_trainer(store, tmp_path / "other"), 5)


def met(rank: int, folder: Path) -> AbstractContextManager[None]:
    meeting = f"file://{folder / 'meeting'}"
    return joined(
        "gloo", init_method=meeting, timeout=timedelta(seconds=120), world_size=2, rank=rank
    )


def second_process(corpus: Path, folder: Path) -> None:
    # a crash in gloo's own threads would else leave no trace but the exit code
    faulthandler.enable()
    torch.set_num_threads(1)
    with met(1, folder):
        group = weakref.ref(dist.group.WORLD)
        make_trainer(AudioStore(corpus), folder, rank=1, world=2).run(7)
    assert group() is None, "its threads would outlive it"


def test_two_processes_end_with_the_same_weights(store: AudioStore, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    child = multiprocessing.get_context("spawn").Process(
        target=second_process, args=(store.folder, tmp_path / "two"), daemon=True
    )
    child.start()
    with met(0, tmp_path / "two"):
        two = make_trainer(store, tmp_path / "two", rank=0, world=2)
        two.run(7)
    child.join(60)
    assert child.exitcode == 0
    one = make_trainer(store, tmp_path / "one")
    one.run(7)
    assert two.seconds > 1.5 * one.seconds
    assert np.isfinite(weights(two)).all() and not np.array_equal(weights(two), weights(one))


def test_a_cache_of_frames_is_filled_once(store: AudioStore, tmp_path: Path) -> None:
    begun = tiny_start(store)
    encoder = begun.model.speech_encoder.encoder
    front = begun.config.front_end
    progress: list[tuple[int, int]] = []
    cache = FrameCache(tmp_path, store, front, encoder)
    cache.fill(encoder, front, bf16=False, on_progress=lambda done, of: progress.append((done, of)))
    assert progress[-1] == (len(store), len(store))
    samples = torch.from_numpy(store.samples(3))
    with torch.inference_mode():
        alone, _ = encoder(samples[None, None], torch.tensor([len(samples)]))
    torch.testing.assert_close(cache.frames(3), alone[0], atol=2e-3, rtol=2e-3)
    assert FrameCache(tmp_path, store, front, encoder).done == len(store)
    with torch.no_grad():
        next(encoder.parameters()).add_(1)
    assert FrameCache(tmp_path, store, front, encoder).done == 0


def test_batches_hold_what_is_said(store: AudioStore, tmp_path: Path) -> None:
    trainer = make_trainer(store, tmp_path)
    tokenizer = trainer.batches.tokenizer
    known = {store.text(index) for index in range(len(store))}
    for step in (0, 7):
        batch = trainer.batches.at(step)
        again = trainer.batches.at(step)
        assert torch.equal(batch.inputs, again.inputs) and torch.equal(batch.tokens, again.tokens)
        said = [tokenizer.decode([int(t) for t in row[1:] if t > 0]) for row in batch.tokens]
        assert all(any(text.startswith(one) for one in known) for text in said)
        spelled = [len(ctc.encode(text)) for text in said]
        assert batch.ctc_target_lengths.tolist() == spelled and len(batch.ctc_targets) == sum(
            spelled
        )
        assert (batch.tokens[:, 0] == trainer.network.config.start_token).all()
        assert ((batch.tokens == 0).sum(1) == 1).all() and (
            batch.tokens[batch.tokens < 0] == NO_TOKEN
        ).all()


def test_the_old_encoder_gives_a_position_for_each_new_one(store: AudioStore) -> None:
    begun = tiny_start(store)
    old = OldEncoder(tiny_checkpoint(2), begun.config)
    clips = [store.samples(index) for index in (0, 1)]
    lengths = torch.tensor([len(clip) // 1536 for clip in clips])
    positions = old.positions(clips, lengths)
    assert positions.shape == (2, int(lengths.max()), begun.config.width)
    assert bool((positions[0, int(lengths[0]) :] == 0).all())
