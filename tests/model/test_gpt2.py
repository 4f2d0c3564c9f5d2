"""Our GPT-2 and mel filters against those of transformers."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from gptasr_subs.model import packing
from gptasr_subs.model.config import GENERATION_1, GENERATION_2, FrontEnd
from gptasr_subs.model.gpt2 import Conv1D, Gpt2
from gptasr_subs.model.log_mel import mel_filters

transformers = pytest.importorskip("transformers")

SIZES = {"vocab_size": 30, "n_positions": 20, "n_embd": 32, "n_layer": 3, "n_head": 4}


@pytest.mark.parametrize("front", [GENERATION_1, GENERATION_2])
def test_mel_filters_are_those_of_the_library(front: FrontEnd) -> None:
    from transformers.audio_utils import mel_filter_bank

    bank = mel_filter_bank(
        front.n_fft // 2 + 1,
        front.n_mels,
        0.0,
        front.f_max,
        front.sample_rate,
        "slaney",
        front.mel_scale,
    )
    torch.testing.assert_close(
        mel_filters(front), torch.from_numpy(bank.T).float(), atol=1e-7, rtol=0
    )


@pytest.mark.parametrize("masked", [False, True])
def test_layers_agree_with_the_library_on_one_state_dict(masked: bool) -> None:
    theirs = transformers.GPT2Model(transformers.GPT2Config(**SIZES)).eval()
    ours = Gpt2(30, 32, 3, 4, 20).eval()
    with torch.no_grad():
        for weight in ours.parameters():
            weight.copy_(0.3 * torch.randn(weight.shape))
    theirs.load_state_dict(ours.state_dict())
    embedded, mask = torch.randn(2, 9, 32), torch.ones(2, 9)
    if masked:
        mask[1, 3:6] = 0
    with torch.inference_mode():
        expected = theirs(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        torch.testing.assert_close(
            ours(embedded, mask if masked else None), expected, atol=1e-4, rtol=1e-4
        )


def test_fresh_weights_are_as_loud_as_those_of_the_library() -> None:
    sizes = SIZES | {"n_embd": 128}
    theirs = transformers.GPT2Model(transformers.GPT2Config(**sizes)).state_dict()
    ours = Gpt2(30, 128, 3, 4, 20).state_dict()
    assert {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in theirs.items()
    }
    for name, value in ours.items():
        if value.ndim > 1:
            assert float(value.std()) == pytest.approx(float(theirs[name].std()), rel=0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_prepared_layer_multiplies_in_another_format_and_gives_its_weights_up(
    dtype: torch.dtype,
) -> None:
    layer, x = Conv1D(8, 24), torch.randn(3, 8)
    before = layer(x)
    layer.prepare_for_inference(dtype)
    assert layer(x).dtype == layer.dtype == dtype
    if dtype == torch.float32:
        torch.testing.assert_close(layer(x), before)
    torch.testing.assert_close(layer(x).float(), before, atol=0.01, rtol=0.05)
    assert layer.state_dict() == {}


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize("rows", [1, 5, 200])
def test_a_prepared_layer_gives_the_same_in_either_layout(
    monkeypatch: pytest.MonkeyPatch, packs: bool, rows: int
) -> None:
    torch.manual_seed(0)
    if not packs:
        monkeypatch.setattr(packing, "_pack", lambda weight: None)
    layer, x = Conv1D(64, 96, std=0.2), torch.randn(2, rows, 64)
    plain = layer(x)
    layer.prepare_for_inference(torch.bfloat16)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x).float(), plain, atol=0.05, rtol=0.02)
        expected = functional.gelu(plain, approximate="tanh")
        torch.testing.assert_close(layer.with_gelu(x).float(), expected, atol=0.05, rtol=0.02)
