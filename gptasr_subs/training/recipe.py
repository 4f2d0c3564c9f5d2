"""One training run from a store to its last step: what it is made of, put together once and found again on resuming."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from gptasr_subs.errors import ModelError, UsageError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import load_checkpoint
from gptasr_subs.model.config import GENERATION_2, PUBLISHED, FrontEnd, ModelConfig
from gptasr_subs.model.features import LogMel
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.tokenizer import START, Tokenizer, tokenizer_from_json, train_bpe
from gptasr_subs.storage.files import read_text, write_atomically
from gptasr_subs.training.augmentation import Mel
from gptasr_subs.training.batches import Batches, TextBatches
from gptasr_subs.training.corpora import MelStore, mel_statistics, read_clips
from gptasr_subs.training.curves import Curves
from gptasr_subs.training.distillation import Teacher
from gptasr_subs.training.evaluation import read_dev_set, score
from gptasr_subs.training.noise import make_noises, read_noises
from gptasr_subs.training.options import Recipe
from gptasr_subs.training.preparation import spelled_texts
from gptasr_subs.training.trainer import STATE_FILE, Trainer, parameters_in_millions

SHAPE_FILE, TOKENIZER_FILE = "config.json", "tokenizer.json"

_SHIPPED = ModelConfig(
    generation=2,
    layers=8,
    width=256,
    heads=4,
    vocabulary=0,  # as the run's own vocabulary turns out
    start_token=START,
    max_mel_frames=1408,
    max_text_tokens=220,
    blocks=(1, 2, 12),
    ctc_classes=ctc.CLASSES,
    text_solo=True,
    front_end=GENERATION_2,
)
SHAPES: dict[str, ModelConfig] = {
    "shipped": _SHIPPED,
    **{name: replace(PUBLISHED[name], start_token=START, ctc_classes=ctc.CLASSES) for name in ("small", "large")},
}
_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))

_log = logging.getLogger(__name__)


def train(recipe: Recipe, until: int | None = None) -> Trainer:
    """Run ``recipe``, or go on with it, to step ``until`` (its end by default).

    Under ``torchrun`` this is one of several processes. Raises ``UsageError`` and ``ModelError``.
    """
    with processes(recipe.device) as (rank, world, device):
        trainer = _trainer(recipe, rank, world, device)
        with nullcontext() if rank else _watched(trainer, recipe):
            trainer.run(until)
        return trainer


def _trainer(recipe: Recipe, rank: int, world: int, device: torch.device) -> Trainer:
    store, sentences = MelStore(recipe.store), read_sentences(recipe)
    if rank == 0 and not (recipe.folder / SHAPE_FILE).exists():
        found_run(recipe, store, sentences)
    if world > 1:
        dist.barrier()
    config, tokenizer = open_run(recipe.folder)
    _refuse_other_shape(recipe, config)
    network = start_network(recipe, config).to(device)
    batches = Batches(store, _noises(recipe, store.front), tokenizer, config, recipe.sampling, rank, world)
    size, halved = recipe.options.text_batch, recipe.sampling.halved
    texts = TextBatches(sentences, tokenizer, config, size, halved) if sentences else None
    teacher = _teacher(recipe, config, tokenizer, device)
    return Trainer(network, batches, recipe.options, recipe.folder, texts=texts, teacher=teacher)


def read_shape(name_or_file: str, usual: ModelConfig = _SHIPPED) -> ModelConfig:
    """A shape by name, or from a JSON file that says what differs from the ``usual`` one. Raises ``UsageError``."""
    if name_or_file in SHAPES:
        return SHAPES[name_or_file]
    if not name_or_file.endswith(".json"):
        raise UsageError(f"There is no shape {name_or_file!r}; take one of {', '.join(SHAPES)}, or a .json file.")
    try:
        values = json.loads(read_text(name_or_file))
        return ModelConfig.from_dict({**usual.to_dict(), **values})
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name_or_file} does not describe a network ({error}); correct it.") from error


def found_run(recipe: Recipe, store: MelStore, sentences: list[str]) -> None:
    """Write vocabulary and shape of a new run into its folder, the shape last: with it the run is there."""
    if recipe.start:
        begun = load_checkpoint(recipe.start)
        config, tokenizer = _wanted_shape(recipe, begun.config), begun.tokenizer
    else:
        shift, scale = mel_statistics(store)
        front = replace(store.front, shift=shift, scale=scale)
        config = replace(read_shape(recipe.shape or "shipped"), front_end=front)
        config, tokenizer = _with_vocabulary(config, recipe, store, sentences)
    recipe.folder.mkdir(parents=True, exist_ok=True)
    write_atomically(recipe.folder / TOKENIZER_FILE, tokenizer.to_json())
    write_atomically(recipe.folder / SHAPE_FILE, json.dumps(config.to_dict()))


def _with_vocabulary(
    config: ModelConfig, recipe: Recipe, store: MelStore, sentences: list[str]
) -> tuple[ModelConfig, Tokenizer]:
    """The teacher's, where there is one, else a new one."""
    if recipe.teacher:
        teacher = load_checkpoint(recipe.teacher)
        return _speaking_as(teacher.config, config), teacher.tokenizer
    tokenizer = train_bpe([*sentences, *map(store.text, range(len(store)))], recipe.vocabulary)
    return replace(config, vocabulary=tokenizer.size), tokenizer


