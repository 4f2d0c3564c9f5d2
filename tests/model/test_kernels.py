"""Attention as plain products gives what the fused kernel gives."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from gptasr_subs.model.kernels import cached_attention, causal_attention, full_attention

CLOSE = {torch.float32: {"atol": 1e-5, "rtol": 0}, torch.bfloat16: {"atol": 0.03, "rtol": 0.03}}


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_each_position_sees_itself_and_those_before_it(size: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, size, 3, 4, 16).to(dtype).permute(2, 0, 3, 1, 4)
    expected = functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), is_causal=True
    )
    found = causal_attention(query, key, value)
    assert found.shape == query.shape and found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, **CLOSE[dtype])


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("size", [1, 63, 200])
def test_each_position_sees_all_that_is_not_masked(
    size: int, masked: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, size, 3, 4, 16).to(dtype).permute(2, 0, 3, 1, 4)
    mask = (
        (torch.arange(size) < torch.tensor([[size], [size // 2 + 1]]))[:, None, None]
        if masked
        else None
    )
    expected = functional.scaled_dot_product_attention(
        query.float(), key.float(), value.float(), attn_mask=mask
    )
    found = full_attention(query, key, value, mask=mask)
    assert found.shape == query.shape and found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, **CLOSE[dtype])


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("queries", [1, 2, 4, 5, 16])
def test_few_queries_see_what_is_not_masked_of_the_cache(queries: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    query, keys, values = (torch.randn(3, 4, size, 16).to(dtype) for size in (queries, 150, 150))
    bias = torch.zeros(3, 1, queries, 150, dtype=dtype).masked_fill_(
        torch.rand(3, 1, queries, 150) < 0.5, -torch.inf
    )
    masked = functional.scaled_dot_product_attention(
        query.float(), keys.float(), values.float(), bias.float()
    )
    found = cached_attention(query, keys.transpose(2, 3).contiguous(), values, bias)
    assert found.shape == query.shape and found.dtype == dtype
    torch.testing.assert_close(found.float(), masked, **CLOSE[dtype])
