"""One graft from a store to its last step: put together once, and found again when resumed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from gptasr_subs.corpora.manifest import read_clips
from gptasr_subs.errors import ModelError
from gptasr_subs.model import ctc
from gptasr_subs.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from gptasr_subs.model.config import (
    SAMPLES,
    WHISPER_LOG_MEL,
    AdapterConfig,
    EncoderConfig,
    ModelConfig,
)
from gptasr_subs.model.network import GptAsr
from gptasr_subs.storage.files import read_text
from gptasr_subs.training.batches import Batches, TextBatches
from gptasr_subs.training.encoders import load_encoder
from gptasr_subs.training.evaluation import read_dev_set, score
from gptasr_subs.training.frames import FrameCache
from gptasr_subs.training.metrics_log import MetricsLog
from gptasr_subs.training.noise import read_noises
from gptasr_subs.training.old_encoder import OldEncoder
from gptasr_subs.training.options import Graft
from gptasr_subs.training.preparation import normalized_texts
from gptasr_subs.training.store import AudioStore
from gptasr_subs.training.trainer import Trainer

START_FOLDER = "start"  # of a run: the network before the first step

_SECONDS_A_POSITION = 0.1
_MAX_SECONDS = 16.9  # seconds of a clip, as many as the GPT's position table has rows for
_TORCHRUN = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))

_log = logging.getLogger(__name__)


def train(
    graft: Graft,
    stop_at: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Trainer:
    """Run ``graft``, or resume it, to step ``stop_at`` (its end by default).

    ``on_progress`` gets the number of clips whose encoder frames are computed, and of all. Under
    ``torchrun`` this is one of several processes. Raises ``UsageError`` and ``ModelError``.
    """
    with processes(graft.device) as (rank, world, device):
        if rank == 0 and not (graft.folder / START_FOLDER / "model.json").exists():
            save_checkpoint(graft.folder / START_FOLDER, start(graft), half=False)
        if world > 1:
            dist.barrier()
        trainer = _trainer(graft, rank, world, device)
        # While a frozen phase is still to come, the encoder is the one of the first step.
        if trainer.step < sum(
            phase.steps for phase in graft.options.phases if not phase.encoder_lr
        ):
            _fill_cache(trainer, graft.folder, on_progress)
        with nullcontext() if rank else _logged(trainer, graft):
            trainer.run(stop_at)
        trainer.save()
        return trainer


def start(graft: Graft) -> Checkpoint:
    """Return the network before the first step: new encoder, fresh adapter, the old GPT and heads.

    A checkpoint of generation 3 is trained further as it is. Raises ``ModelError``.
    """
    onto = load_checkpoint(graft.onto)
    if onto.config.generation == 3:
        return onto
    if onto.model.ctc_head is None:
        raise ModelError(
            f"The model {onto.name!r} has no CTC head; graft onto one that has, such as default."
        )
    encoder_config, encoder, facts = load_encoder(graft.encoder)
    torch.manual_seed(graft.options.seed)
    config = grafted_config(onto.config, encoder_config)
    network = GptAsr(config)
    network.speech_encoder.encoder.load_state_dict(encoder.state_dict())
    own = network.state_dict()
    taken = {
        name: value
        for name, value in onto.model.state_dict().items()
        if not name.startswith("mel_encoder.")
    }
    network.load_state_dict({**own, **taken})
    return Checkpoint(
        name=graft.folder.name,
        config=config,
        model=network,
        tokenizer=onto.tokenizer,
        decoding=onto.decoding,
        metadata={"encoder": facts, "grafted_onto": onto.name},
    )


def grafted_config(old: ModelConfig, encoder: EncoderConfig) -> ModelConfig:
    """Return the config ``old`` with ``encoder`` in the place of its mel encoder."""
    front = (
        SAMPLES if encoder.kind == "moonshine" else replace(WHISPER_LOG_MEL, n_mels=encoder.n_mels)
    )
    # The GPT keeps its table of positions, about 0.1 s each: the adapter joins as many frames.
    frames = round(_SECONDS_A_POSITION * encoder.frames_per_second)
    positions = min(
        old.max_mel_positions, int(_MAX_SECONDS * encoder.frames_per_second / frames) + 1
    )
    return replace(
        old,
        generation=3,
        front_end=front,
        encoder=encoder,
        adapter=AdapterConfig(frames=frames),
        max_mel_frames=positions * frames * encoder.hop,
    )


def _trainer(graft: Graft, rank: int, world: int, device: torch.device) -> Trainer:
    begun = load_checkpoint(graft.folder / START_FOLDER)
    network = begun.model.to(device)
    options = graft.options
    store = AudioStore(graft.store)
    noises = read_noises(graft.noise)
    batches = Batches(store, noises, begun.tokenizer, begun.config, options, rank=rank, world=world)
    texts = read_sentences(graft)
    sentences = (
        TextBatches(texts, begun.tokenizer, begun.config, options.lm_batch) if texts else None
    )
    distils = any(phase.distil and phase.steps for phase in options.phases)
    old = OldEncoder(load_checkpoint(graft.onto), begun.config) if distils else None
    return Trainer(network, batches, options, graft.folder, sentences=sentences, old_encoder=old)


def _fill_cache(trainer: Trainer, folder: Path, on_progress: Callable[[int, int], None]) -> None:
    """Compute the frames of the frozen encoder, which its phases read."""
    encoder = trainer.network.speech_encoder.encoder
    front = trainer.network.config.front_end
    cache = FrameCache(folder, trainer.batches.store, front=front, encoder=encoder)
    if trainer.batches.rank == 0:
        cache.fill(encoder.eval(), front, bf16=trainer.options.bf16, on_progress=on_progress)
    if trainer.batches.world > 1:
        dist.barrier()
    trainer.batches.cache = cache


def read_sentences(graft: Graft) -> list[str]:
    """Return sentences for text-only batches: those without digits that no dev set says."""
    if graft.text is None:
        return []
    held_out = normalized_texts(read_clips(*graft.dev))
    lines = (line.strip() for line in read_text(graft.text).splitlines())
    fit = (line for line in lines if line and not any(character.isdigit() for character in line))
    return [line for line in fit if ctc.normalize_text(line) not in held_out]


@contextmanager
def _logged(trainer: Trainer, graft: Graft) -> Iterator[None]:
    """Let ``trainer`` log its metrics, and score itself on the dev sets as it goes."""
    metrics = MetricsLog(graft.folder, trainer.step)
    config = trainer.network.config
    most = graft.options.dev_clips
    dev = {}
    for manifest in graft.dev:
        name = manifest.parent.name if manifest.stem == "manifest" else manifest.stem
        dev[name] = read_dev_set(manifest, config, most)

    def report(step: int, values: dict[str, float]) -> None:
        metrics.add(step, {f"train/{name}": value for name, value in values.items()})
        _log.info(
            "step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        )

    def evaluate(network: GptAsr, step: int) -> None:
        for name, clips in dev.items():
            found = score(network, trainer.batches.tokenizer, name, clips)
            metrics.add(step, found.to_dict())
            _log.info("WER at step %d: %s", step, found)

    trainer.report = report
    trainer.evaluate = evaluate if dev else None
    _log.info("%d clips, from step %d", len(trainer.batches.store), trainer.step)
    with closing(metrics):
        yield


@contextmanager
def processes(device: str) -> Iterator[tuple[int, int, torch.device]]:
    """Rank, number and device of this process, joined with the others that ``torchrun`` started."""
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
    """Join this process with others; ``meeting`` is for torch's ``init_process_group``."""
    # The optimisers import this module, whose functions keep the group they find as a default: its
    # threads would then outlive it, and could abort the process when it ends. So it is imported
    # while there is none.
    import_module("torch.distributed.nn")
    dist.init_process_group(backend, **meeting)
    try:
        yield
    finally:
        dist.destroy_process_group()
