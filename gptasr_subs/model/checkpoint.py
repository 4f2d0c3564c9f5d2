"""Checkpoints on disk, in our own format and in the published one.

Our own is a folder of ``model.safetensors`` and ``model.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from gptasr_subs.errors import ModelError
from gptasr_subs.model.alignment.cross_attention import Heads
from gptasr_subs.model.config import ModelConfig
from gptasr_subs.model.decoding.decode import DecodingOptions
from gptasr_subs.model.files import (
    DESCRIPTION_FILE,
    FORMAT,
    WEIGHTS_FILE,
    find_checkpoint,
    read_description,
)
from gptasr_subs.model.network import GptAsr
from gptasr_subs.model.published import State, read_published, read_tensors
from gptasr_subs.model.tokenizer import Tokenizer, tokenizer_from_json
from gptasr_subs.storage.files import write_atomically


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network ready to run and all that belongs to it.

    ``start_offset`` and ``end_offset`` (seconds) are added to where CTC has a word begin and end;
    ``metadata`` is for people: what it was trained on, its measured WER. ``heads`` (layer, head)
    attend to the audio of the token they write, as ``cross_attention.choose_heads`` found; where
    there are none, the first clip decides.
    """

    name: str
    config: ModelConfig
    model: GptAsr
    tokenizer: Tokenizer
    start_offset: float = 0.0
    end_offset: float = 0.0
    decoding: DecodingOptions = field(default_factory=DecodingOptions)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    heads: Heads = ()


def load_checkpoint(name_or_path: str | Path = "default", device: str = "cpu") -> Checkpoint:
    """Return the checkpoint of a name or at a path, its weights as float32 on ``device``.

    Raises ``ModelError`` with what to do where it is missing, damaged or of another network.
    """
    path = find_checkpoint(name_or_path)
    checkpoint = _load_own(path.parent) if path.name == DESCRIPTION_FILE else load_published(path)
    checkpoint.model.to(device)
    return checkpoint


def save_checkpoint(folder: str | Path, checkpoint: Checkpoint, *, half: bool = True) -> None:
    """Write ``checkpoint`` into ``folder``; ``half`` stores weights in two bytes, not four.

    Either file is there whole or as it was before. Raises ``OutputError``.
    """
    folder = Path(folder)
    with suppress(OSError):  # the write that follows says why, in a sentence
        folder.mkdir(parents=True, exist_ok=True)
    dtype = torch.float16 if half else torch.float32
    state = {
        name: value.detach().cpu().to(dtype).contiguous()
        for name, value in checkpoint.model.state_dict().items()
    }
    description = {
        "format": FORMAT,
        "name": checkpoint.name,
        "config": checkpoint.config.to_dict(),
        "tokenizer": json.loads(checkpoint.tokenizer.to_json()),
        "start_offset": checkpoint.start_offset,
        "end_offset": checkpoint.end_offset,
        "heads": checkpoint.heads,
        "decoding": asdict(checkpoint.decoding),
        "metadata": dict(checkpoint.metadata),
    }
    write_atomically(folder / WEIGHTS_FILE, save(state))
    _write_description(folder, description)


def set_offsets(folder: str | Path, start: float, end: float) -> None:
    """Change nothing but the offsets (seconds) of a checkpoint in our own format.

    Raises ``ModelError`` and ``OutputError``.
    """
    offsets = {"start_offset": round(start, 3), "end_offset": round(end, 3)}
    _write_description(Path(folder), read_description(Path(folder) / DESCRIPTION_FILE) | offsets)


def _write_description(folder: Path, description: Mapping[str, Any]) -> None:
    write_atomically(
        folder / DESCRIPTION_FILE, json.dumps(description, indent=1, ensure_ascii=False) + "\n"
    )


def load_published(path: Path, heads: int = 0) -> Checkpoint:
    """Return a published state dict with its vocabulary and constants beside it.

    ``heads`` is for networks whose heads are not 64 wide.
    """
    name, config, tokenizer, state = read_published(path, heads)
    return Checkpoint(name, config, _build(config, state, path), tokenizer)


def _load_own(folder: Path) -> Checkpoint:
    path = folder / DESCRIPTION_FILE
    # What a person may have edited is read first: its mistakes are reported by name.
    description = read_description(path)
    try:
        config = ModelConfig.from_dict(description["config"])
        tokenizer = tokenizer_from_json(json.dumps(description["tokenizer"]))
        decoding = DecodingOptions(**description.get("decoding", {}))
        heads = tuple((int(layer), int(head)) for layer, head in description.get("heads", ()))
        start_offset = float(description.get("start_offset", 0.0))
        end_offset = float(description.get("end_offset", 0.0))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{path} lacks or misspells a setting ({error}); fetch the checkpoint again."
        ) from error
    weights = folder / WEIGHTS_FILE
    return Checkpoint(
        name=str(description.get("name", folder.name)),
        config=config,
        model=_build(config, read_tensors(weights), weights),
        tokenizer=tokenizer,
        start_offset=start_offset,
        end_offset=end_offset,
        decoding=decoding,
        metadata=dict(description.get("metadata", {})),
        heads=heads,
    )


def _build(config: ModelConfig, state: State, path: Path) -> GptAsr:
    try:
        model = GptAsr(config)
        model.load_state_dict(state)
    except Exception as error:  # names, shapes or sizes that do not fit together
        raise ModelError(
            f"The weights in {path} do not fit a GPT-ASR network; fetch them again."
        ) from error
    return model.eval()
