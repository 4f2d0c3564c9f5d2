"""A training run becomes a checkpoint: averaged weights, vocabulary and model config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gptasr_subs.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from gptasr_subs.training.curves import last_points
from gptasr_subs.training.graft import START_FOLDER
from gptasr_subs.training.trainer import read_state


def export(run: Path, folder: Path, *, name: str = "") -> Checkpoint:
    """Write the averaged weights of ``run`` into ``folder`` as a checkpoint with weights of two
    bytes.

    Raises ``ModelError`` and ``OutputError``.
    """
    state = read_state(run)
    begun = load_checkpoint(run / START_FOLDER)
    begun.model.load_state_dict({**state["network"], **state["average"]})
    facts = {**begun.metadata, **_facts(run, state)}
    checkpoint = replace(begun, name=name or folder.name, metadata=facts)
    save_checkpoint(folder, checkpoint)
    return checkpoint


def _facts(run: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    scores = {
        name: value
        for name, (_, value) in last_points(run).items()
        if not name.startswith("train/")
    }
    return {"steps": state["step"], "hours_heard": round(state["seconds"] / 3600, 2), "wer": scores}
