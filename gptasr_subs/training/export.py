"""A training run becomes a checkpoint: averaged weights, vocabulary and model config."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
        "hours_heard": round(state["seconds"] / 3600, 2),
        "wer": {name: value for name, (_, value) in points if not name.startswith("train/")},
    }
    checkpoint = replace(begun, name=name or folder.name, metadata=metadata)
    save_checkpoint(folder, checkpoint)
    return checkpoint
