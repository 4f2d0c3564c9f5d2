"""A run learns, goes on after a kill as if nothing had been, is the same in two processes, and becomes a checkpoint."""

from __future__ import annotations

import faulthandler
import json
import re
import subprocess
import sys
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torch.distributed as dist
from tones import RATE, make_corpus, make_store, texts, tiny_setting
from torch import Tensor, multiprocessing
from typer.main import get_command
from typer.testing import CliRunner, Result

from gptasr_subs.cli.train import app
from gptasr_subs.errors import ModelError, UsageError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import load_checkpoint
from gptasr_subs.model.features import LogMel
from gptasr_subs.model.network import GptAsr
from gptasr_subs.training.batches import Batches, TextBatches
from gptasr_subs.training.corpora import STORE_FRONT, MelStore, build_store, read_manifest
from gptasr_subs.training.curves import Curves, last_points
from gptasr_subs.training.evaluation import read_dev_set, score
from gptasr_subs.training.export import export
from gptasr_subs.training.options import Augmentation, Recipe, Sampling, TrainOptions
from gptasr_subs.training.recipe import SHAPES, joined, open_run, read_sentences, read_shape, train
from gptasr_subs.training.trainer import STATE_FILE, Trainer, ctc_loss, read_state

# Both phases, text-only batches, accumulation, warm-up and all that is left to chance, within a few steps.
PLAN = TrainOptions(
    steps=9,
    ctc_steps=4,
    decay_from=6,
    warmup=3,
    accumulate=2,
    text_every=2,
    augment_over=6,
    save_every=3,
    bf16=False,
    dropout=0.1,
    token_noise=0.2,
)
SAMPLING = Sampling(batch_seconds=3.0, longest=3.0)
TEXTS = ["Bah dee.", "Koo sow.", "Dee."]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MelStore:
    return make_store(tmp_path_factory.mktemp("corpus"), clips=12)


def make_trainer(
    store: MelStore,
    folder: Path,
    options: TrainOptions = PLAN,
    rank: int = 0,
    world: int = 1,
    sampling: Sampling = SAMPLING,
) -> Trainer:
    config, tokenizer, noises = tiny_setting(store)
    torch.manual_seed(0)
    batches = Batches(store, noises, tokenizer, config, sampling, rank, world)
    return Trainer(GptAsr(config), batches, options, folder, texts=TextBatches(TEXTS, tokenizer, config))


def weights(trainer: Trainer) -> np.ndarray:
    return torch.cat([value.flatten() for value in trainer.averaged().values()]).numpy()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_goes_on_as_if_it_had_not_been(store: MelStore, tmp_path: Path, workers: int) -> None:
    """It is killed between two saves, so that steps are done again; and either side of the change of phase."""
    whole = make_trainer(store, tmp_path / "whole")
    losses = whole.run()
    plan = replace(PLAN, workers=workers)
    make_trainer(store, tmp_path / "killed", plan).run(until=5)
    second = make_trainer(store, tmp_path / "killed", plan)
    assert second.step == 3
    assert second.run(until=8) == losses[3:8]
    third = make_trainer(store, tmp_path / "killed", plan)
    assert third.step == 6
    assert third.run() == losses[6:]
    np.testing.assert_array_equal(weights(third), weights(whole))
    assert third.heard == whole.heard


