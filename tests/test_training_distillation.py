"""A student moves towards its teacher, who hears the same sound in its own way; who cannot be compared is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tones import make_store, tiny_setting
from torch import Tensor
from typer.testing import CliRunner, Result

from gptasr_subs.cli.train import app
from gptasr_subs.errors import UsageError
from gptasr_subs.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.tokenizer import Tokenizer, train_bpe
from gptasr_subs.training.batches import Batch, Batches
from gptasr_subs.training.corpora import MelStore
from gptasr_subs.training.curves import last_points
from gptasr_subs.training.distillation import Teacher, divergence
from gptasr_subs.training.options import Augmentation, Sampling, TrainOptions
from gptasr_subs.training.recipe import open_run
from gptasr_subs.training.trainer import Trainer, read_state

SAMPLING = Sampling(batch_seconds=4.0, longest=3.0, shortest_limit=3.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> MelStore:
    return make_store(tmp_path_factory.mktemp("corpus"), clips=8)


@pytest.fixture(scope="module")
def batches(store: MelStore) -> Batches:
    config, tokenizer, noises = tiny_setting(store)
    return Batches(store, noises, tokenizer, config, SAMPLING)


def network(batches: Batches, seed: int, **changes: object) -> GptAsr:
    torch.manual_seed(seed)
    return GptAsr(replace(batches.config, **changes)).eval()  # type: ignore[arg-type]


def checkpoint(batches: Batches, seed: int = 1, tokenizer: Tokenizer | None = None, **changes: object) -> Checkpoint:
    model = network(batches, seed, **changes)
    return Checkpoint("wise", model.config, model, tokenizer or batches.tokenizer)


def teacher_of(batches: Batches, **changes: object) -> Teacher:
    return Teacher(checkpoint(batches, **changes), batches.config, batches.tokenizer)  # type: ignore[arg-type]


def distance(teacher: Teacher, student: GptAsr, batch: Batch, joint: bool = True, ctc_weight: float = 0.5) -> Tensor:
    encoded = student.encode(batch.mel)
    logits = student.read(encoded, batch.tokens[:, :-1].clamp_min(0)) if joint else None
    return teacher.loss(student, encoded, logits, batch, ctc_weight)


def test_the_divergence_is_that_of_the_two_distributions() -> None:
    rng = np.random.default_rng(0)
    wanted, found = rng.dirichlet(np.ones(5), 7), rng.dirichlet(np.ones(5), 7)
    expected = (wanted * np.log(wanted / found)).sum(-1)
    shift = rng.normal(size=(7, 1))  # logits are known up to a constant
    got = divergence(torch.from_numpy(np.log(wanted) + shift), torch.from_numpy(np.log(found) - shift))
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5)


def test_who_knows_what_the_teacher_knows_is_at_no_distance(batches: Batches) -> None:
    batch, teacher = batches.at(0, Augmentation()), teacher_of(batches)
    same, other = network(batches, 1), network(batches, 2)
    with torch.no_grad():
        for joint in (True, False):
            assert distance(teacher, same, batch, joint).item() == pytest.approx(0, abs=1e-5)
            assert distance(teacher, other, batch, joint).item() > 0.01


def test_padding_does_not_count(batches: Batches) -> None:
    batch, teacher, student = batches.at(0, Augmentation()), teacher_of(batches), network(batches, 2)
    longer = replace(batch, tokens=torch.nn.functional.pad(batch.tokens, (0, 3), value=-100))
    with torch.no_grad():
        torch.testing.assert_close(distance(teacher, student, batch), distance(teacher, student, longer))


def test_a_teacher_hears_through_its_own_front_end(batches: Batches) -> None:
    """Statistics of another corpus: the same sound must reach the teacher's network as if it had been its own."""
    own = batches.config.front_end
    front = replace(own, shift=tuple(np.linspace(-9, 2, 80).tolist()), scale=tuple(np.linspace(0.5, 3, 80).tolist()))
    teacher = teacher_of(batches, front_end=front)
    raw = torch.randn(2, 80, 50)

    def through(shift: tuple[float, ...], scale: tuple[float, ...]) -> Tensor:
        return (raw - torch.tensor(shift)[:, None]) / torch.tensor(scale)[:, None]

    heard = teacher.normalised(through(own.shift, own.scale))
    torch.testing.assert_close(heard, through(front.shift, front.scale), atol=1e-5, rtol=1e-4)


