"""State dicts of the published GPT-ASR models, recognised by their shapes.

Nothing in them is ever run as code.
"""

from __future__ import annotations

import pickle
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import GENERATION_1, GENERATION_2, PUBLISHED, ModelConfig
from gptasr_subs.model.files import MEL_NORMS_FILE, VOCABULARY_FILE, companions
from gptasr_subs.model.tokenizer import BpeTokenizer, CharacterTokenizer, Tokenizer

State = dict[str, Tensor]

_HEAD_WIDTH = 64  # of all published networks
_CARRIES_NOTHING = re.compile(r"inference_model\.|gpt\.h\.\d+\.attn\.(masked_)?bias$")
_NEEDED = (
    "text_head.weight",
    "text_pos_embedding.weight",
    "mel_pos_embedding.weight",
    "mel_encoder.encoder.1.",
)


def read_published(path: Path, heads: int = 0) -> tuple[str, ModelConfig, Tokenizer, State]:
    """Name, config, tokenizer and weights of a published state dict and the files beside it.

    ``heads`` is for networks whose heads are not 64 wide. Raises ``ModelError`` for other files.
    """
    state = clean_state(read_tensors(path), path)
    try:
        config = recognise(state, heads)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise _of_another_network(path) from error
    tokenizer: Tokenizer = CharacterTokenizer()
    if config.generation == 2:
        tokenizer = BpeTokenizer(_beside(path, VOCABULARY_FILE).read_text(encoding="utf-8"))
        norms_file = _beside(path, MEL_NORMS_FILE)
        norms = _read(norms_file)
        if (
            not isinstance(norms, Tensor)
            or norms.numel() != GENERATION_2.n_mels
            or not bool((norms != 0).all())
        ):
            raise ModelError(
                f"{norms_file} does not hold the {GENERATION_2.n_mels} mel constants;"
                " fetch the model again."
            )
        front = replace(GENERATION_2, scale=tuple(norms.flatten().tolist()))
        config = replace(config, front_end=front)
    names = (
        name
        for name, published in PUBLISHED.items()
        if replace(config, front_end=published.front_end) == published
    )
    return next(names, path.stem), config, tokenizer, state


def read_tensors(path: Path) -> State:
    """The state dict in a ``.safetensors``, ``.pth`` or ``.pt`` file.

    Raises ``ModelError`` where there is none.
    """
    values = _read(path)
    if not isinstance(values, dict) or not values:
        raise ModelError(f"{path} holds no state dict; give a file of network weights.")
    if not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in values.items()
    ):
        raise ModelError(
            f"{path} holds more than a state dict; give a file of network weights alone."
        )
    return values


def clean_state(state: State, path: Path) -> State:
    """``state`` without old GPT-2 buffers and the duplicate network made for inference."""
    kept = {name: value for name, value in state.items() if not _CARRIES_NOTHING.match(name)}
    if any(not any(name.startswith(needed) for name in kept) for needed in _NEEDED):
        raise _of_another_network(path)
    return kept


def _of_another_network(path: Path) -> ModelError:
    return ModelError(
        f"{path} holds the weights of another network; gptasr-subs can only run GPT-ASR models."
    )


def recognise(state: State, heads: int = 0) -> ModelConfig:
    """The configuration of a cleaned state dict of either generation, from its shapes."""
    first = "mel_encoder.encoder.1.net.0.weight" in state  # generation 2 has a norm at this place
    vocabulary, width = state["text_head.weight"].shape
    return ModelConfig(
        generation=1 if first else 2,
        layers=_count(state, r"gpt\.h\.(\d+)\."),
        width=width,
        heads=heads or max(1, width // _HEAD_WIDTH),
        vocabulary=vocabulary,
        start_token=vocabulary - 1,
        max_mel_frames=len(state["mel_pos_embedding.weight"]) * (4 if first else 8),
        max_text_tokens=len(state["text_pos_embedding.weight"]) - 1,
        blocks=_blocks(state, first),
        text_solo="text_solo_embedding" in state,
        front_end=GENERATION_1 if first else GENERATION_2,
    )


def _blocks(state: State, first: bool) -> tuple[int, int, int]:
    """Residual blocks a stage.

    Among the other layers in generation 1, in lists of their own in generation 2.
    """
    if not first:
        one, two, three = (
            _count(state, rf"mel_encoder\.encoder\.{stage}\.(\d+)\.net\.") for stage in (3, 7, 11)
        )
        return one, two, three
    # Generation 1 has one flat list: a convolution begins each stage, its residual blocks follow.
    # So blocks belong to the stage of the last strided convolution before them.
    found = {
        int(m[1]) for name in state if (m := re.match(r"mel_encoder\.encoder\.(\d+)\.net\.", name))
    }
    strided = sorted(
        {
            int(m[1])
            for name in state
            if (m := re.match(r"mel_encoder\.encoder\.(\d+)\.weight", name))
        }
    )
    # Norms have weights too; a convolution's have three dimensions (outputs, inputs, kernel). The
    # first convolution has no stride.
    edges = [edge for edge in strided if state[f"mel_encoder.encoder.{edge}.weight"].ndim == 3][1:]
    low, high = (*edges, 0, 0)[:2]
    return (
        sum(index < low for index in found),
        sum(low < index < high for index in found),
        sum(index > high for index in found),
    )


def _count(state: State, pattern: str) -> int:
    return len({match[1] for name in state if (match := re.match(pattern, name))})


def _beside(path: Path, name: str) -> Path:
    """A file that belongs to ``path``: there, or where one was fetched before."""
    for folder in (path.parent, companions()):
        if (folder / name).is_file():
            return folder / name
    raise ModelError(
        f"{path} needs the file {name} beside it; put it there,"
        f" or fetch it with: gptasr-subs models import {str(path)!r}"
    )


def _read(path: Path) -> Any:
    """Whatever tensors the file holds; never unpickles code."""
    if not path.is_file():
        raise ModelError(
            f"There is no model file {path}; give the path of a checkpoint or the name of a model."
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # about unusual pickles, which are refused or load
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = "is damaged, or holds program code beside numbers and is not loaded for safety"
        raise ModelError(f"{path} {reason}; fetch it again from a source you trust.") from error
    except PermissionError as error:
        raise ModelError(f"{path} may not be read; change its rights and try again.") from error
    except Exception as error:  # what a reader says of bytes it did not expect can be anything
        raise ModelError(
            f"{path} is damaged or cut short and cannot be read; fetch it again."
        ) from error
