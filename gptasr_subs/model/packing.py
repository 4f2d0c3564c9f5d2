"""Linear layers and convolutions as a processor reads them fastest: all such products.

oneDNN multiplies by weights that it has laid out itself, in bfloat16 where the processor has
instructions for that, and adds a GELU in the same go. torch keeps its operators for its compiler,
so they may be missing or change: then a prepared layer multiplies as it did before.

Shapes: B clips, T frames, C channels; "inputs" and "outputs" are those of a layer.
"""

from __future__ import annotations

import os
import platform
from abc import ABC, abstractmethod
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Gelu = Literal["none", "tanh"]
"""How a GELU is approximated, in torch's words."""

# oneDNN keeps a kernel for each shape that it has met; windows and texts have hundreds, and few are
# met again soon. With room for 32 a talk takes no longer than with its own 1024, and 300 MB less.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")

# oneDNN makes a kernel for each number of rows. With AMX and this many inputs that takes up to
# 50 ms, ten times as long as the product, so many rows are cut into parts that share one kernel.
_WIDE = 2000
_ROWS = 160

_FLOAT32_PAYS = ("x86_64", "amd64")  # oneDNN's float32 is not measured on other processors


class InferenceLayer(ABC):
    """A layer that can be made ready for use without training."""

    @abstractmethod
    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Lay the weights out for products in ``dtype``, for good: the layer's own are given up."""


def prepare_layers(network: nn.Module, dtype: torch.dtype) -> None:
    """Make those layers of ``network`` that can be ready for use without training, for good."""
    for module in network.modules():
        if isinstance(module, InferenceLayer):
            module.prepare_for_inference(dtype)


class Product:
    """A linear layer's weight and bias, laid out for this processor where that brings something."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """Take ``weight`` (outputs, inputs), whose number format is that of the products."""
        weight = weight.detach()
        self.dtype = weight.dtype
        self.bias = None if bias is None else bias.detach()
        machine = platform.machine().lower()
        is_faster = weight.dtype == torch.bfloat16 or (
            weight.dtype == torch.float32 and machine in _FLOAT32_PAYS
        )
        on_cpu = weight.device.type == "cpu"
        self._packed = _pack(weight) if is_faster and on_cpu else None
        self._weight = weight if self._packed is None else None  # one of both is enough

    def __call__(self, x: Tensor, gelu: Gelu | None = None) -> Tensor:
        """``x`` (..., inputs) to (..., outputs), and a GELU of it where asked for."""
        x = x.to(self.dtype)
        if self._packed is None:
            assert self._weight is not None
            out = F.linear(x, self._weight, self.bias)
            return out if gelu is None else F.gelu(out, approximate=gelu)
        inputs = x.shape[-1]
        if inputs < _WIDE or x.numel() <= _ROWS * inputs:
            return _multiply(x, self._packed, bias=self.bias, gelu=gelu)
        rows = x.reshape(-1, inputs)
        out = x.new_empty(len(rows), len(self._packed))
        for begin in range(0, len(rows), _ROWS):
            # The last part reaches back over rows that are done already.
            first = min(begin, len(rows) - _ROWS)
            part = slice(first, first + _ROWS)
            out[part] = _multiply(rows[part], self._packed, bias=self.bias, gelu=gelu)
        return out.view(*x.shape[:-1], -1)


def _pack(weight: Tensor) -> Tensor | None:
    """``weight`` as oneDNN likes it laid out; none where torch has not got the operators."""
    try:
        packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), None)
        nothing = weight.new_zeros(1, weight.shape[1])
        _multiply(nothing, packed, bias=None, gelu="tanh")
    except (AttributeError, RuntimeError):  # they are for torch's compiler, and may change
        return None
    return packed


def _multiply(x: Tensor, packed: Tensor, *, bias: Tensor | None, gelu: Gelu | None) -> Tensor:
    """Run the layer in one go: a GELU of its own takes as long as the product."""
    then, kind = ("none", "") if gelu is None else ("gelu", gelu)
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, bias, then, [], kind)
    return out


class Linear(nn.Linear, InferenceLayer):
    """A linear layer that can be prepared for inference; until then it is torch's."""

    _product: Product | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (..., inputs) to (..., outputs), once prepared in the number format of
        products.
        """
        return super().forward(x) if self._product is None else self._product(x)

    def with_gelu(self, x: Tensor) -> Tensor:
        """As ``forward``, and an exact GELU of what comes out."""
        return F.gelu(self(x)) if self._product is None else self._product(x, gelu="none")

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Make ready for products in ``dtype``; on other devices than CPUs nothing changes."""
        if self.weight.device.type == "cpu":
            self._product = take_product(self, self.weight, dtype)


class Convolution(nn.Conv1d, InferenceLayer):
    """A convolution along time, of frames as linear layers have them.

    Prepared for inference it is a linear layer over each frame's neighbourhood, which lies together
    in memory.
    """

    _product: Product | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Map ``x`` (B, T, C) to (B, frames, outputs)."""
        if self._product is None:
            return super().forward(x.transpose(1, 2)).transpose(1, 2)
        return self._product(self._neighbourhoods(x))

    def with_gelu(self, x: Tensor) -> Tensor:
        """As ``forward``, and an exact GELU of what comes out."""
        if self._product is None:
            return F.gelu(super().forward(x.transpose(1, 2))).transpose(1, 2)
        return self._product(self._neighbourhoods(x), gelu="none")

    def _neighbourhoods(self, x: Tensor) -> Tensor:
        """``x`` (B, T, C) to (B, frames, kernel * C): views of one memory, not copies."""
        (kernel,) = self.kernel_size
        (stride,) = self.stride
        padding = int(self.padding[0])
        assert self._product is not None
        x = F.pad(x.to(self._product.dtype), (0, 0, padding, padding)).contiguous()
        # Neighbourhoods overlap: each begins ``stride`` frames behind the one before it.
        clips, size, channels = x.shape
        shape = (clips, (size - kernel) // stride + 1, kernel * channels)
        return x.as_strided(shape, (size * channels, stride * channels, 1))

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Make ready for products in ``dtype``; on other devices than CPUs nothing changes."""
        if self.weight.device.type == "cpu":
            # (outputs, C, kernel) to (outputs, kernel * C), as neighbourhoods lie in memory.
            matrix = self.weight.transpose(1, 2).flatten(1)
            self._product = take_product(self, matrix, dtype)


def take_product(layer: nn.Module, weight: Tensor, dtype: torch.dtype) -> Product:
    """Return the product in ``dtype`` with ``weight`` (outputs, inputs) and the bias of ``layer``.

    The layer gives both up: laid out for this processor they are there a second time.
    """
    bias = layer.bias.to(dtype) if isinstance(layer.bias, Tensor) else None
    product = Product(weight.to(dtype), bias)
    layer.register_parameter("weight", None)
    layer.register_parameter("bias", None)
    return product