def test_where_frames_differ_only_the_text_is_taught(batches: Batches) -> None:
    batch, student = batches.at(0, Augmentation()), network(batches, 2)
    teacher = teacher_of(batches, ctc_frames=2)
    with torch.no_grad():
        assert distance(teacher, student, batch, joint=False).item() == 0
        text, both = (distance(teacher, student, batch, ctc_weight=weight) for weight in (0.0, 5.0))
    torch.testing.assert_close(text, both)


def test_a_student_comes_closer_to_its_teacher_and_the_teacher_stays(batches: Batches, tmp_path: Path) -> None:
    batch, found = batches.at(0, Augmentation(amount=0)), {}
    for weight in (0.0, 4.0):
        teacher, student = teacher_of(batches), network(batches, 2, layers=1)
        before = [p.clone() for p in teacher.network.parameters()]
        plan = TrainOptions(steps=25, ctc_steps=5, decay_from=25, warmup=2, text_rate=3e-3, bf16=False)
        plan = replace(plan, teacher_weight=weight, augmentation=Augmentation(amount=0), ema=0.5)
        Trainer(student, batches, plan, tmp_path / str(weight), teacher=teacher).run()
        with torch.no_grad():
            found[weight] = distance(teacher, student.eval(), batch).item()
        assert all(torch.equal(p, q) for p, q in zip(teacher.network.parameters(), before, strict=True))
    assert found[4.0] < 0.6 * found[0.0]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"tokenizer": train_bpe(["quite other words"], 40)}, "vocabulary"),
        ({"start_token": 2}, "vocabulary"),
        ({"max_mel_frames": 200}, "limit"),
    ],
)
def test_who_cannot_be_compared_is_refused(batches: Batches, changes: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=f"'wise' has another {what}"):
        teacher_of(batches, **changes)


def test_another_front_end_is_refused(batches: Batches) -> None:
    with pytest.raises(UsageError, match="another front end"):
        teacher_of(batches, front_end=replace(batches.config.front_end, hop=128))


def command(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_run_with_a_teacher_takes_over_its_vocabulary_and_goes_on(
    store: MelStore, batches: Batches, tmp_path: Path
) -> None:
    save_checkpoint(tmp_path / "teacher", checkpoint(batches, start_token=2))
    shape = {"layers": 1, "width": 32, "heads": 1, "blocks": [1, 1, 1], "max_mel_frames": 400, "max_text_tokens": 40}
    (tmp_path / "shape.json").write_text(json.dumps(shape), encoding="utf-8")
    words = f"run --store {store_folder(store)} --config {tmp_path}/shape.json --steps 4 --ctc-steps 2 --batch 3"
    plan = [*words.split(), "--shortest-limit", 3, "--save-every", 3, "--no-bf16"]
    taught = [*plan, "--out", tmp_path / "run", "--teacher", tmp_path / "teacher"]
    for until in (3, 0):
        done = command(*taught, "--until", until)
        assert done.exit_code == 0, done.output
    assert last_points(tmp_path / "run")["train/taught"][0] == 4
    config, tokenizer = open_run(tmp_path / "run")
    assert tokenizer.to_json() == load_checkpoint(tmp_path / "teacher").tokenizer.to_json()
    assert (config.width, config.start_token) == (32, 2) and read_state(tmp_path / "run")["step"] == 4
    assert command(*plan, "--vocabulary", 64, "--out", tmp_path / "other", "--until", 1).exit_code == 0
    refused = command(*plan, "--out", tmp_path / "other", "--teacher", tmp_path / "teacher")
    assert refused.exit_code == 2 and "another vocabulary" in refused.stderr


def store_folder(store: MelStore) -> Path:
    return Path(store._frames.filename).parent  # type: ignore[arg-type]
