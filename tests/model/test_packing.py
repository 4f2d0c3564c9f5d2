"""Packed products beside plain ones, and without the operators that pack."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gptasr_subs.model import packing
from gptasr_subs.model.packing import Convolution, Linear, Product

ROUNDED = {"atol": 0.05, "rtol": 0.02}
DTYPES = [torch.float32, torch.bfloat16]


def lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise AttributeError("no such operator")

    monkeypatch.setattr(packing, "_multiply", missing)


def assert_near(found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    assert found.dtype == dtype and found.shape == expected.shape
    tolerance = ROUNDED if dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(found.float(), expected, **tolerance)


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("gelu", [None, "none", "tanh"])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@torch.inference_mode()
def test_a_product_is_that_of_torch(
    monkeypatch: pytest.MonkeyPatch,
    packs: bool,
    gelu: packing.Gelu | None,
    biased: bool,
    dtype: torch.dtype,
) -> None:
    torch.manual_seed(0)
    if not packs:
        lacking(monkeypatch)
    weight, x = 0.2 * torch.randn(96, 64), torch.randn(2, 7, 64)
    bias = torch.randn(96) if biased else None
    expected = F.linear(x, weight, bias)
    if gelu is not None:
        expected = F.gelu(expected, approximate=gelu)
    product = Product(weight.to(dtype), None if bias is None else bias.to(dtype))
    assert packs or product._packed is None
    assert_near(product(x, gelu=gelu), expected, dtype)


@pytest.mark.parametrize("rows", [1, 160, 161, 320, 500])
@pytest.mark.parametrize("dtype", DTYPES)
@torch.inference_mode()
def test_a_wide_product_in_parts_is_that_of_torch(dtype: torch.dtype, rows: int) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(24, 2016) / 50, torch.randn(2, rows, 2016)
    product = Product(weight.to(dtype), None)
    assert_near(product(x), F.linear(x, weight), dtype)
    assert_near(product(x, gelu="none"), F.gelu(F.linear(x, weight)), dtype)


def layers() -> list[tuple[nn.Module, torch.Tensor]]:
    torch.manual_seed(0)
    return [
        (Linear(40, 24), torch.randn(2, 5, 40)),
        (Linear(40, 24, bias=False), torch.randn(2, 5, 40)),
        (Convolution(8, 24, kernel_size=7, stride=3), torch.randn(2, 7, 8)),
        (Convolution(1, 24, kernel_size=9, stride=4, bias=False), torch.randn(3, 50, 1)),
        (Convolution(8, 24, kernel_size=3, stride=2, padding=1), torch.randn(2, 10, 8)),
        (Convolution(300, 8, kernel_size=7, stride=3), torch.randn(2, 700, 300)),
    ]


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("index", range(6))
@torch.inference_mode()
def test_a_settled_layer_gives_what_it_gave(
    monkeypatch: pytest.MonkeyPatch, packs: bool, dtype: torch.dtype, index: int
) -> None:
    if not packs:
        lacking(monkeypatch)
    layer, x = layers()[index]
    assert isinstance(layer, (Linear, Convolution))
    plain, with_gelu = layer(x), layer.with_gelu(x)
    layer.prepare_for_inference(dtype)
    assert_near(layer(x), plain, dtype)
    assert_near(layer.with_gelu(x), with_gelu, dtype)
    assert layer.state_dict() == {}  # the weights are there once


@pytest.mark.parametrize("index", range(6))
def test_a_layer_that_has_not_settled_is_that_of_torch(index: int) -> None:
    layer, x = layers()[index]
    if isinstance(layer, Linear):
        theirs: nn.Module = nn.Linear(40, 24, bias=layer.bias is not None)
        theirs.load_state_dict(layer.state_dict())
        assert torch.equal(layer(x), theirs(x))
    else:
        assert isinstance(layer, Convolution)
        expected = F.conv1d(
            x.transpose(1, 2),
            layer.weight,
            layer.bias,
            stride=layer.stride,
            padding=layer.padding,
        )
        torch.testing.assert_close(layer(x), expected.transpose(1, 2))


def test_only_a_cpu_packs() -> None:
    product = Product(torch.zeros(8, 4, device="meta", dtype=torch.bfloat16), None)
    assert product._packed is None
    layer = Linear(4, 8, device="meta")
    layer.prepare_for_inference(torch.float16)
    assert layer.weight.dtype == torch.float32
