"""Training runs become a checkpoint: averaged weights, vocabulary and model config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from gptasr_subs.errors import UsageError
from gptasr_subs.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from gptasr_subs.training.graft import START_FOLDER
from gptasr_subs.training.metrics_log import last_points
from gptasr_subs.training.trainer import read_state


def export(run: Path, folder: Path, *, name: str = "") -> Checkpoint:
    """Write the averaged weights of ``run`` into ``folder`` as a checkpoint in half precision.

    Raises ``ModelError`` and ``OutputError``.
    """
    state = read_state(run)
    begun = load_checkpoint(run / START_FOLDER)
    # Buffers have no average: they are the network's own.
    begun.model.load_state_dict({**state["network"], **state["average"]})
    points = last_points(run).items()
    metadata = {
        **begun.metadata,
        "steps": state["step"],
        "hours": round(state["seconds"] / 3600, 2),
        "wer": {name: value for name, (_, value) in points if not name.startswith("train/")},
    }
    checkpoint = replace(begun, name=name or folder.name, metadata=metadata)
    save_checkpoint(folder, checkpoint)
    return checkpoint


def average(sources: Sequence[str | Path], folder: Path, *, name: str = "") -> Checkpoint:
    """Write the mean of the weights of the checkpoints ``sources`` into ``folder``.

    All else is the first one's. The mean of two runs that began alike is mostly better than either:
    Wortsman et al. (2022), "Model soups". Raises ``UsageError`` for networks of unlike shape,
    ``ModelError`` and ``OutputError``.
    """
    first, *others = map(load_checkpoint, sources)
    if any(other.config != first.config for other in others):
        raise UsageError("Only checkpoints of one shape have a mean; give runs that began alike.")
    states = [first.model.state_dict(), *(other.model.state_dict() for other in others)]
    mean = {key: torch.stack([state[key] for state in states]).mean(0) for key in states[0]}
    first.model.load_state_dict(mean)
    checkpoint = replace(first, name=name or folder.name)
    save_checkpoint(folder, checkpoint)
    return checkpoint
