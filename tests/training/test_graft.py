"""A graft learns, resumes after a kill, is the same in two processes, and becomes a checkpoint."""

from __future__ import annotations

import faulthandler
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from gptasr_subs.errors import ModelError, UsageError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint
from gptasr_subs.model.encoder import build_encoder
from gptasr_subs.model.network import GptAsr
from gptasr_subs.training.batches import NO_TOKEN, Batches, TextBatches
from gptasr_subs.training.encoders import save_encoder
from gptasr_subs.training.evaluation import read_dev_set, score
from gptasr_subs.training.export import average, export
from gptasr_subs.training.frames import FrameCache
from gptasr_subs.training.graft import START_FOLDER, joined, read_sentences, start, train
from gptasr_subs.training.metrics_log import MetricsLog, last_points
from gptasr_subs.training.noise import read_noises
from gptasr_subs.training.old_encoder import OldEncoder
from gptasr_subs.training.options import Graft, GraftOptions, Phase, read_recipe
from gptasr_subs.training.store import AudioStore
from gptasr_subs.training.trainer import STATE_FILE, Trainer, mask_time, read_state, schedule
from tests.support.tiny import tiny_checkpoint
from tests.support.tones import make_corpus, make_store, texts, tiny_start

TEXTS = ["Bah dee.", "Koo sow.", "Dee."]

