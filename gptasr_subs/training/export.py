"""A training run becomes a checkpoint: averaged weights, vocabulary and shape in the package's own format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gptasr_subs.errors import ModelError
from gptasr_subs.model.checkpoint import Checkpoint, save_checkpoint
from gptasr_subs.model.network import GptAsr
from gptasr_subs.training.curves import last_points
from gptasr_subs.training.recipe import open_run
from gptasr_subs.training.trainer import read_state


def export(
    run: Path,
    folder: Path,
    *,
    name: str = "",
    tokenizer: Path | None = None,
    offsets: tuple[float, float] = (0.0, 0.0),
    metadata: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Write the last state of ``run`` into ``folder`` as a checkpoint with weights of two bytes.

    ``tokenizer`` is the vocabulary's file where the run does not hold it; ``offsets`` (seconds) say how far a word
    begins before and ends behind where CTC hears it. Raises ``ModelError`` and ``OutputError``.
    """
    config, vocabulary = open_run(run, tokenizer)
    state = read_state(run)
    network = GptAsr(config)
    try:
        network.load_state_dict({**state["network"], **state["average"]})
    except RuntimeError as error:
        raise ModelError(f"The weights in {run} are of another shape than its configuration says.") from error
    facts = {**_facts(run, state), **(metadata or {})}
    checkpoint = Checkpoint(name or folder.name, config, network.eval(), vocabulary, *offsets, metadata=facts)
    save_checkpoint(folder, checkpoint)
    return checkpoint


def _facts(run: Path, state: Mapping[str, Any]) -> dict[str, Any]:
    scores = {name: value for name, (_, value) in last_points(run).items() if not name.startswith("train/")}
    return {"steps": state["step"], "hours_heard": round(state["heard"] / 3600, 2), "wer": scores}