def _speaking_as(other: ModelConfig, config: ModelConfig) -> ModelConfig:
    """``config`` with the tokens of ``other``."""
    start, stop = other.start_token, other.stop_token
    return replace(config, vocabulary=other.vocabulary, start_token=start, stop_token=stop)


def open_run(folder: Path, tokenizer: Path | None = None) -> tuple[ModelConfig, Tokenizer]:
    """Shape and vocabulary of the run in ``folder``; raises ``ModelError``."""
    try:
        config = ModelConfig.from_dict(json.loads((folder / SHAPE_FILE).read_text(encoding="utf-8")))
        vocabulary = (tokenizer or folder / TOKENIZER_FILE).read_text(encoding="utf-8")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder} is not the folder of a training run ({error}); give one that is.") from error
    return config, tokenizer_from_json(vocabulary)


def _wanted_shape(recipe: Recipe, begun: ModelConfig) -> ModelConfig:
    """What a run of the shape ``begun`` is asked to be; it keeps its tokens and its front end."""
    if not recipe.shape:
        return begun
    wanted = read_shape(recipe.shape, begun) if recipe.start else read_shape(recipe.shape)
    return replace(_speaking_as(begun, wanted), front_end=begun.front_end)


def _refuse_other_shape(recipe: Recipe, config: ModelConfig) -> None:
    if _wanted_shape(recipe, config) != config:
        raise UsageError(f"The run in {recipe.folder} has another shape; leave --config out, or take another folder.")


def start_network(recipe: Recipe, config: ModelConfig) -> GptAsr:
    """A fresh network, the same in every process, with the weights that the run begins with where there are any.

    Parts that those lack stay fresh: layers and blocks, which begin as next to nothing. Raises
    ``UsageError`` where the weights do not fit.
    """
    torch.manual_seed(recipe.sampling.seed)
    network = GptAsr(config)
    if recipe.start and not (recipe.folder / STATE_FILE).exists():
        own, given = network.state_dict(), load_checkpoint(recipe.start).model.state_dict()
        if any(name not in own or own[name].shape != value.shape for name, value in given.items()):
            raise UsageError(
                f"The weights of {recipe.start} do not fit into the shape of --config, "
                "which may only add layers or blocks."
            )
        network.load_state_dict(own | given)
    return network


def _teacher(recipe: Recipe, config: ModelConfig, tokenizer: Tokenizer, device: torch.device) -> Teacher | None:
    return Teacher(load_checkpoint(recipe.teacher), config, tokenizer).to(device) if recipe.teacher else None


def read_sentences(recipe: Recipe) -> list[str]:
    """Sentences for text-only batches: those without digits that no dev set says."""
    if recipe.texts is None:
        return []
    held_out = spelled_texts(read_clips(*recipe.dev))
    lines = (line.strip() for line in read_text(recipe.texts).splitlines())
    fit = (line for line in lines if line and not any(character.isdigit() for character in line))
    return [line for line in fit if ctc.spell_text(line) not in held_out]


def _noises(recipe: Recipe, front: FrontEnd) -> list[Mel]:
    return read_noises(recipe.noise, front) if recipe.noise else make_noises(front)


@contextmanager
def _watched(trainer: Trainer, recipe: Recipe) -> Iterator[None]:
    """Let ``trainer`` write its curves, and score itself on the dev sets as it goes."""
    curves = Curves(recipe.folder, trainer.step)
    front_end = LogMel(trainer.network.config.front_end)
    limits = recipe.dev_clips, trainer.network.config.max_mel_frames
    dev = {_dev_name(manifest): read_dev_set(manifest, front_end, *limits) for manifest in recipe.dev}

    def report(step: int, values: dict[str, float]) -> None:
        curves.add(step, {f"train/{name}": value for name, value in values.items()})
        _log.info("step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in values.items()))

    def evaluate(network: GptAsr, step: int) -> None:
        for name, clips in dev.items():
            found = score(network, trainer.batches.tokenizer, name, clips, with_text=step > recipe.options.ctc_steps)
            curves.add(step, found.to_dict())
            _log.info("WER at step %d: %s", step, found)

    trainer.report, trainer.evaluate = report, evaluate if dev else None
    size, clips = parameters_in_millions(trainer.network), len(trainer.batches.store)
    _log.info("%.2f M parameters, %d clips, from step %d", size, clips, trainer.step)
    with closing(curves):
        yield


def _dev_name(manifest: Path) -> str:
    return manifest.parent.name if manifest.stem == "manifest" else manifest.stem


@contextmanager
def processes(device: str) -> Iterator[tuple[int, int, torch.device]]:
    """Rank, number and device of this process, joined with the others where ``torchrun`` started several."""
    rank, world, local = (int(os.environ.get(name, default)) for name, default in _TORCHRUN)
    if device == "auto":
        device = f"cuda:{local}" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    with joined(backend) if world > 1 and not dist.is_initialized() else nullcontext():
        yield rank, world, torch.device(device)


@contextmanager
def joined(backend: str, **meeting: Any) -> Iterator[None]:
    """This process joined with others; ``meeting`` says where, as torch's ``init_process_group`` takes it."""
    # The optimisers import this module, whose functions keep the group they find as a default: its threads would then
    # outlive it, and could abort the process when it ends. So it is imported while there is none.
    import_module("torch.distributed.nn")
    dist.init_process_group(backend, **meeting)
    try:
        yield
    finally:
        dist.destroy_process_group()
