"""A graft begins with what it is given, follows its recipe, and becomes a checkpoint."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gptasr_subs.errors import ModelError, UsageError
from gptasr_subs.model.checkpoint import load_checkpoint, save_checkpoint
from gptasr_subs.model.encoder import build_encoder
from gptasr_subs.training.encoders import save_encoder
from gptasr_subs.training.evaluation import read_dev_set, score
from gptasr_subs.training.export import average, export
from gptasr_subs.training.graft import START_FOLDER, read_sentences, start, train
from gptasr_subs.training.metrics_log import MetricsLog, last_points
from gptasr_subs.training.options import Graft, GraftOptions, Phase, read_recipe
from gptasr_subs.training.store import AudioStore
from gptasr_subs.training.trainer import STATE_FILE, read_state
from tests.support.tiny import tiny_checkpoint
from tests.support.tones import PLAN, TEXTS, make_corpus, make_store, texts, tiny_start


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