def test_dropout_is_for_training_alone(store: MelStore, tmp_path: Path) -> None:
    network = make_trainer(store, tmp_path).network
    mel = torch.randn(2, 80, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, second = (network.train().encode(mel).features for _ in range(2))
        assert not torch.equal(first, second)
        still, again = (network.eval().encode(mel).features for _ in range(2))
        assert torch.equal(still, again)


def test_a_failed_save_leaves_the_last_one(store: MelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make_trainer(store, tmp_path)
    trainer.run(until=3)
    before = (tmp_path / STATE_FILE).read_bytes()

    def break_off(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", break_off)
    with pytest.raises(OSError, match="disk full"):
        trainer.save()
    assert (tmp_path / STATE_FILE).read_bytes() == before


def met(rank: int, folder: Path) -> AbstractContextManager[None]:
    meeting = f"file://{folder / 'meeting'}"
    return joined("gloo", init_method=meeting, timeout=timedelta(seconds=120), world_size=2, rank=rank)


def second_process(corpus: Path, folder: Path) -> None:
    faulthandler.enable()  # a crash in gloo's own threads would else leave no trace but the exit code
    torch.set_num_threads(1)
    with met(1, folder):
        group = weakref.ref(dist.group.WORLD)
        options = replace(PLAN, accumulate=1)
        make_trainer(MelStore(corpus), folder, options, rank=1, world=2).run(until=7)
    assert group() is None, "its threads would outlive it"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of floats depend on how many threads share them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_two_processes_compute_what_one_does_with_the_same_batches(
    store: MelStore, tmp_path: Path, one_thread: None
) -> None:
    build_store(read_manifest(make_corpus(tmp_path, texts(12))), tmp_path / "store")
    (tmp_path / "two").mkdir()
    child = multiprocessing.get_context("spawn").Process(
        target=second_process, args=(tmp_path / "store", tmp_path / "two"), daemon=True
    )
    child.start()
    with met(0, tmp_path / "two"):
        two = make_trainer(store, tmp_path / "two", replace(PLAN, accumulate=1), rank=0, world=2)
        losses = two.run(until=7)
    child.join(60)
    assert child.exitcode == 0
    one = make_trainer(store, tmp_path / "one")
    np.testing.assert_allclose(losses, one.run(until=7), rtol=1e-5)
    np.testing.assert_allclose(weights(two), weights(one), atol=1e-5)
    assert two.heard == pytest.approx(one.heard)


@dataclass
class Learned:
    trainer: Trainer
    losses: list[float]

    @property
    def network(self) -> GptAsr:
        return self.trainer.network.eval()


@pytest.fixture(scope="module")
def learned(store: MelStore, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    clear = Augmentation(amount=0)
    plan = TrainOptions(steps=60, ctc_steps=60, decay_from=50, warmup=5, rate=4e-3, bf16=False, augmentation=clear)
    sampling = Sampling(batch_seconds=8.0, shortest_limit=5.0, joined=0.0, noise_only=0.0)
    trainer = make_trainer(store, tmp_path_factory.mktemp("run"), plan, sampling=sampling)
    return Learned(trainer, trainer.run())


def test_ctc_learns_a_few_clips_by_heart(learned: Learned) -> None:
    assert np.mean(learned.losses[:3]) > 2.5
    assert np.mean(learned.losses[-5:]) < 1.2  # measured: 0.25 to 0.70 with five seeds


def test_what_is_learned_is_in_the_sound(learned: Learned) -> None:
    batch = learned.trainer.batches.at(0, Augmentation(amount=0))
    with torch.no_grad():
        right, wrong = (
            ctc_loss(learned.network, learned.network.encode(mel).features, batch).item()
            for mel in (batch.mel, batch.mel.roll(1, 0))
        )
    assert wrong > 2 * right


def test_a_score_counts_the_words_that_differ(learned: Learned) -> None:
    """Against what the network hears in each clip alone, in batches of clips of other lengths."""
    network, tokenizer = learned.network, learned.trainer.batches.tokenizer
    store, front = learned.trainer.batches.store, network.config.front_end
    clips = []
    for index in range(6):
        mel = (torch.from_numpy(store.mel(index)).T - torch.tensor(front.shift)[:, None]) / torch.tensor(front.scale)[
            :, None
        ]
        with torch.no_grad():
            heard = ctc.greedy_text(network.ctc_head(network.encode(mel[None]).features)[0])  # type: ignore[misc]
        clips.append((mel, f"{heard} bah"))
    words = sum(len(text.split()) for _, text in clips)
    plain = score(network, tokenizer, "dev", clips, with_text=False, size=4)
    assert plain.ctc == pytest.approx(100 * len(clips) / words)
    assert (plain.text, plain.cased) == (100.0, None)
    cased = score(network, tokenizer, "dev", [(mel, f"{text}!") for mel, text in clips], with_text=True)
    assert cased.ctc == plain.ctc
    assert set(cased.to_dict()) == {"dev/ctc", "dev/text", "dev/cased"}


def test_a_loss_that_is_no_number_ends_the_run_before_it_is_saved(store: MelStore, tmp_path: Path) -> None:
    trainer = make_trainer(store, tmp_path)
    trainer.run(until=3)
    before = (tmp_path / STATE_FILE).read_bytes()
    with torch.no_grad():
        trainer.network.final_norm.bias.fill_(torch.nan)  # heard from the second phase on
    with pytest.raises(ModelError, match="step 4"):
        trainer.run()
    assert (tmp_path / STATE_FILE).read_bytes() == before


def test_evaluation_sees_averaged_weights_and_changes_none(store: MelStore, tmp_path: Path) -> None:
    trainer = make_trainer(store, tmp_path, replace(PLAN, evaluate_every=2))
    seen: list[int] = []

    def look(network: GptAsr, step: int) -> None:
        seen.append(step)
        assert not network.training
        assert all(torch.equal(p, trainer.average[name]) for name, p in network.named_parameters())

    trainer.evaluate = look
    losses = trainer.run(until=5)
    assert seen == [2, 4]
    assert losses == make_trainer(store, tmp_path / "other").run(until=5)


def test_curves_keep_the_last_point_of_each(tmp_path: Path) -> None:
    assert last_points(tmp_path) == {}
    for step, value in ((1, 3.0), (2, 2.5)):
        curves = Curves(tmp_path, step)
        curves.add(step, {"train/loss": value, "dev/ctc": 10 * value})
        curves.close()
    assert last_points(tmp_path) == {"train/loss": (2, 2.5), "dev/ctc": (2, 25.0)}


SHAPE = {"layers": 1, "width": 64, "heads": 1, "blocks": [1, 1, 1], "max_mel_frames": 400, "max_text_tokens": 40}


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and a run of six steps, stopped on the way and gone on with, all by the command line."""
    folder = tmp_path_factory.mktemp("workshop")
    sentences = texts(14)
    train_manifest = make_corpus(folder / "train", sentences)
    dev = make_corpus(folder / "dev", sentences[:2], name="dev")
    soundfile.write(folder / "noise.flac", np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    (folder / "noise.tsv").write_text("file\nnoise.flac\n", encoding="utf-8")
    (folder / "shape.json").write_text(json.dumps(SHAPE), encoding="utf-8")
    (folder / "texts.txt").write_text("\n".join([*TEXTS, sentences[0], "In 1999."]) + "\n", encoding="utf-8")
    done = command("prepare", train_manifest, "--store", folder / "store", "--dev", dev)
    assert done.exit_code == 0, done.output
    for until in (3, 0):
        done = command(*run_words(folder), "--until", until)
        assert done.exit_code == 0, done.output
    return folder


def run_words(folder: Path) -> list[object]:
    words = f"run --store {folder}/store --out {folder}/run --config {folder}/shape.json --text {folder}/texts.txt"
    plan = "--vocabulary 64 --steps 6 --batch 3 --shortest-limit 3 --save-every 3 --evaluate-every 3 --no-bf16"
    return [*words.split(), *plan.split(), "--dev", folder / "dev" / "dev.tsv", "--noise", folder / "noise.tsv"]


def test_the_command_line_prepares_runs_and_goes_on(workshop: Path) -> None:
    run = workshop / "run"
    log = (run / "log.txt").read_text(encoding="utf-8")
    assert "12 clips, from step 0" in log and "12 clips, from step 3" in log
    assert "WER at step 6: dev/ctc" in log
    assert last_points(run)["dev/ctc"][0] == last_points(run)["train/loss"][0] == 6
    config, tokenizer = open_run(run)
    assert (config.layers, config.vocabulary) == (1, tokenizer.size)
    assert len(config.front_end.shift) == 80 and config.front_end.level == STORE_FRONT.level
    done = command(*run_words(workshop))
    assert done.exit_code == 0 and "step 6 of 6" in done.stderr


def test_sentences_for_text_batches_leave_out_digits_and_held_out_texts(workshop: Path) -> None:
    recipe = Recipe(workshop, workshop, texts=workshop / "texts.txt", dev=(workshop / "dev" / "dev.tsv",))
    assert read_sentences(recipe) == TEXTS


def test_an_exported_run_is_the_averaged_network(workshop: Path, tmp_path: Path) -> None:
    done = command("export", workshop / "run", tmp_path / "mine", "--start-offset", "-0.1")
    assert done.exit_code == 0, done.output
    checkpoint = load_checkpoint(tmp_path / "mine")
    state = torch.load(workshop / "run" / STATE_FILE, weights_only=True)
    network = GptAsr(open_run(workshop / "run")[0]).eval()
    mel, tokens = (
        torch.randn(2, 80, 96, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[1, 5, 6], [1, 7, 2]]),
    )

    def logits(model: GptAsr) -> Tensor:
        with torch.no_grad():
            read: Tensor = model(mel, tokens)
            return read

    network.load_state_dict({**state["network"], **state["average"]})
    averaged, shipped = logits(network), logits(checkpoint.model)
    network.load_state_dict(state["network"])
    assert (shipped - averaged).abs().max() < 0.02 < (logits(network) - averaged).abs().max()
    assert checkpoint.start_offset == -0.1
    assert checkpoint.metadata["steps"] == 6 and "dev/ctc" in checkpoint.metadata["wer"]


def test_a_run_may_begin_with_the_weights_of_a_checkpoint(workshop: Path, tmp_path: Path) -> None:
    made = export(workshop / "run", tmp_path / "first")
    start, noise = str(tmp_path / "first"), workshop / "noise.tsv"
    recipe = Recipe(workshop / "store", tmp_path / "second", start=start, noise=noise, sampling=SAMPLING)
    second = train(replace(recipe, options=replace(PLAN, steps=1, rate=0.0)))
    assert second.network.config == made.config
    begun, given = second.network.state_dict(), load_checkpoint(tmp_path / "first").model.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in given.items())


def test_a_run_may_add_to_the_shape_it_begins_with(workshop: Path, tmp_path: Path) -> None:
    start, shape, noise = str(tmp_path / "first"), tmp_path / "shape.json", workshop / "noise.tsv"
    small = export(workshop / "run", tmp_path / "first").config
    added = {"layers": small.layers + 1}
    shape.write_text(json.dumps(added), encoding="utf-8")
    recipe = Recipe(workshop / "store", tmp_path / "grown", str(shape), start, noise=noise, sampling=SAMPLING)
    trainer = train(replace(recipe, options=replace(PLAN, steps=1, rate=0.0)))
    assert open_run(tmp_path / "grown")[0] == replace(small, **added)
    given, begun = load_checkpoint(start).model.state_dict(), trainer.network.state_dict()
    assert all(torch.equal(begun[name], value) for name, value in given.items())
    shape.write_text(json.dumps({"layers": small.layers - 1}), encoding="utf-8")
    with pytest.raises(UsageError, match="may only add layers"):
        train(replace(recipe, folder=tmp_path / "shrunk"))


def test_what_cannot_be_run_or_exported_is_refused_in_a_sentence(workshop: Path, tmp_path: Path) -> None:
    other = command(*run_words(workshop), "--config", "small")
    assert other.exit_code == 2 and "has another shape" in other.stderr
    assert command("export", tmp_path, tmp_path / "x").exit_code == 1
    assert "--weight 'a'" in command(*run_words(workshop), "--weight", "a").stderr
    with pytest.raises(ModelError, match=r"holds no last\.pt"):
        read_state(tmp_path)
    with pytest.raises(UsageError, match="take one of shipped, small, large"):
        read_shape("tiny")
    (tmp_path / "s.json").write_text('{"layer": 2}', encoding="utf-8")
    with pytest.raises(UsageError, match="does not describe a network"):
        read_shape(str(tmp_path / "s.json"))


def test_every_named_shape_builds() -> None:
    for name, shape in SHAPES.items():
        assert shape.ctc_classes == ctc.CLASSES and shape.start_token == 1, name
    assert read_shape("shipped").blocks == (1, 2, 12)


def test_help_is_quick_to_import() -> None:
    heavy = "{'torch', 'numpy', 'transformers', 'soundfile', 'rich'}"
    code = f"import sys, gptasr_subs.cli.train; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_page_on_training_names_only_options_that_exist() -> None:
    page = (Path(__file__).parent.parent / "docs" / "training.md").read_text(encoding="utf-8")
    lines = re.findall(r"gptasr-subs-train (\w+) (.*)|gptasr_subs\.cli\.train (\w+) (.*)", page)
    used = {
        (name or other, option) for name, rest, other, more in lines for option in re.findall(r"--[\w-]+", rest + more)
    }
    known = {(name, o) for name, part in get_command(app).commands.items() for p in part.params for o in p.opts}  # type: ignore[attr-defined]
    assert {name for name, _ in used} == {"import", "synthesise", "label", "prepare", "hear", "run", "calibrate"}
    assert used <= known


def test_dev_clips_longer_than_the_network_reads_are_not_scored(tmp_path: Path) -> None:
    manifest = make_corpus(tmp_path, ["Bah.", "Bah dee koo sow bah dee koo sow."])
    config = tiny_setting(make_store(tmp_path / "clips"))[0]
    clips = read_dev_set(manifest, LogMel(config.front_end), 10, max_frames=150)
    assert [text for _, text in clips] == ["Bah."]