# All phases, text-only batches, warm-up and all that is left to chance, within a few steps.
PLAN = GraftOptions(
    adapter=Phase(3, distil=1.0, batch_seconds=4),
    text=Phase(3, gpt_lr=1e-3, batch_seconds=4, joined=0.5),
    full=Phase(3, gpt_lr=1e-3, encoder_lr=1e-4, batch_seconds=4, joined=0.5),
    warmup=2,
    lm_every=2,
    lm_batch=3,
    dropout=0.1,
    token_noise=0.2,
    mask_every=0.5,
    mask_seconds=0.2,
    longest=3.0,
    save_every=2,
    report_every=1,
    evaluate_every=0,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> AudioStore:
    return make_store(tmp_path_factory.mktemp("corpus"), clips=12)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums of floats depend on how many threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, an encoder, a checkpoint to graft onto, and sentences."""
    folder = tmp_path_factory.mktemp("workshop")
    make_store(folder, clips=12)
    onto = tiny_checkpoint(2)
    save_checkpoint(folder / "onto", onto)
    encoder = tiny_start(AudioStore(folder / "store")).config.encoder
    assert encoder is not None
    facts = {"name": "Tiny", "licence": "MIT", "copyright": "Nobody", "source": "a test"}
    torch.manual_seed(1)
    save_encoder(folder / "encoder", encoder, encoder=build_encoder(encoder), facts=facts)
    held_out = texts(12)[:2]
    make_corpus(folder / "dev", held_out, name="dev")
    (folder / "texts.txt").write_text(
        "\n".join([*TEXTS, held_out[0], "In 1999."]) + "\n", encoding="utf-8"
    )
    return folder


def plan(folder: Path, run: str = "run", options: GraftOptions = PLAN) -> Graft:
    return Graft(
        str(folder / "encoder"),
        str(folder / "onto"),
        store=folder / "store",
        folder=folder / run,
        text=folder / "texts.txt",
        dev=(folder / "dev" / "dev.tsv",),
        device="cpu",
        options=options,
    )


def test_a_graft_begins_with_the_encoder_and_the_gpt_it_is_given(workshop: Path) -> None:
    begun = start(plan(workshop))
    onto = load_checkpoint(workshop / "onto")
    assert begun.config.generation == 3 and begun.config.vocabulary == onto.config.vocabulary
    assert torch.equal(begun.model.gpt.wte.weight, onto.model.gpt.wte.weight)
    assert begun.model.ctc_head is not None and onto.model.ctc_head is not None
    assert torch.equal(begun.model.ctc_head.linear.weight, onto.model.ctc_head.linear.weight)
    assert begun.metadata["encoder"]["licence"] == "MIT"


def test_a_graft_runs_is_exported_and_is_gone_on_with(workshop: Path, tmp_path: Path) -> None:
    options = replace(PLAN, evaluate_every=9, dev_clips=2)
    train(plan(workshop, options=options), stop_at=4)
    trainer = train(plan(workshop, options=options))
    assert trainer.step == 9
    points = last_points(workshop / "run")
    assert points["train/loss"][0] == 9 and points["dev/ctc"][0] == 9
    made = export(workshop / "run", tmp_path / "mine")
    assert made.metadata["encoder"]["name"] == "Tiny" and made.metadata["steps"] == 9
    loaded = load_checkpoint(tmp_path / "mine")
    averaged = read_state(workshop / "run")["average"]["final_norm.weight"]
    torch.testing.assert_close(
        loaded.model.final_norm.weight.detach(), averaged, atol=1e-3, rtol=1e-3
    )
    further = replace(
        plan(workshop, "further"),
        onto=str(tmp_path / "mine"),
        options=replace(PLAN, adapter=Phase(0), text=Phase(0)),
    )
    assert torch.equal(start(further).model.final_norm.weight, loaded.model.final_norm.weight)
    assert train(further).step == 3


def test_the_mean_of_checkpoints(tmp_path: Path) -> None:
    one, other = tiny_checkpoint(2), tiny_checkpoint(2)
    with torch.no_grad():
        other.model.final_norm.weight += 3
    save_checkpoint(tmp_path / "one", one, half=False)
    save_checkpoint(tmp_path / "other", other, half=False)
    average([tmp_path / "one", tmp_path / "one", tmp_path / "other"], tmp_path / "mean")
    found = load_checkpoint(tmp_path / "mean")
    assert found.name == "mean" and found.tokenizer.to_json() == one.tokenizer.to_json()
    expected = one.model.final_norm.weight.detach() + 1
    torch.testing.assert_close(found.model.final_norm.weight.detach(), expected, rtol=1e-3, atol=0)
    save_checkpoint(tmp_path / "mute", tiny_checkpoint(2, ctc=False))
    with pytest.raises(UsageError, match="of one shape"):
        average([tmp_path / "one", tmp_path / "mute"], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_graft_needs_a_ctc_head(workshop: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "mute", tiny_checkpoint(2, ctc=False))
    with pytest.raises(ModelError, match="has no CTC head"):
        start(replace(plan(workshop), onto=str(tmp_path / "mute")))


def test_sentences_leave_out_digits_and_held_out_texts(workshop: Path) -> None:
    assert read_sentences(plan(workshop)) == TEXTS


def test_a_score_counts_the_words_that_differ(workshop: Path) -> None:
    checkpoint = start(plan(workshop))
    clips = read_dev_set(workshop / "dev" / "dev.tsv", checkpoint.config, 10)
    assert len(clips) == 2 and len(clips[0][0]) <= len(clips[1][0])
    found = score(checkpoint.model.eval(), checkpoint.tokenizer, "dev", clips)
    assert found.text > 0 and set(found.to_dict()) == {"dev/ctc", "dev/text", "dev/cased"}
    assert (
        read_dev_set(
            workshop / "dev" / "dev.tsv", replace(checkpoint.config, max_mel_frames=1536), 10
        )
        == []
    )


def test_metrics_keep_the_last_point_of_each(tmp_path: Path) -> None:
    assert last_points(tmp_path) == {}
    for step, value in ((1, 3.0), (2, 2.5)):
        metrics = MetricsLog(tmp_path, step)
        metrics.add(step, {"train/loss": value, "dev/ctc": 10 * value})
        metrics.close()
    assert last_points(tmp_path) == {"train/loss": (2, 2.5), "dev/ctc": (2, 25.0)}


def test_a_recipe_sets_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        "seed = 3\nctc_weight = 1\n[weights]\ntones = 2\n[full]\nsteps = 7\n"
        "[augmentation]\ngain = [-3.0, 3.0]\n",
        encoding="utf-8",
    )
    options = read_recipe(file)
    assert (options.seed, options.ctc_weight, options.full.steps) == (3, 1, 7)
    assert options.weights == {"tones": 2} and options.augmentation.gain == (-3.0, 3.0)
    assert options.adapter == GraftOptions().adapter and options.full.lr == GraftOptions().full.lr


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("seeds = 1", "no option"),
        ("[full]\nlr = 'high'", "sets lr"),
        ("seed =", "not a recipe in TOML"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=reason):
        read_recipe(tmp_path / "recipe.toml")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no last\.pt"):
        read_state(tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        read_state(tmp_path)
    assert START_FOLDER == "start"


def test_help_is_quick_to_import() -> None:
    heavy = "{'torch', 'numpy', 'transformers', 'soundfile', 'rich'}"
    code = f"import sys, gptasr_subs.cli.train; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
