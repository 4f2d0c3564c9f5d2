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
# met again soon. With room for 128 instead of 1024 a talk of 10 minutes takes 200 MB less.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")

_FLOAT32_PAYS = ("x86_64", "amd64")  # oneDNN's float32 is not measured on other processors


class InferenceLayer(ABC):
    """A layer that can be made ready for use without training."""

    @abstractmethod
    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Lay the weights out for products in ``dtype``, for good."""


def prepare_layers(network: nn.Module, dtype: torch.dtype) -> None:
    """Make those layers of ``network`` that can be ready for use without training, for good."""
    for module in network.modules():
        if isinstance(module, InferenceLayer):
            module.prepare_for_inference(dtype)


class Product:
    """A linear layer's weight and bias, laid out for this processor where that brings something."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        """Take ``weight`` (outputs, inputs), whose number format is that of the products."""
        self.weight = weight.detach()
        self.bias = None if bias is None else bias.detach()
        machine = platform.machine().lower()
        is_faster = weight.dtype == torch.bfloat16 or (
            weight.dtype == torch.float32 and machine in _FLOAT32_PAYS
        )
        self._packed = _pack(self.weight) if is_faster and weight.device.type == "cpu" else None

    def __call__(self, x: Tensor, gelu: Gelu | None = None) -> Tensor:
        """``x`` (..., inputs) to (..., outputs), and a GELU of it where asked for."""
        x = x.to(self.weight.dtype)
        if self._packed is not None:
            return _multiply(x, self._packed, bias=self.bias, gelu=gelu)
        out = F.linear(x, self.weight, self.bias)
        return out if gelu is None else F.gelu(out, approximate=gelu)


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
            _round(self, dtype)
            self._product = Product(self.weight, self.bias)


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
        x = F.pad(x.to(self.weight.dtype), (0, 0, padding, padding)).contiguous()
        # Neighbourhoods overlap: each begins ``stride`` frames behind the one before it.
        clips, size, channels = x.shape
        shape = (clips, (size - kernel) // stride + 1, kernel * channels)
        return x.as_strided(shape, (size * channels, stride * channels, 1))

    def prepare_for_inference(self, dtype: torch.dtype) -> None:
        """Make ready for products in ``dtype``; on other devices than CPUs nothing changes."""
        if self.weight.device.type == "cpu":
            _round(self, dtype)
            # (outputs, C, kernel) to (outputs, kernel * C), as neighbourhoods lie in memory.
            self._product = Product(self.weight.transpose(1, 2).flatten(1), self.bias)


def _round(layer: nn.Linear | nn.Conv1d, dtype: torch.dtype) -> None:
    """Give ``layer`` weights in ``dtype`` that are not trained."""
    layer.weight = nn.Parameter(layer.weight.detach().to(dtype), requires_grad=False)
    if layer.bias is not None:
        layer.bias = nn.Parameter(layer.bias.detach().to(dtype), requires_grad=False)
