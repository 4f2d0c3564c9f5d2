"""Planted attention is found, by the heads it was planted in, and times tokens and words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2Model

import gptasr_subs as gs
from gptasr_subs.media.decode import decode_audio
from gptasr_subs.model.alignment.cross_attention import (
    attention_to_positions,
    choose_heads,
    token_positions,
)
from gptasr_subs.model.alignment.words import words_by_tokens
from gptasr_subs.model.network import Encoded, GptAsr
from gptasr_subs.recognition.gptasr import GptAsrRecognizer
from gptasr_subs.types import FloatArray, Word
from tests.support.tiny import tiny_checkpoint, tiny_network

SAMPLE = Path(__file__).parents[2] / "examples" / "sample.mp4"
BEGINS = [2, 5, 6, 11, 20, 26]


def planted(begins: list[int], positions: int, seed: int = 0, strength: float = 8.0) -> FloatArray:
    """Attention (3, 4, U, N): noise, but heads (1, 2) and (2, 0) look from a token's begin on."""
    rng = np.random.default_rng(seed)
    attention = rng.random((3, 4, len(begins), positions)).astype(np.float32)
    for token, (first, after) in enumerate(zip(begins, [*begins[1:], positions], strict=True)):
        for layer, head in ((1, 2), (2, 0)):
            attention[layer, head, token, first:after] += strength * rng.uniform(0.5, 1)
    return attention / attention.sum(-1, keepdims=True)


def test_planted_heads_are_chosen_and_give_the_positions() -> None:
    attentions = [planted(BEGINS, 32, seed) for seed in range(3)]
    heads = choose_heads(attentions, 2)
    assert set(heads) == {(1, 2), (2, 0)}
    found = token_positions(planted(BEGINS, 32, 9), heads)
    assert found[1:].tolist() == pytest.approx(BEGINS[1:], abs=1)


def test_a_head_that_always_looks_at_one_place_is_not_chosen() -> None:
    attention = planted(BEGINS, 32)
    attention[0, 0] = 0.01
    attention[0, 0, :, 7] = 1.0
    assert (0, 0) not in choose_heads([attention], 3)


def test_positions_never_go_back_and_more_tokens_than_positions_fit() -> None:
    noise = np.random.default_rng(0).random((1, 1, 40, 12)).astype(np.float32)
    found = token_positions(noise, ((0, 0),))
    assert len(found) == 40 and (np.diff(found) >= 0).all() and found[-1] <= 11
    assert token_positions(noise[:, :, :1], ((0, 0),)).tolist() == [0]


def looking(network: GptAsr, step: int) -> None:
    """Make head 0 of layer 0 look at mel position ``step`` * u as it writes token u."""
    with torch.no_grad():
        network.gpt.wte.weight.zero_()
        network.mel_pos_embedding.weight.zero_()
        network.text_pos_embedding.weight.zero_()
        for row in range(16):
            network.mel_pos_embedding.weight[row, row] = 1.0
        for row in range(16 // step):
            network.text_pos_embedding.weight[row, step * row] = 1.0
        weight = network.gpt.h[0].attn.c_attn.weight
        weight.zero_()
        weight[:16, :16] = weight[:16, 64:80] = 3 * torch.eye(16)
        network.gpt.h[0].attn.c_attn.bias.zero_()


def test_attention_planted_in_a_network_is_read_off_it() -> None:
    network = tiny_network(2)
    looking(network, step=3)
    attention = attention_to_positions(
        network, Encoded(torch.zeros(1, 16, 64), torch.tensor([16])), [7, 8, 9, 10]
    )
    assert attention.shape == (2, 4, 5, 16)
    assert attention[0, 0].argmax(-1).tolist() == [0, 3, 6, 9, 12]


@pytest.mark.parametrize("generation", [1, 2])
def test_attention_is_that_of_the_library(generation: int) -> None:
    network = tiny_network(generation)
    mel = torch.randn(1, 80, 160, generator=torch.Generator().manual_seed(1))
    encoded = network.encode(mel, torch.tensor([160]))
    attention = attention_to_positions(network, encoded, [5, 6, 7])
    size = {
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 512,
        "vocab_size": network.config.vocabulary,
    }
    library = GPT2Model(GPT2Config(**size, attn_implementation="eager")).eval()
    with torch.no_grad():
        library.wpe.weight.zero_()  # generation 2 has none
    state = {
        name: value for name, value in network.gpt.state_dict().items() if name != "wpe.weight"
    }
    assert not library.load_state_dict(state, strict=False).unexpected_keys
    if network.gpt.wpe is not None:
        library.wpe.weight.data[: len(network.gpt.wpe.weight)] = network.gpt.wpe.weight
    prefix, _ = network.prefix(encoded)
    text = network.embed_text(torch.tensor([[network.config.start_token, 5, 6, 7]]))
    with torch.no_grad():
        whole = library(
            inputs_embeds=torch.cat([prefix, text], 1), output_attentions=True
        ).attentions
    expected = torch.cat(whole)[:, :, prefix.shape[1] :, : encoded.features.shape[1]]
    np.testing.assert_allclose(attention, expected.numpy(), atol=1e-5)


def test_words_reach_to_the_token_behind_them() -> None:
    words = words_by_tokens(
        ["He", "llo", " ", "you", "."], [-0.1] * 5, [0.1, 0.3, 0.5, 0.8, 1.0, 1.4], 1.5
    )
    assert [(word.text, word.start, word.end) for word in words] == [
        ("Hello", 0.1, 0.5),
        ("you.", 0.8, 1.4),
    ]


def test_a_checkpoint_without_ctc_times_words_by_attention() -> None:
    recognizer = GptAsrRecognizer(tiny_checkpoint(1, ctc=False))
    clip = np.random.default_rng(0).normal(size=22050).astype(np.float32)
    ((_, words),) = recognizer.transcribe([clip])
    assert all(0 <= word.start <= word.end <= 1 for word in words)


def test_on_the_shipped_checkpoint_attention_agrees_with_ctc(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recognizer = gs.load_model("default", device="cpu")
    clip = decode_audio(SAMPLE)[: 12 * 22050]
    ((_, by_ctc),) = recognizer.transcribe([clip])
    monkeypatch.setattr(
        "gptasr_subs.model.alignment.words.align_words", lambda *given, **options: []
    )
    ((_, by_attention),) = recognizer.transcribe([clip])
    assert [word.text for word in by_attention] == [word.text for word in by_ctc]
    apart = np.array(
        [one.start - other.start for one, other in zip(by_attention, by_ctc, strict=True)]
    )
    assert np.median(np.abs(apart)) < 0.2
    assert all(isinstance(word, Word) and 0 < word.confidence <= 1 for word in by_attention)
